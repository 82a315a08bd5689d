"""Sets that are united step by step: every member leads to the root of its set."""

from numba import njit

from levelfield.arrays import AnyLabels


@njit(cache=True)
def root_of(parents: AnyLabels, member: int) -> int:
    """Return the root of the set that a member is in, and shorten the way there for the next."""
    while parents[member] != member:
        parents[member] = parents[parents[member]]
        member = parents[member]
    return member

"""Divide training images into roles: by group, never by image."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

TRAINING, VALIDATION, TEST = "training", "validation", "test"
ROLES = (TRAINING, VALIDATION, TEST)

Choice = float | Sequence[str]


def split_groups(
    groups: Iterable[str],
    validation: Choice = 0.0,
    test: Choice = 0.0,
    seed: int = 0,
    earlier: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Give every group a role: divided images of one group would make memory look like skill.

    Parameters
    ----------
    groups : iterable of str
        Groups of all images; those that occur more than once count once.
    validation, test : float, or sequence of str
        The share of groups of that role, 0 to 1, or their names. A share is rounded up, but one
        group always remains for training: with fewer than three groups there may be no validation,
        with one group no test.
    seed : int
        Seed of the order in which groups are chosen.
    earlier : mapping of str to str, optional
        Roles that groups have had before and keep, so that no later network is tested on what an
        earlier one has learned from. They count towards the shares.

    Returns
    -------
    dict of str to str
        Roles by group, sorted by group.

    Raises
    ------
    ValueError
        If a named group is not there, has two roles, or none is left for training.
    """
    known = sorted(set(groups))
    roles = {group: role for group, role in (earlier or {}).items() if group in known}
    for role, choice in ((TEST, test), (VALIDATION, validation)):
        if not isinstance(choice, int | float):
            _give_named(role, choice, known, roles)
    for role, choice in ((TEST, test), (VALIDATION, validation)):
        if isinstance(choice, int | float):
            _give_share(role, choice, known, roles, seed)
    roles |= {group: TRAINING for group in known if group not in roles}
    if TRAINING not in roles.values():
        raise ValueError(
            f"no group is left to train on: the groups are {', '.join(known) or 'none'}. Name "
            "fewer under validation_groups and test_groups, or add images of another group."
        )
    return {group: roles[group] for group in known}


def _give_named(
    role: str, names: Sequence[str], known: Sequence[str], roles: dict[str, str]
) -> None:
    for name in names:
        if name not in known:
            raise ValueError(
                f"{role}_groups: there is no group '{name}'. The groups are {', '.join(known)}."
            )
        if roles.get(name, role) != role:
            raise ValueError(
                f"{role}_groups: the group '{name}' is used for {roles[name]} already, and figures "
                "of what was seen before mean nothing. Choose another group."
            )
        roles[name] = role


def _give_share(
    role: str, share: float, known: Sequence[str], roles: dict[str, str], seed: int
) -> None:
    """Choose groups in an order that follows from their names alone, so that it never changes."""
    free = [group for group in known if group not in roles]
    free.sort(key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).hexdigest())
    had = sum(given == role for given in roles.values())
    wanted = math.ceil(share * len(known)) - had
    spare = len(free) if TRAINING in roles.values() else len(free) - 1
    for group in free[: max(0, min(wanted, spare))]:
        roles[group] = role

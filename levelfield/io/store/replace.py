"""Put a folder in the place of another, so that a kill at any moment loses neither."""

import ctypes
import errno
import os
import shutil
from pathlib import Path

_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD: relative paths start from the working directory
_OLD = ".old"


def put_in_place(draft: Path, place: Path) -> None:
    """Replace a folder by another; where two writers meet, the last one stays."""
    while True:
        try:
            draft.rename(place)
            return
        except OSError as error:
            # The place is taken: by an earlier run, or by another writer just now.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        if _exchanged(draft, place):
            shutil.rmtree(draft)
            return
        old = draft.with_name(draft.name + _OLD)
        try:
            place.rename(old)
        except FileNotFoundError:
            continue
        draft_is_in = _renamed(draft, place)
        shutil.rmtree(old, ignore_errors=True)  # another writer may have brought it back
        if draft_is_in:
            return


def recover(place: Path) -> None:
    """Bring back a folder whose writer was killed after it had moved it aside."""
    if place.exists():
        return
    for old in sorted(place.parent.glob(f".{place.name}.*{_OLD}")):
        if _renamed(old, place):
            return


def _renamed(source: Path, target: Path) -> bool:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT):
            raise
        return False
    return True


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change names in one step, where the system and the file system can."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    done = renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    return bool(done == 0)

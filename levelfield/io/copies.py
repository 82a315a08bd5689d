"""Files of a plate that hold the same image: one of them is a copy under a wrong name."""

from collections.abc import Mapping

from levelfield.images.planes import Header, PlaneError, read_plane

_LOOKED_AT = 200  # files; more that are alike are no accident


def copies(headers: Mapping[str, Header]) -> list[list[str]]:
    """Return the files, by path, that hold the same pixels, one list for each image.

    Files are suspected by what their headers say and a few pixels, and then compared. Simulated
    plates, of which all images are alike, are not looked through.
    """
    alike: dict[tuple[int, ...], list[str]] = {}
    for path, header in headers.items():
        if header.mark and not header.fault:
            key = (header.mark, header.size_y, header.size_x, header.bytes)
            alike.setdefault(key, []).append(path)
    suspected = [paths for paths in alike.values() if len(paths) > 1]
    if sum(map(len, suspected)) > _LOOKED_AT:
        return []
    return [same for paths in suspected for same in _same(paths)]


def _same(paths: list[str]) -> list[list[str]]:
    groups: dict[bytes, list[str]] = {}
    for path in paths:
        try:
            groups.setdefault(read_plane(path).tobytes(), []).append(path)
        except PlaneError:  # whoever needs the image says so
            continue
    return [group for group in groups.values() if len(group) > 1]


def copies_text(groups: list[list[str]]) -> str:
    """Say which files hold the same image; nothing where none do."""
    if not groups:
        return ""
    shown = "; ".join(" and ".join(f"'{path}'" for path in group) for group in groups[:3])
    more = f"; and {len(groups) - 3} more" if len(groups) > 3 else ""
    return (
        f"the same image lies under several names: {shown}{more}. Of each only one can be what its "
        "name says. Look at them, and take the others away: they are used as they are"
    )

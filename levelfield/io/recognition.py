"""Which format an export is of."""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from levelfield.images.planes import SUFFIXES
from levelfield.io.listing import Listing
from levelfield.io.plate_index import IndexFault

_FORMATS = Path(__file__).parent / "formats"


@cache
def known_formats() -> dict[str, ModuleType]:
    """Return the formats that are recognised by themselves, by name."""
    names = sorted(path.stem for path in _FORMATS.glob("*.py") if not path.stem.startswith("_"))
    modules = {name: format_module(name) for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "plate_folders")}


def format_module(name: str) -> ModuleType:
    """Return the module of a format, which may be one that is never recognised by itself."""
    return import_module(f"levelfield.io.formats.{name}")


def find_plates(files: Listing) -> dict[str, list[str]]:
    """Return the plates below a folder: their folders, ``"."`` being the folder itself.

    Returns
    -------
    dict of str to list of str
        By folder the formats that recognise a plate there; several are an ambiguity.
    """
    found: dict[str, list[str]] = {}
    for name, module in known_formats().items():
        for folder in module.plate_folders(files):
            found.setdefault(folder, []).append(name)
    return dict(sorted(found.items()))


def recognise(files: Listing, plate: str) -> tuple[str, str]:
    """Return the format of the one plate in a folder, and the plate's folder within it.

    Raises
    ------
    IndexFault
        If none, or more than one, is recognised; with the candidates.
    """
    found = find_plates(files)
    if not found:
        raise IndexFault(f"plate {plate}: {unknown_text(files)}")
    if len(found) > 1 or len(next(iter(found.values()))) > 1:
        listed = "; ".join(
            f"'{folder}': {', '.join(title(name) for name in names)}"
            for folder, names in found.items()
        )
        raise IndexFault(
            f"plate {plate}: more than one plate or format is recognised in '{files.folder}' "
            f"({listed}). Name the plate's own folder in the plate sheet, or the format with "
            f"images.format: {', '.join(sorted({n for names in found.values() for n in names}))}."
        )
    folder, names = next(iter(found.items()))
    return names[0], folder


def title(name: str) -> str:
    """Return what people call a format."""
    return str(format_module(name).TITLE)


def unknown_text(files: Listing) -> str:
    """Say that no format is recognised among the files of a folder, and what to do."""
    images = files.ending(*SUFFIXES)
    if not files.files and not files.stores:
        return (
            f"'{files.folder}' holds no file. Name the folder that the images are in; in a screen, "
            "in the column 'images' of the plate sheet."
        )
    titles = ", ".join(str(module.TITLE) for module in known_formats().values())
    shown = ", ".join(f"'{name}'" for name in (images or list(files.files))[:3])
    return (
        f"none of the formats that are recognised ({titles}) is in '{files.folder}', which holds "
        f"{len(images)} images among {len(files.files)} files, such as {shown}. Name the format "
        "with images.format, or describe the names of the files with images.format: pattern and "
        "images.pattern; `levelfield inspect FOLDER` proposes one."
    )

"""Text and XML as microscopes and spreadsheets write them, in whatever encoding."""

import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from levelfield.config.table_files import decode_text
from levelfield.io.plate_index import IndexFault
from levelfield.remote.files import open_binary

_SAMPLE = 200  # bytes by which text of two bytes a letter is told
_DECLARED = re.compile(rb"""encoding=["']([\w.-]+)["']""")


def read_text(path: Path | str) -> str:
    """Read a text in UTF-8, UTF-16 or, where it is neither, in Windows' Western encoding."""
    with open_binary(path) as file:
        return decoded(file.read())


def first_line(path: Path | str, longest: int = 100_000) -> str:
    """Return the first line of a text, as `read_text` reads it, or its first `longest` bytes."""
    with open_binary(path) as file:
        return decoded(file.readline(longest))


def decoded(content: bytes) -> str:
    """Return the text of some bytes, as `read_text` does."""
    if b"\x00" in content[:_SAMPLE] and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16-le" if content[1:2] == b"\x00" else "utf-16-be")
    return decode_text(content)


class XmlFault(IndexFault):
    """A file is no readable XML; the text says which and why."""


@cache  # a plate's index has millions of elements of few names
def local_name(tag: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return tag.rpartition("}")[2]


def attributes(element: ElementTree.Element) -> dict[str, str]:
    """Return the attributes of an element by their names without namespaces."""
    return {local_name(name): value for name, value in element.attrib.items()}


def elements(path: Path | str, *names: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of some names as they end, in their order, and forget them again.

    Namespaces are not looked at, as they change with the version of the software. Of two elements
    within each other the inner one comes first, and the outer one has lost it.

    Raises
    ------
    XmlFault
        If the file cannot be read to its end.
    """
    try:
        with open_binary(path) as file:
            for _, element in ElementTree.iterparse(_readable(file)):
                if local_name(element.tag) in names:
                    yield element
                    element.clear()
    except (ElementTree.ParseError, UnicodeError, OSError) as error:
        raise XmlFault(
            f"'{path}' cannot be read as XML ({error}). Copy it once more from the microscope."
        ) from None


def children(element: ElementTree.Element) -> dict[str, str]:
    """Return the texts of the elements within one, by their names without namespaces."""
    return {local_name(child.tag): (child.text or "").strip() for child in element}


def _readable(file: BinaryIO) -> BinaryIO:
    """Return what the parser can read: the file, or its text where it lies about its encoding."""
    start = file.read(_SAMPLE)
    file.seek(0)
    two_bytes = b"\x00" in start
    declared = _DECLARED.search(start)
    if two_bytes or (declared and declared[1].lower() in (b"utf-16", b"unicode")):
        text = re.sub(r"^\s*<\?xml[^>]*\?>", "", decoded(file.read()))
        return BytesIO(text.encode())
    return file

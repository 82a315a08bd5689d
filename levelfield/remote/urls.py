"""What is done with paths that may be URLs."""

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from levelfield.config.urls import is_url

__all__ = ["below", "encoded", "is_url", "local_or_url", "scheme_of"]


def local_or_url(path: Path | str) -> Path | str:
    """Return a URL as it is, and everything else as a path."""
    return path if is_url(path) else Path(path)


def below(folder: Path | str, name: str) -> Path | str:
    """Return a file or folder below one, which may be a URL."""
    if name in ("", "."):
        return folder
    return f"{str(folder).rstrip('/')}/{name}" if is_url(folder) else Path(folder) / name


def encoded(url: str) -> str:
    """Return a URL of a web server as it must be asked for: blanks and ``#`` are names there.

    What is encoded already stays as it is.
    """
    scheme, _, rest = url.partition("://")
    if not scheme.lower().startswith("http"):
        return url
    host, slash, path = rest.partition("/")
    path, mark, query = path.partition("?")
    return f"{scheme}://{host}{slash}{quote(unquote(path), safe='/:@!$&()*+,;=~')}{mark}{query}"


def scheme_of(url: str) -> str:
    """Return the scheme of a URL, such as ``s3``."""
    return urlsplit(url).scheme.lower()

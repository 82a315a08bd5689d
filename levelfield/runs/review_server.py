"""Serves the review page to this machine alone, and takes its answers.

Only the loopback address is bound, every request must carry a token that nobody can guess, and the
name of the host must be that of this machine: another page in the same browser can neither read the
review nor write it.
"""

import secrets
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"
MOST_BYTES = 20_000_000
"""Of one request; a review of 2,000 crops has 2 MB."""


class ReviewServer(ThreadingHTTPServer):
    """Serves one page.

    Parameters
    ----------
    page : Path
        The page.
    save : callable
        Gets the text of review.csv, returns what was done, and raises ``ValueError``, in words, for
        what it refuses.
    port : int
        0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, page: Path, save: Callable[[str], str], port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.page, self.save = page, save
        self.token, self.lock = secrets.token_urlsafe(24), Lock()

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer

    def do_GET(self) -> None:
        """Send the page."""
        if not self._allowed():
            return
        if urlsplit(self.path).path != "/":
            self._answer(404, "There is nothing but the review page here.")
            return
        self._answer(200, self.server.page.read_bytes(), "text/html")

    def do_POST(self) -> None:
        """Take the answers."""
        size = self.headers.get("Content-Length", "")
        if not self._allowed():
            return
        if urlsplit(self.path).path != "/review.csv":
            self._answer(404, "Only review.csv is taken here.")
        elif not size.isdigit() or int(size) > MOST_BYTES:
            self._answer(413, "A review is not that large.")
        else:
            text = self.rfile.read(int(size)).decode("utf-8", "replace")
            try:
                with self.server.lock:
                    self._answer(200, self.server.save(text))
            except (ValueError, OSError) as error:
                self._answer(400, str(error))

    def _allowed(self) -> bool:
        """Refuse who does not know the token, and pages that only pretend to be this machine."""
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        port = self.server.server_port
        is_here = self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}")
        if is_here and secrets.compare_digest(given, self.server.token):
            return True
        self._answer(403, "Use the whole address that levelfield review has printed.")
        return False

    def _answer(self, status: int, content: str | bytes, kind: str = "text/plain") -> None:
        body = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing of requests: the address holds the token."""

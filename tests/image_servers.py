"""Servers of images on this machine, which fail now and then: S3 (moto), plain HTTP, Google's."""

import base64
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

FAILING = 20
"""Every so many requests one fails: 5 %."""


@dataclass
class Server:
    """A server that runs: its URL, and what was asked of it."""

    url: str
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)  # files that were sent from start to end
    fail_every: int = 0

    def fails(self, what: str) -> bool:
        """Note a request; say whether it is one of those that fail."""
        self.requests.append(what)
        if self.fail_every and len(self.requests) % self.fail_every == self.fail_every // 2:
            self.failed.append(what)
            return True
        return False


@contextmanager
def http_server(folder: Path, fail_every: int = 0, ranges: bool = True) -> Iterator[Server]:
    """Serve a folder with an index of links, by ranges or always whole."""
    server = Server("", fail_every=fail_every)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, directory=str(folder), **more)

        def do_GET(self):
            if server.fails(f"GET {self.path}"):
                break_off(self, len(server.failed))
            elif (
                ranges
                and "Range" in self.headers
                and Path(self.translate_path(self.path)).is_file()
            ):
                self.send_part()
            else:
                server.whole.append(self.path)
                super().do_GET()

        def do_HEAD(self):
            if server.fails(f"HEAD {self.path}"):
                self.send_error(503)
            else:
                super().do_HEAD()

        def send_part(self):
            content = Path(self.translate_path(self.path)).read_bytes()
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1 if last else None]
            self.send_response(206)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *arguments):
            pass

    with _serving(Handler) as url:
        server.url = url
        yield server


def break_off(handler: SimpleHTTPRequestHandler, number: int) -> None:
    """Fail as servers do: too busy, broken, or cut off within the answer, in turn."""
    if number % 3 == 0:
        handler.send_error(503)
    elif number % 3 == 1:
        handler.send_error(500)
    else:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"cut off")
        handler.close_connection = True


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Say nothing: a client may hang up when it has seen the size of a file."""


@contextmanager
def _serving(handler) -> Iterator[str]:
    http = _Quiet(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()


@contextmanager
def s3_server(folder: Path, bucket: str, fail_every: int = 0) -> Iterator[Server]:
    """Serve the files below a folder as the objects of a bucket."""
    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it prints every request
    application = DomainDispatcherApplication(create_backend_app)
    server = Server("", fail_every=0)

    def failing(environ, start_response):
        if server.fails(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"):
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        return application(environ, start_response)

    made = make_server("127.0.0.1", 0, failing, threaded=True)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{made.server_port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=bucket, ACL="public-read")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = path.relative_to(folder).as_posix()
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ACL="public-read")
    server.url, server.endpoint, server.fail_every = f"s3://{bucket}", endpoint, fail_every
    server.requests.clear()
    try:
        yield server
    finally:
        made.shutdown()
        made.server_close()


@contextmanager
def google_server(folder: Path, bucket: str) -> Iterator[Server]:
    """Serve the files below a folder as objects, by the two calls of Google's JSON API we need."""
    server = Server("")

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            server.fails(f"GET {self.path}")
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            name = unquote(parts.path).partition(f"/b/{bucket}/o")[2].strip("/")
            if not name:
                self.send(json.dumps(self.listing(query)).encode())
                return
            path = folder / name
            if not path.is_file():
                self.send(b"{}", 404)
            elif query.get("alt") == ["media"]:
                content, asked = path.read_bytes(), self.headers.get("Range", "")
                first, _, last = asked.removeprefix("bytes=").partition("-")
                part = content[int(first or 0) : int(last) + 1 if last else None]
                self.send(part, 206 if asked else 200)
            else:
                self.send(json.dumps(facts(path)).encode())

        def listing(self, query):
            prefix = query.get("prefix", [""])[0]
            items, folders = [], set()
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if path.is_file() and name.startswith(prefix):
                    rest = name.removeprefix(prefix)
                    if "/" in rest and query.get("delimiter"):
                        folders.add(prefix + rest.split("/")[0] + "/")
                    else:
                        items.append(facts(path))
            return {"kind": "storage#objects", "items": items, "prefixes": sorted(folders)}

        def send(self, content, status=200):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    def facts(path):
        content = path.read_bytes()
        crc = google_crc32c.value(content).to_bytes(4, "big")
        name = path.relative_to(folder).as_posix()
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{name}",
            "bucket": bucket,
            "name": name,
            "size": str(len(content)),
            "crc32c": base64.b64encode(crc).decode(),
            "timeCreated": "2026-01-01T00:00:00.000Z",
            "updated": "2026-01-01T00:00:00.000Z",
            "generation": "1",
        }

    with _serving(Handler) as url:
        server.url, server.endpoint = f"gs://{bucket}", url
        yield server

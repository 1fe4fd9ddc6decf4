"""A stand-in for the public hub over HTTP: the few endpoints `huggingface_hub` asks for files and lists."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


class Request(NamedTuple):
    """One request; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class HubServer:
    """Repositories as {repository: {path: bytes}}; every request is remembered.

    `cut` makes the next download stop after so many bytes; `status` answers everything so, with `code` as the
    hub's own name for the fault; `moved` sends downloads to another path, as to a store of large files.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.revisions: set[str] = set()
        self.requests: list[Request] = []
        self.cut: int | None = None
        self.cuts_left = 0
        self.status: int | None = None
        self.code = ""
        self.moved = False
        self.damage: Callable[[bytes], bytes] = lambda data: data
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def downloads(self) -> list[Request]:
        return [each for each in self.requests if each.method == "GET" and "/api/" not in each.path]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                path = unquote(urlsplit(self.path).path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                hub.requests.append(Request(self.command, path, headers))
                if hub.status is not None:
                    self._refuse(hub.status, hub.code)
                elif path.startswith("/api/models/"):
                    self._list(path)
                elif path.startswith("/store/"):
                    self._send(hub._find(path.removeprefix("/store/")))
                else:
                    self._resolve(path.removeprefix("/"))

            def _resolve(self, path: str) -> None:
                repository, _, rest = path.partition("/resolve/")
                revision, _, file = rest.partition("/")
                if repository not in hub.repositories:
                    return self._refuse(401, "RepoNotFound")
                if hub.revisions and revision not in hub.revisions:
                    return self._refuse(404, "RevisionNotFound")
                if file not in hub.repositories[repository]:
                    return self._refuse(404, "EntryNotFound")
                data = hub.repositories[repository][file]
                if not hub.moved:
                    return self._send(data)
                self.send_response(302)
                self._tags(data)
                self.send_header("X-Linked-Size", str(len(data)))
                self.send_header("X-Linked-ETag", f'"{hashlib.sha256(data).hexdigest()}"')
                self.send_header("Location", f"{hub.endpoint}/store/{repository}|{file}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _send(self, data: bytes) -> None:
                start = 0
                wanted = self.headers.get("Range", "")
                if wanted:
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                self.send_response(206 if wanted else 200)
                self._tags(data)
                if wanted:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                if self.command == "HEAD":
                    return
                body = hub.damage(data)[start:]
                if hub.cut is not None and hub.cuts_left > 0:
                    hub.cuts_left -= 1
                    body = body[: hub.cut]
                    self.close_connection = True
                self.wfile.write(body)

            def _tags(self, data: bytes) -> None:
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)

            def _list(self, path: str) -> None:
                repository = path.removeprefix("/api/models/").partition("/tree/")[0]
                files = hub.repositories.get(repository)
                if files is None:
                    return self._refuse(401, "RepoNotFound")
                rows = [
                    {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                    for name, data in files.items()
                ]
                body = json.dumps(rows).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _refuse(self, status: int, code: str) -> None:
                self.send_response(status)
                if code:
                    self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()

        return Handler

    def _find(self, path: str) -> bytes:
        repository, _, file = path.partition("|")
        return self.repositories[repository][file]


@contextmanager
def running() -> Iterator[HubServer]:
    hub = HubServer()
    hub.serve()
    try:
        yield hub
    finally:
        hub.close()

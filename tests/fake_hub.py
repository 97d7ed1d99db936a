"""A small hub on loopback: one data set or model, served as huggingface_hub asks for it, with faults on demand."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "1" * 40


class FakeHub:
    """What the hub holds and what it does wrong.

    Args:
        repo: Of the data set or the model.
        files: Content by path.
        listed: Paths that are listed; by default all.
        wrong: Paths whose served content is not the listed one.
        stalled: Paths, or `api`, at which the hub says nothing.
        cut: Paths whose first download ends before its last twentieth.
        short: Paths that lose a byte, with a length that says so.
    """

    def __init__(self, repo: str, files: Mapping[str, bytes], **faults: set[str]) -> None:
        self.repo, self.files = repo, dict(files)
        self.heads: dict[str, str] = {"main": COMMIT}
        self.gone: set[str] = faults.get("gone", set())
        self.wrong: set[str] = faults.get("wrong", set())
        self.stalled: set[str] = faults.get("stalled", set())
        self.cut: set[str] = faults.get("cut", set())
        self.short: set[str] = faults.get("short", set())
        self.status: int | None = None
        self.requests: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.ended = threading.Event()
        self.url = ""

    def entries(self) -> list[dict[str, object]]:
        """Return the listing; Parquet files are kept as large ones, with their SHA-256."""
        found: list[dict[str, object]] = []
        for path, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": blob}
            if path.endswith(".parquet"):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
            found.append(entry)
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        path = path.replace("/api/models/", "/api/datasets/", 1)
        if path.startswith(f"/{hub.repo}/resolve/"):  # of a model
            path = f"/datasets{path}"
        api, resolve = f"/api/datasets/{hub.repo}", f"/datasets/{hub.repo}/resolve/"
        if path.startswith((api, resolve)):
            hub.requests[f"{self.command} {path}"] += 1
        if hub.status is not None:
            self._send(hub.status, b"{}")
        elif path == api or path.startswith(f"{api}/revision/"):
            self._info(path.removeprefix(api).removeprefix("/revision/") or "main")
        elif path.startswith(f"{api}/tree/"):
            self._json(hub.entries())
        elif path.startswith(resolve):
            self._file(*path.removeprefix(resolve).split("/", 1))
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _info(self, revision: str) -> None:
        if "api" in self.hub.stalled:
            self.hub.ended.wait(60)
            return
        commit = self.hub.heads.get(revision, revision if revision in self.hub.heads.values() else None)
        if commit is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            self._json({"id": self.hub.repo, "sha": commit})

    def _file(self, commit: str, path: str) -> None:
        hub = self.hub
        if path not in hub.files or path in hub.gone:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        content = hub.files[path]
        etag = hashlib.sha256(content).hexdigest()
        if path in hub.wrong:
            content = content.replace(b"A", b"C", 1)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if self.command == "HEAD":
            self._send(200, content, headers)
            return
        if path in hub.stalled:
            hub.ended.wait(60)
            return
        if path in hub.short:
            content = content[:-1]
        asked = self.headers.get("Range")
        if asked:
            hub.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, content[start:], headers)
        elif path in hub.cut:
            hub.cut.discard(path)
            self._send(200, content, headers, sent=len(content) * 19 // 20)
        else:
            self._send(200, content, headers)

    def _json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, sent: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:sent])
        if sent is not None:
            self.wfile.flush()
            self.close_connection = True


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve until the end of the block."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        hub.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=30)

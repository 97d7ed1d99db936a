"""A web server on loopback that misbehaves as asked, and remembers what it sent."""

import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

BLOCK = 16 << 10


@dataclass
class Site:
    """Files by path, and what is wrong with the server; `log` holds [path, range, status, bytes sent]."""

    files: dict[str, bytes]
    port: int = 0
    etag: str | None = '"1"'
    date: str | None = None  # Last-Modified
    statuses: list[int] = field(default_factory=list)  # answered first, one a request
    retry_after: str | None = None
    cuts: int = 0  # connections that end after `stop_after` bytes of the body
    stalls: int = 0  # connections that fall silent there, until the server ends
    stop_after: int = 0
    shift: int = 0  # bytes by which the answer to a range begins wrongly
    pause: float = 0.0  # seconds before each block
    ranges: bool = True
    length: bool = True
    log: list[list[Any]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def sent(self) -> int:
        return sum(int(entry[3]) for entry in self.log)

    def validators(self) -> dict[str, str]:
        headers = {"ETag": self.etag, "Last-Modified": self.date}
        return {name: value for name, value in headers.items() if value is not None}


class _Handler(http.server.BaseHTTPRequestHandler):
    site: ClassVar[Site]

    def do_GET(self) -> None:
        site, asked = self.site, self.headers.get("Range")
        content = site.files.get(self.path)
        if site.statuses:
            return self._fail(site.statuses.pop(0), asked)
        if content is None:
            return self._fail(404, asked)
        start, status = 0, 200
        valid = self.headers.get("If-Range") in (None, *site.validators().values())
        if asked and site.ranges and valid:
            start, status = int(re.findall(r"\d+", asked)[0]) + site.shift, 206
            if start >= len(content):
                return self._fail(416, asked)
        entry = [self.path, asked, status, 0]
        site.log.append(entry)  # before anything is sent, so whoever has the bytes finds it
        self.send_response(status)
        for name, value in site.validators().items():
            self.send_header(name, value)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if site.length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self._send(content[start:], entry)

    def _fail(self, status: int, asked: str | None) -> None:
        self.site.log.append([self.path, asked, status, 0])
        self.send_response(status)
        if self.site.retry_after:
            self.send_header("Retry-After", self.site.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: bytes, entry: list[Any]) -> None:
        site = self.site
        with suppress(OSError):  # the client may go
            for at in range(0, len(body), BLOCK):
                if at >= site.stop_after and site.cuts:
                    site.cuts -= 1
                    return
                if at >= site.stop_after and site.stalls:
                    site.stalls -= 1
                    site.ended.wait(30)
                    return
                time.sleep(site.pause)
                entry[3] += len(body[at : at + BLOCK])
                self.wfile.write(body[at : at + BLOCK])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Site]:
    """Give a running site with these files."""
    site = Site(files)
    handler = type("Handler", (_Handler,), {"site": site})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            site.ended.set()
            server.shutdown()
            thread.join(10)

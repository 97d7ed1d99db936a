"""A real S3 server on loopback, and a road to it that can be slow or cut."""

import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from pyarrow import fs

BLOCK = 16 << 10
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class ObjectStore:
    """The server's port, and a file system to fill and change it directly."""

    port: int

    def location(self, path: str, port: int | None = None) -> str:
        return f"s3://{path}?endpoint_override=127.0.0.1:{port or self.port}&scheme=http"

    @property
    def filesystem(self) -> fs.S3FileSystem:
        return fs.S3FileSystem(endpoint_override=f"127.0.0.1:{self.port}", scheme="http", allow_bucket_creation=True)

    def put(self, path: str, content: bytes) -> None:
        with self.filesystem.open_output_stream(path) as out:
            out.write(content)

    def put_raw(self, quoted: str, content: bytes) -> None:
        """Put an object whose name a client would tidy."""
        headers = {"Content-Type": "application/octet-stream"}
        url = f"http://127.0.0.1:{self.port}/{quoted}"
        with urllib.request.urlopen(urllib.request.Request(url, content, headers, method="PUT"), timeout=10):
            pass

    def require_credentials(self, *, after: int) -> None:
        """Let the server refuse unknown keys after as many requests."""
        url = f"http://127.0.0.1:{self.port}/moto-api/reset-auth"
        request = urllib.request.Request(url, data=str(after).encode(), headers={"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=10):
            pass


@contextlib.contextmanager
def serving() -> Iterator[ObjectStore]:
    """Give a server with an empty bucket `bucket`, for a session: tests keep apart by their keys."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        store = ObjectStore(server.get_host_and_port()[1])
        with pytest.MonkeyPatch.context() as patch:
            for name, value in CREDENTIALS.items():
                patch.setenv(name, value)
            store.filesystem.create_dir("bucket")
        yield store
    finally:
        server.stop()


@dataclass
class Road:
    """A TCP proxy; it cuts connections in the middle of an answer, waits between blocks, and counts bytes."""

    target: int
    cuts: int = 0
    cut_after: int = 0  # bytes of answers since the last cut
    pause: float = 0.0  # seconds before each block
    on_cut: Callable[[], None] = lambda: None
    served: int = 0  # bytes of answers
    _since_cut: int = 0
    _changing: threading.Lock = field(default_factory=threading.Lock)  # who connects again waits for `on_cut`
    _sockets: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> "Road":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener, *self._sockets)  # closing alone does not wake a thread that accepts
        for each in [self._listener, *self._sockets]:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                with self._changing:
                    pass
                server = socket.create_connection(("127.0.0.1", self.target), timeout=30)
            except OSError:
                return
            self._sockets += [client, server]
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if is_answer and self._is_cut(len(block)):
                    with self._changing:
                        _end(source, sink)
                        self.on_cut()
                    return
                sink.sendall(block)
        _end(source, sink)

    def _is_cut(self, size: int) -> bool:
        time.sleep(self.pause)
        self._since_cut += size
        if self.cuts and self._since_cut > self.cut_after:
            self.cuts, self._since_cut = self.cuts - 1, 0
            return True
        self.served += size
        return False


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)

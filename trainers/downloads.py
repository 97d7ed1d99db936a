"""Downloads files over HTTPS, however often the connection is cut.

```
URL --> NAME.part + NAME.part.json   what has come, and which version of the file it belongs to (ETag, date, size)
        --checksum--> NAME           renamed last; a kill leaves the part, and the next call goes on from it
```
"""

import fcntl
import hashlib
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, TypeVar

import requests

from curricula import InputError
from curricula.errors import one_line
from trainers.files import written

ATTEMPTS = 5  # without progress
BACKOFF_SECONDS = 1.0  # before the second attempt; doubles with each, up to the longest
LONGEST_BACKOFF_SECONDS = 30.0
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0  # without one byte
TEXT_BYTES = 16 << 20
BLOCK_BYTES = 64 << 10  # what a cut connection may lose
HASHES = {"md5": 32, "sha256": 64}  # hexadecimal digits

OnProgress = Callable[[int, int | None], None]
_T = TypeVar("_T")


class _TryAgainError(Exception):
    """The server could not answer now; it may have said when to ask again (seconds)."""

    def __init__(self, words: str, wait: float = 0.0) -> None:
        super().__init__(words)
        self.wait = wait


@dataclass(frozen=True)
class _Version:
    """Which version of which file a part belongs to; `validator` is an ETag or a date, `size` in bytes."""

    url: str
    validator: str | None = None
    size: int | None = None


def fetch(
    url: str, path: Path, *, checksum: tuple[str, str] | None = None, on_progress: OnProgress | None = None
) -> Path:
    """Download a file to `path` and return it; go on from the part of an earlier call, if it is of the same version.

    A file that is at `path` already is not downloaded again, but compared with the checksum.

    Args:
        url: Where the file is; `https://` or `http://`.
        path: Where it goes; its folder is made.
        checksum: ("md5" or "sha256", hexadecimal digest), which the whole file must have.
        on_progress: Called with (bytes so far, bytes in all or None if the server does not say).

    Raises:
        InputError: the server is away (the message says what to fetch by hand), does not have the file, or sends
            other content than the checksum's; or another process downloads to the same path.
    """
    if checksum is not None and len(checksum[1]) != HASHES.get(checksum[0]):
        raise InputError(f"a checksum must be (md5 or sha256, hexadecimal digest), but it is {checksum}")
    if path.exists():
        if not _has(path, checksum):
            raise InputError(
                f"{path} must have the {' '.join(checksum or ())}, but it has not; remove it to fetch {url}"
            )
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part, notes = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")
    with _alone(part) as file:
        try:
            _patiently(url, path, lambda: _go_on(url, file, notes, on_progress), lambda: _size(file))
        except BaseException:
            if not _size(file):  # nothing came that the next call could go on from
                part.unlink()
                notes.unlink(missing_ok=True)
            raise
        file.flush()  # the last bytes may be in the buffer, and the part is read again by its name
        os.fsync(file.fileno())
        if not _has(part, checksum):
            part.unlink()
            notes.unlink(missing_ok=True)
            raise InputError(
                f"{url} must have the {' '.join(checksum or ())}, but what came has not; it was removed: fetch again"
            )
        os.replace(part, path)
        notes.unlink(missing_ok=True)
    return path


def text(url: str) -> str:
    """Return a small file, such as a list of checksums, as text.

    Raises:
        InputError: the server is away or does not have it, or it is no small UTF-8 text.
    """

    def whole() -> str:
        with _asked(url, {}) as response:
            _refuse_or_try_again(url, response)
            raw = b""
            for block in response.iter_content(BLOCK_BYTES):
                raw += block
                if len(raw) > TEXT_BYTES:
                    raise InputError(f"a list must have at most {TEXT_BYTES} bytes, but {url} has more")
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"a list must be UTF-8 text, but {url} is not: {error.reason}") from error

    return _patiently(url, None, whole, lambda: 0)


def _go_on(url: str, file: BinaryIO, notes: Path, on_progress: OnProgress | None) -> None:
    """Ask for the rest of a file once and append it, or begin anew where the server has another version."""
    kept, have = _noted(notes), _size(file)
    if kept.url != url or kept.validator is None:  # nothing says that what is here belongs to what would come
        have = 0
    if have and have == kept.size:
        return
    headers = {"Range": f"bytes={have}-", "If-Range": str(kept.validator)} if have else {}
    with _asked(url, headers) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            file.truncate(0)
            raise _TryAgainError("the server's file is shorter than the part was")
        _refuse_or_try_again(url, response)
        version = _Version(url, _validator(response), _announced(response, have))
        if response.status_code != HTTPStatus.PARTIAL_CONTENT or version != kept or _start(response) != have:
            have = 0
            if response.status_code == HTTPStatus.PARTIAL_CONTENT:
                file.truncate(0)
                raise _TryAgainError("the server sent another part than the one asked for")
            file.truncate(0)
            written(notes, json.dumps(asdict(version)))
        file.seek(have)
        for block in response.iter_content(BLOCK_BYTES):
            file.write(block)
            have += len(block)
            if on_progress:
                on_progress(have, version.size)
    if version.size not in (None, have):
        raise _TryAgainError(f"{have} of {version.size} bytes came")


@contextmanager
def _asked(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Give the server's answer, whose body is still to come; every wait in it has a limit."""
    # A compressed answer would have other sizes and ranges than the file.
    sent = {"Accept-Encoding": "identity", "User-Agent": "curriculum-study", **headers}
    with (
        requests.Session() as session,
        session.get(url, headers=sent, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response,
    ):
        yield response


def _patiently(url: str, path: Path | None, attempt: Callable[[], _T], progress: Callable[[], int]) -> _T:
    """Attempt until it works; give up after some attempts in which nothing new came."""
    failures, farthest = 0, progress()
    while True:
        try:
            return attempt()
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            raise InputError(f"a URL must start with https:// or http:// and a host, but it is `{url}`") from error
        except requests.exceptions.InvalidSchema as error:
            raise InputError(f"a URL must start with https:// or http://, but it is `{url}`") from error
        except (requests.RequestException, _TryAgainError) as error:
            failures = 1 if progress() > farthest else failures + 1
            farthest = max(farthest, progress())
            if failures >= ATTEMPTS:
                reason = str(error) if isinstance(error, _TryAgainError) else one_line(error)
                by_hand = f"curl -fL -C - -o {shlex.quote(str(path or 'FILE'))} {shlex.quote(url)}"
                raise InputError(
                    f"{url} must be reachable, but is not after {ATTEMPTS} attempts ({reason[:200]}); call "
                    f"again to go on, or fetch it by hand where there is a network: {by_hand}"
                ) from error
            asked = error.wait if isinstance(error, _TryAgainError) else 0.0
            time.sleep(min(max(asked, BACKOFF_SECONDS * 2 ** (failures - 1)), LONGEST_BACKOFF_SECONDS))


def _refuse_or_try_again(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = response.headers.get("Retry-After", "")
        raise _TryAgainError(f"status {status}", float(wait) if wait.isdecimal() else 0.0)
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise InputError(f"a file must be at {url}, but the server answers {status} {response.reason}; check the URL")


def _validator(response: requests.Response) -> str | None:
    """Return what changes with the file: a strong ETag, or the date."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _start(response: requests.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _announced(response: requests.Response, have: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        return None
    return int(length) + (have if response.status_code == HTTPStatus.PARTIAL_CONTENT else 0)


def _noted(notes: Path) -> _Version:
    """Return the version that a part belongs to; notes that cannot be read say nothing."""
    try:
        content = json.loads(notes.read_text())
        return _Version(**{field.name: content[field.name] for field in fields(_Version)})
    except (OSError, ValueError, KeyError, TypeError):
        return _Version("")


def _size(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _has(path: Path, checksum: tuple[str, str] | None) -> bool:
    if checksum is None:
        return True
    with open(path, "rb") as file:
        return hashlib.file_digest(file, checksum[0]).hexdigest() == checksum[1].lower()


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """Open a part so that no other process does; a kill frees it."""
    with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        busy = InputError(f"one process may download to a file, but another writes {part}; wait for it or end it")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        if not part.exists() or not os.path.samestat(part.stat(), os.fstat(file.fileno())):
            raise busy  # the other process renamed it between the two lines above
        yield file

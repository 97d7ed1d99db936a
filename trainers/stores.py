"""Speaks with object storage: what is there, its bytes in pieces, and errors in one line."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from pyarrow import fs

from curricula import InputError
from curricula.errors import nearest, one_line

PIECE_BYTES = 8 << 20
ATTEMPTS = 4  # without progress, at one piece
CLIENT_ATTEMPTS = 3  # of the S3 client at one request, with its own back-off
BACKOFF_SECONDS = 0.5  # before the second attempt; doubles with each
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 20.0  # without one byte
GCS_RETRY = timedelta(seconds=5)  # Google's client would go on for 15 minutes, even without credentials

_OPTIONS = {
    "s3": {"endpoint_override", "scheme", "region"},
    "gs": {"endpoint_override", "scheme", "project_id"},
    "file": set[str](),
}
_HINTS = {
    r"ACCESS_DENIED|INVALID_ACCESS|SIGNATURE|FORBIDDEN|PERMISSION|UNAUTHENTICATED|[Cc]redential|OAuth2": (
        "give credentials that may do this, by the environment or the instance's role"
    ),
    r"NO_SUCH_BUCKET": "create the bucket, or correct its name",
    r"NETWORK_CONNECTION|UNAVAILABLE|[Rr]esolve|CURL error": "check the network, the endpoint and the region",
}


@dataclass(frozen=True)
class Place:
    """Where a location is: a file system, and the path of the object or prefix in it."""

    location: str
    filesystem: fs.FileSystem
    path: str


@dataclass(frozen=True)
class Item:
    """One object below a place: its path there, and the same relative to the place (`.` for the place itself)."""

    path: str
    name: PurePosixPath
    bytes: int
    changed_at: str


def place_of(location: str) -> Place:
    """Return where a URI leads, with limits on every wait; nothing is asked of the store but a bucket's region.

    Raises:
        InputError: the URI is wrong, or the region is not to be had.
    """
    try:
        parts = urlsplit(location, allow_fragments=False)  # a key may hold `#`
    except ValueError as error:
        raise InputError(f"a remote location must be a URI, but `{location}` is none: {error}") from error
    scheme = parts.scheme
    if parts.username or parts.password:  # first: other errors show the location
        raise InputError(f"a location must hold no credentials, but `{scheme}://...@...` does; use the environment")
    if scheme not in _OPTIONS:
        raise InputError(f"a remote location must start with s3://, gs:// or file://, but it is `{location}`")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options.keys() - _OPTIONS[scheme]:
        known = nearest(name, _OPTIONS[scheme]) if _OPTIONS[scheme] else " (none is known)"
        raise InputError(f"a location may have known options only, but `{location}` has `{name}`{known}")
    path = (parts.netloc + parts.path).rstrip("/")
    if scheme != "file" and not (parts.netloc and parts.path.strip("/")):
        raise InputError(f"a remote location must name a bucket and a key in it, but it is `{location}`")
    with asking(location):
        if scheme == "s3":
            # Where no endpoint is named, the bucket's own region is asked for, as requests to another are refused.
            region = options.pop("region", None)
            if region is None and "endpoint_override" not in options:
                region = fs.resolve_s3_region(parts.netloc)
            filesystem: fs.FileSystem = fs.S3FileSystem(
                region=region,
                connect_timeout=CONNECT_SECONDS,
                request_timeout=REQUEST_SECONDS,
                retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=CLIENT_ATTEMPTS),
                **options,
            )
        elif scheme == "gs":
            filesystem = fs.GcsFileSystem(retry_time_limit=GCS_RETRY, **options)
        else:
            filesystem = fs.LocalFileSystem()
    return Place(location, filesystem, path)


def listing(place: Place) -> list[Item]:
    """Return the object at a place, or every object below it, in the order of their paths.

    Raises:
        InputError: there is none, one has a name that leads elsewhere, or the store is away.
    """
    with asking(place.location):
        found = place.filesystem.get_file_info(place.path)
        if found.type == fs.FileType.Directory:
            within = place.filesystem.get_file_info(fs.FileSelector(place.path, recursive=True))
            infos = sorted((info for info in within if info.type == fs.FileType.File), key=lambda info: str(info.path))
        else:
            infos = [found] if found.type == fs.FileType.File else []
    if not infos:
        raise InputError(
            f"a remote location must hold a file or a folder with files, but nothing is at `{place.location}`; "
            "check bucket and key"
        )
    items = []
    for info in infos:
        name = PurePosixPath(info.path[len(place.path) :].lstrip("/"))
        if ".." in name.parts:
            raise InputError(f"objects must have names without `..`, but `{place.location}` holds `{name}`; rename it")
        items.append(Item(info.path, name, info.size, str(info.mtime_ns)))
    return items


def pieces(place: Place, item: Item, start: int) -> Iterator[bytes]:
    """Yield the object's bytes from `start` on; a connection that is cut is opened again where it was.

    Raises:
        InputError: several attempts at one piece failed.
    """
    at, failures = start, 0
    while at < item.bytes:
        try:
            with asking(place.location), place.filesystem.open_input_file(item.path) as source:
                while at < item.bytes:
                    piece = source.read_at(min(PIECE_BYTES, item.bytes - at), at)
                    if not piece:
                        raise OSError(f"{item.path} ends after {at} of {item.bytes} bytes")
                    yield piece
                    at, failures = at + len(piece), 0
        except InputError:
            failures += 1
            if failures == ATTEMPTS:
                raise
            time.sleep(BACKOFF_SECONDS * 2 ** (failures - 1))


def sums_of(place: Place, path: str) -> dict[str, str]:
    """Return name -> SHA-256 of a list in sha256sum's format; empty where there is none.

    Raises:
        InputError: a line is of another format, or the store is away.
    """
    with asking(place.location):
        if place.filesystem.get_file_info(path).type != fs.FileType.File:
            return {}
        with place.filesystem.open_input_file(path) as source:
            lines = source.read().decode(errors="replace").splitlines()
    sums = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)", line)
        if match is None:
            raise InputError(f"a line must be a SHA-256, two spaces and a name, but {path}:{number} is {line[:80]!r}")
        sums[match[2]] = match[1].lower()
    return sums


def write(place: Place, path: str, blocks: Iterator[bytes]) -> None:
    """Write an object, which appears when all of it is there.

    Raises:
        InputError: the store refuses, or the blocks do.
    """
    with asking(place.location):
        if isinstance(place.filesystem, fs.LocalFileSystem):  # object stores have no folders
            place.filesystem.create_dir(path.rpartition("/")[0])
        out = place.filesystem.open_output_stream(path)
        try:
            with out:
                for block in blocks:
                    out.write(block)
        except InputError:  # the file cannot be read; closing the stream published half of it
            place.filesystem.delete_file(path)
            raise


@contextmanager
def asking(location: str) -> Iterator[None]:
    """Turn what the store answers into one line with a hint."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        words = one_line(error)[:300]
        hint = next((hint for pattern, hint in _HINTS.items() if re.search(pattern, words)), "check bucket and key")
        raise InputError(f"`{location}` must be reachable: {hint} ({words})") from error

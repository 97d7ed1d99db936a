"""Brings files and folders from object storage to this node once, and puts results there.

```
s3://bucket/folder  --list-->  CACHE/KEY/            KEY: a hash of the URI and of every object's name, size and time
                                 .KEY.lock           beside it; one process of a node copies, the others wait
                                 folder/a/x.csv      renamed from .x.csv.part, which a killed copy leaves to the next
                                 manifest.json       SHA-256 of each; written last, so with it the copy is whole
```
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import filelock

from curricula import InputError
from trainers import stores
from trainers.files import written

CACHE_VARIABLE = "CURRICULUM_STUDY_CACHE"
SUMS = "SHA256SUMS"
LOCK_SECONDS = 3600.0  # for the process that copies


def cache_folder() -> Path:
    """Return where this node keeps copies: `$CURRICULUM_STUDY_CACHE`, or else `~/.cache/curriculum-study`."""
    return Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/curriculum-study").expanduser()


def is_remote(location: str) -> bool:
    """Say whether a location is a URI (`scheme://...`) and not a path on this node."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", location) is not None


def local(location: str, cache: Path | None = None) -> Path:
    """Return the path on this node of a file or folder, which is copied first if it is remote.

    Args:
        location: A path, which is returned as it is (`~` expanded), or `s3://`, `gs://`, `file://`. For a store of
            one's own: `s3://bucket/key?endpoint_override=HOST:PORT&scheme=http`.
        cache: The folder of copies; by default `$CURRICULUM_STUDY_CACHE`, or else `~/.cache/curriculum-study`.

    Raises:
        InputError: nothing is there, it cannot be reached or read, it differs from the `SHA256SUMS` beside it, it
            changes while it is copied, or the cache cannot be written.
    """
    if not is_remote(location):
        return Path(location).expanduser()
    place = stores.place_of(location)
    items = stores.listing(place)
    cache = cache or cache_folder()
    entry = cache / _key(location, items)
    target = entry / PurePosixPath(place.path).name
    if not _is_whole(entry, target, items):
        with _writing(cache):
            entry.mkdir(parents=True, exist_ok=True)
        with _locked(entry, location):
            if not _is_whole(entry, target, items):
                _fill(place, items, entry, target)
    return target


def upload(path: Path, location: str) -> None:
    """Put a file or folder at a remote location and, last, its `SHA256SUMS` beside it (of a folder: in it).

    Objects that are below the location and not in the folder stay; lines of `SHA256SUMS` for others stay too.

    Raises:
        InputError: the path holds no file, the location is not remote, or it cannot be written.
    """
    if not is_remote(location):
        raise InputError(f"files are uploaded to s3:// or gs://, but the location is `{location}`; copy them instead")
    place = stores.place_of(location)
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and file != path / SUMS)
        folder, targets = place.path, {str(file.relative_to(path).as_posix()): file for file in found}
    else:
        folder, name = place.path.rpartition("/")[::2]
        targets = {name: path} if path.is_file() else {}
    if not targets:
        raise InputError(f"a file or a folder with files must be given to upload, but {path} is none")
    sums = stores.sums_of(place, f"{folder}/{SUMS}") | {
        name: _put(place, f"{folder}/{name}", file) for name, file in targets.items()
    }
    stores.write(
        place, f"{folder}/{SUMS}", iter(["".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()])
    )


def _key(location: str, items: list[stores.Item]) -> str:
    facts = [location, *((str(item.name), item.bytes, item.changed_at) for item in items)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _is_whole(entry: Path, target: Path, items: list[stores.Item]) -> bool:
    """Say whether the manifest is there and each copy has its size; hashes were compared when they were copied."""
    if not (entry / "manifest.json").exists():
        return False
    copies = ((target / item.name, item.bytes) for item in items)
    return all(copy.is_file() and copy.stat().st_size == size for copy, size in copies)


def _fill(place: stores.Place, items: list[stores.Item], entry: Path, target: Path) -> None:
    """Copy what is missing, compare it with the store's sums, and write the manifest."""
    is_file = items[0].path == place.path
    expected = stores.sums_of(place, f"{place.path.rpartition('/')[0] if is_file else place.path}/{SUMS}")
    with _writing(entry):
        (entry / "manifest.json").unlink(missing_ok=True)
    names = {str(item.name) for item in items}
    for name in expected:
        if not is_file and name not in names:
            raise InputError(f"a folder must hold what its {SUMS} lists, but `{place.location}` lacks `{name}`")
    found = {}
    for item in items:
        name = target.name if is_file else str(item.name)
        found[name] = _verified(place, item, target / item.name, expected.get(name))
    if _key(place.location, stores.listing(place)) != entry.name:
        raise InputError(f"objects must stay as they are while they are copied, but `{place.location}` changed; repeat")
    manifest = {"location": place.location, "sha256": found}
    with _writing(entry):
        written(entry / "manifest.json", json.dumps(manifest, indent=1) + "\n")


def _verified(place: stores.Place, item: stores.Item, copy: Path, expected: str | None) -> str:
    part = copy.with_name(f".{copy.name}.part")
    with _writing(copy):
        copy.parent.mkdir(parents=True, exist_ok=True)
        if copy.exists() and copy.stat().st_size == item.bytes:  # of a copy that was killed between two files
            os.replace(copy, part)
        resumed = part.exists() and 0 < part.stat().st_size <= item.bytes
    found = _copied(place, item, part, resume=resumed)
    if expected not in (None, found) and resumed:  # what was there may be of another day
        found = _copied(place, item, part, resume=False)
    if expected not in (None, found):
        part.unlink()
        raise InputError(
            f"an object must have the SHA-256 of the {SUMS} beside it, but `{item.path}` of `{place.location}` has "
            f"{found} and {expected} is listed; upload it again"
        )
    with _writing(copy):
        os.replace(part, copy)
    return found


def _copied(place: stores.Place, item: stores.Item, part: Path, *, resume: bool) -> str:
    """Write the object to `part`, after what is there if asked to, and return the SHA-256 of all of it."""
    digest = hashlib.sha256()
    with _writing(part), open(part, "r+b" if resume else "wb") as out:
        while block := out.read(stores.PIECE_BYTES) if resume else b"":
            digest.update(block)
        for piece in stores.pieces(place, item, out.tell()):
            out.write(piece)
            digest.update(piece)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _put(place: stores.Place, path: str, file: Path) -> str:
    """Upload one file and return its SHA-256."""
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        try:
            with open(file, "rb") as source:
                while block := source.read(stores.PIECE_BYTES):
                    digest.update(block)
                    yield block
        except OSError as error:
            raise InputError(f"what is uploaded must be readable, but {file} is not: {error.strerror}") from error

    stores.write(place, path, blocks())
    return digest.hexdigest()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the cache must be writable, but {path} is not: {error.strerror or error}; set {CACHE_VARIABLE} to a "
            "folder with enough space"
        ) from error


@contextmanager
def _locked(entry: Path, location: str) -> Iterator[None]:
    lock = filelock.FileLock(entry.with_name(f".{entry.name}.lock"), timeout=LOCK_SECONDS)
    with _writing(entry):
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise InputError(
                f"one process of a node copies `{location}`, but another has held {lock.lock_file} for "
                f"{LOCK_SECONDS:.0f} s; wait for it or end it, then repeat"
            ) from error
    try:
        yield
    finally:
        lock.release()

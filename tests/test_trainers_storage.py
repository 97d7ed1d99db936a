"""Files and folders of an object store arrive on a node once, whole, and are refused if they are wrong."""

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from curricula import InputError
from tests.object_store import CREDENTIALS, ObjectStore, Road, serving
from trainers import storage, stores

CONTENT = random.Random(0).randbytes(3_000_000)
FOLDER = {
    "tf/0/train.csv": b"sequence,label\nACGT,1\n",
    "tf/0/dev.csv": b"sequence,label\n",
    "a b#c.csv": b"",
    "x": CONTENT,
}
NODE = """
import sys
from pathlib import Path
from trainers import storage, stores
stores.PIECE_BYTES = 128 << 10
print(storage.local(sys.argv[1], Path(sys.argv[2])))
"""


def sums_of(contents: dict[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in contents.items()).encode()


def put_folder(store: ObjectStore, prefix: str) -> None:
    for name, content in FOLDER.items():
        store.put(f"{prefix}/{name}", content)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def parts_in(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.part"))


@contextlib.contextmanager
def node(location: str, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process of a node that copies, and end it."""
    command = [sys.executable, "-c", NODE, location, str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def arrived(process: "subprocess.Popen[str]") -> Path:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return Path(out.strip())


@pytest.fixture(scope="session")
def server() -> Iterator[ObjectStore]:
    with serving() as started:
        yield started


@pytest.fixture
def store(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Give the server, and the environment that reaches it."""
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(stores, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(stores, "CLIENT_ATTEMPTS", 1)  # so that it is the copy that tries again
    monkeypatch.setattr(stores, "PIECE_BYTES", 256 << 10)


@pytest.mark.parametrize(
    ("location", "remote"),
    [("s3://b/k", True), ("gs://b/k", True), ("file:///k", True), ("ftp://b/k", True), ("k", False), ("/k:/x", False)],
)
def test_a_scheme_makes_a_location_remote(location, remote):
    assert storage.is_remote(location) is remote


def test_a_plain_path_stays_as_it_is():
    assert storage.local("some/file.arrow") == Path("some/file.arrow")
    assert storage.local("~/file.arrow") == Path.home() / "file.arrow"


def test_a_file_is_copied_once_and_keeps_its_name(store, tmp_path, monkeypatch):
    monkeypatch.setenv(storage.CACHE_VARIABLE, str(tmp_path))
    store.put("bucket/once/corpus.arrow", CONTENT)
    with Road(store.port) as road:
        location = store.location("bucket/once/corpus.arrow", road.port)
        copy = storage.local(location)
        assert copy.read_bytes() == CONTENT
        assert copy.name == "corpus.arrow"
        assert copy.is_relative_to(tmp_path)
        served = road.served
        assert storage.local(location) == copy
        assert road.served - served < 10_000  # the listing alone
    manifest = json.loads((copy.parent / "manifest.json").read_text())
    assert manifest["sha256"] == {"corpus.arrow": hashlib.sha256(CONTENT).hexdigest()}


def test_a_folder_keeps_its_tree(store, tmp_path):
    put_folder(store, "bucket/gue")
    assert tree(storage.local(store.location("bucket/gue/"), tmp_path)) == FOLDER


def test_file_uris_are_copied_too(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "table.parquet").write_bytes(CONTENT)
    copy = storage.local(f"file://{tmp_path}/there/table.parquet", tmp_path / "cache")
    assert copy.read_bytes() == CONTENT
    storage.upload(copy, f"file://{tmp_path}/back/again/table.parquet")
    assert tree(tmp_path / "back" / "again") == {
        "table.parquet": CONTENT,
        "SHA256SUMS": sums_of({"table.parquet": CONTENT}),
    }


@pytest.mark.parametrize("cuts", [1, 7])
def test_a_cut_connection_goes_on_where_it_was(store, tmp_path, cuts):
    store.put("bucket/cut/corpus.arrow", CONTENT)
    with Road(store.port, cuts=cuts, cut_after=350_000) as road:
        copy = storage.local(store.location("bucket/cut/corpus.arrow", road.port), tmp_path)
        assert road.cuts == 0
        assert road.served < len(CONTENT) + cuts * (stores.PIECE_BYTES + 20_000) + 20_000
    assert copy.read_bytes() == CONTENT


def test_a_connection_that_is_always_cut_is_an_error_that_the_next_call_goes_on_from(store, tmp_path):
    store.put("bucket/always/corpus.arrow", CONTENT)
    with Road(store.port, cuts=1000, cut_after=stores.PIECE_BYTES // 8) as road:
        with pytest.raises(InputError, match="check the network") as raised:
            storage.local(store.location("bucket/always/corpus.arrow", road.port), tmp_path)
        assert "\n" not in str(raised.value)
        road.cuts = 0
        assert storage.local(store.location("bucket/always/corpus.arrow", road.port), tmp_path).read_bytes() == CONTENT


def test_two_processes_of_a_node_share_one_copy(store, tmp_path):
    put_folder(store, "bucket/shared")
    with Road(store.port, pause=0.001) as road:
        location = store.location("bucket/shared", road.port)
        with node(location, tmp_path) as first, node(location, tmp_path) as second:
            paths = {arrived(first), arrived(second)}
        assert road.served < 1.2 * len(CONTENT)
    assert len(paths) == 1
    assert tree(paths.pop()) == FOLDER


def test_two_nodes_have_copies_of_their_own(store, tmp_path):
    put_folder(store, "bucket/nodes")
    location = store.location("bucket/nodes")
    with node(location, tmp_path / "1") as first, node(location, tmp_path / "2") as second:
        paths = {arrived(first), arrived(second)}
    assert len(paths) == 2
    assert all(tree(path) == FOLDER for path in paths)


def kill_when_copied(process: "subprocess.Popen[str]", cache: Path, size: int) -> int:
    """Kill the process when its part has a size, and return the size that it left."""
    deadline = time.monotonic() + 30
    while not any(part.stat().st_size >= size for part in parts_in(cache)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"no part of {size} bytes appeared in {cache}"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    return max(part.stat().st_size for part in parts_in(cache))


def test_a_killed_copy_is_gone_on_from(store, tmp_path):
    store.put("bucket/killed/corpus.arrow", CONTENT)
    left = 0
    with Road(store.port, pause=0.004) as road:
        location = store.location("bucket/killed/corpus.arrow", road.port)
        for share in (0.0, 0.3, 0.7):
            with node(location, tmp_path) as process:
                kept, left = left, kill_when_copied(process, tmp_path, int(share * len(CONTENT)))
            assert left >= kept
        assert not list(tmp_path.rglob("manifest.json"))
        assert len(CONTENT) > left > 0.6 * len(CONTENT)
        road.pause, before = 0.0, road.served
        copy = storage.local(location, tmp_path)
        assert road.served - before < len(CONTENT) - left + 300_000  # some was still on its way to the killed process
    assert copy.read_bytes() == CONTENT
    assert not parts_in(tmp_path)


def test_a_folder_that_was_killed_between_files_is_completed(store, tmp_path):
    put_folder(store, "bucket/between")
    with Road(store.port, pause=0.004) as road:
        location = store.location("bucket/between", road.port)
        with node(location, tmp_path) as process:
            kill_when_copied(process, tmp_path, len(CONTENT) // 2)
        road.pause, before = 0.0, road.served
        assert tree(storage.local(location, tmp_path)) == FOLDER
        assert road.served - before < 0.6 * len(CONTENT)


def test_a_part_that_is_too_long_is_written_anew(store, tmp_path):
    store.put("bucket/long/corpus.arrow", CONTENT)
    location = store.location("bucket/long/corpus.arrow")
    copy = storage.local(location, tmp_path)
    (copy.parent / "manifest.json").unlink()
    copy.rename(copy.with_name(".corpus.arrow.part"))
    with open(copy.with_name(".corpus.arrow.part"), "ab") as part:
        part.write(b"more")
    assert storage.local(location, tmp_path).read_bytes() == CONTENT


def test_a_changed_object_is_copied_anew(store, tmp_path):
    location = store.location("bucket/changed/table.parquet")
    store.put("bucket/changed/table.parquet", b"old")
    old = storage.local(location, tmp_path)
    store.put("bucket/changed/table.parquet", b"newer")
    new = storage.local(location, tmp_path)
    assert new != old
    assert (old.read_bytes(), new.read_bytes()) == (b"old", b"newer")


def test_an_object_that_changes_while_it_is_copied_is_refused(store, tmp_path):
    store.put("bucket/moving/corpus.arrow", CONTENT)

    def change() -> None:
        store.put_raw("bucket/moving/corpus.arrow", CONTENT[::-1] + b"more")

    with Road(store.port, cuts=1, cut_after=700_000, on_cut=change) as road:
        location = store.location("bucket/moving/corpus.arrow", road.port)
        with pytest.raises(InputError, match=r"stay as they are while they are copied.*repeat"):
            storage.local(location, tmp_path)
        assert storage.local(location, tmp_path).read_bytes() == CONTENT[::-1] + b"more"


def test_an_object_that_shrinks_while_it_is_copied_is_refused(store, tmp_path):
    store.put("bucket/shrinking/corpus.arrow", CONTENT)
    with (
        Road(
            store.port, cuts=1, cut_after=700_000, on_cut=lambda: store.put_raw("bucket/shrinking/corpus.arrow", b"x")
        ) as road,
        pytest.raises(InputError),
    ):
        storage.local(store.location("bucket/shrinking/corpus.arrow", road.port), tmp_path)
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_truncated_copy_is_made_again(store, tmp_path):
    put_folder(store, "bucket/truncated")
    location = store.location("bucket/truncated")
    copy = storage.local(location, tmp_path)
    os.truncate(copy / "x", 1000)
    (copy / "tf/0/dev.csv").unlink()
    assert tree(storage.local(location, tmp_path)) == FOLDER


def test_sums_beside_the_object_must_match(store, tmp_path):
    store.put("bucket/sums/corpus.arrow", CONTENT)
    location = store.location("bucket/sums/corpus.arrow")
    store.put("bucket/sums/SHA256SUMS", sums_of({"corpus.arrow": b"another", "other": b""}))
    with pytest.raises(InputError, match=f"{hashlib.sha256(CONTENT).hexdigest()} and .* is listed; upload it again"):
        storage.local(location, tmp_path)
    assert not list(tmp_path.rglob("corpus.arrow"))
    assert not parts_in(tmp_path)
    store.put("bucket/sums/SHA256SUMS", sums_of({"corpus.arrow": CONTENT, "other": b""}))
    assert storage.local(location, tmp_path).read_bytes() == CONTENT


def test_a_damaged_part_is_copied_once_more_where_there_are_sums(store, tmp_path):
    store.put("bucket/damaged/corpus.arrow", CONTENT)
    store.put("bucket/damaged/SHA256SUMS", sums_of({"corpus.arrow": CONTENT}))
    location = store.location("bucket/damaged/corpus.arrow")
    copy = storage.local(location, tmp_path)
    (copy.parent / "manifest.json").unlink()
    copy.unlink()
    copy.with_name(".corpus.arrow.part").write_bytes(bytes(1_000_000))
    assert storage.local(location, tmp_path).read_bytes() == CONTENT


def test_a_folder_must_hold_what_its_sums_list(store, tmp_path):
    put_folder(store, "bucket/lacking")
    store.put("bucket/lacking/SHA256SUMS", sums_of(FOLDER | {"gone.csv": b""}))
    with pytest.raises(InputError, match=r"lacks `gone\.csv`"):
        storage.local(store.location("bucket/lacking"), tmp_path)


def test_sums_that_are_no_sums_are_refused(store, tmp_path):
    store.put("bucket/nosums/x", b"x")
    store.put("bucket/nosums/SHA256SUMS", b"hello\n")
    with pytest.raises(InputError, match="SHA256SUMS:1 is 'hello'"):
        storage.local(store.location("bucket/nosums/x"), tmp_path)


def test_a_name_that_leaves_the_cache_is_refused(store, tmp_path):
    store.put("bucket/up/a/x", b"x")
    store.put_raw("bucket/up/%2E%2E/%2E%2E/%2E%2E/x", b"x")
    with pytest.raises(InputError, match=r"names without `\.\.`"):
        storage.local(store.location("bucket/up"), tmp_path / "1" / "2")
    assert "x" not in {path.name for path in tmp_path.rglob("*")}


def test_a_folder_that_is_uploaded_comes_back(store, tmp_path):
    for name, content in FOLDER.items():
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    storage.upload(tmp_path / "out", store.location("bucket/uploaded"))
    copy = storage.local(store.location("bucket/uploaded"), tmp_path / "cache")
    assert tree(copy) == FOLDER | {"SHA256SUMS": sums_of(dict(sorted(FOLDER.items())))}


def test_files_that_are_uploaded_side_by_side_share_their_sums(store, tmp_path):
    for name in ("b.arrow", "a.parquet"):
        (tmp_path / name).write_bytes(name.encode())
        storage.upload(tmp_path / name, store.location(f"bucket/side/{name}"))
    for name in ("b.arrow", "a.parquet"):
        assert storage.local(store.location(f"bucket/side/{name}"), tmp_path / "c").read_bytes() == name.encode()
    copy = storage.local(store.location("bucket/side"), tmp_path / "c")
    assert [line[66:] for line in (copy / "SHA256SUMS").read_text().splitlines()] == ["a.parquet", "b.arrow"]


def test_uploads_that_cannot_be_are_refused(store, tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="uploaded to s3:// or gs://, but the location is `elsewhere`"):
        storage.upload(tmp_path / "x", "elsewhere")
    for nothing in ("missing", "empty"):
        with pytest.raises(InputError, match=f"but .*{nothing} is none"):
            storage.upload(tmp_path / nothing, store.location("bucket/nothing/x"))
    with pytest.raises(InputError, match=r"nobucket/x.*create the bucket"):
        storage.upload(tmp_path / "x", store.location("nobucket/x"))


def test_a_file_that_cannot_be_read_is_not_uploaded_by_half(store, tmp_path):
    unreadable = Path("/proc/self/mem")  # its first byte is mapped nowhere
    if not unreadable.exists():
        pytest.skip("there is no /proc")
    with pytest.raises(InputError, match="must be readable, but /proc/self/mem is not"):
        storage.upload(unreadable, store.location("bucket/half/x"))
    with pytest.raises(InputError, match="nothing is at"):
        storage.local(store.location("bucket/half"), tmp_path)


@pytest.mark.parametrize("path", ["bucket/missing.arrow", "nobucket/x"])
def test_a_missing_object_is_refused(store, tmp_path, path):
    with pytest.raises(InputError, match=f"nothing is at `s3://{path}.*check bucket and key"):
        storage.local(store.location(path), tmp_path)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("ftp://host/x", "must start with s3://, gs:// or file://"),
        ("s3://bucket", "must name a bucket and a key"),
        ("s3://[bucket/x", "must be a URI"),
        ("s3://key:secret@bucket/x", "no credentials, but `s3://...@...` does"),
        ("s3://bucket/x?endpoint=h", re.escape("`endpoint` (did you mean `endpoint_override`?)")),
        ("file:///x?region=r", "`region` .none is known"),
        ("file:///no/such/file", "nothing is at `file:///no/such/file`"),
        ("s3://bucket/x?endpoint_override=h&scheme=bad", "Invalid S3 connection scheme"),
    ],
)
def test_a_wrong_location_is_refused(tmp_path, location, words):
    with pytest.raises(InputError, match=words) as raised:
        storage.local(location, tmp_path)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_an_endpoint_that_is_away_is_named(store, tmp_path):
    with pytest.raises(InputError, match="must be reachable: check the network, the endpoint") as raised:
        storage.local(store.location("bucket/x", closed_port()), tmp_path)
    assert "\n" not in str(raised.value)


def test_an_endpoint_that_never_answers_is_named(store, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "REQUEST_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(InputError, match="check the network"):
        storage.local(store.location("bucket/x", silent.getsockname()[1]), tmp_path)


def test_wrong_credentials_are_named(store, tmp_path):
    store.put("bucket/private/x", b"x")
    store.require_credentials(after=0)
    try:
        with pytest.raises(InputError, match="give credentials that may do this"):
            storage.local(store.location("bucket/private/x"), tmp_path)
    finally:
        store.require_credentials(after=10**9)


def test_google_without_credentials_ends_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "GCS_RETRY", stores.timedelta(seconds=1))
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    location = f"gs://bucket/x?endpoint_override=127.0.0.1:{closed_port()}&scheme=http"
    with pytest.raises(InputError, match=r"gs://bucket/x.* must be reachable"):
        storage.local(location, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(InputError, match=f"/sys/nowhere is not: .*set {storage.CACHE_VARIABLE}"):
        storage.local(f"file://{tmp_path}/x", Path("/sys/nowhere"))


def test_a_lock_that_is_never_free_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "LOCK_SECONDS", 0.1)
    (tmp_path / "x").write_bytes(b"x")
    copy = storage.local(f"file://{tmp_path}/x", tmp_path / "cache")
    copy.unlink()
    lock = copy.parent.with_name(f".{copy.parent.name}.lock")
    with filelock.FileLock(lock), pytest.raises(InputError, match=r"another has held .*\.lock for 0 s"):
        storage.local(f"file://{tmp_path}/x", tmp_path / "cache")

"""A download survives cuts, stalls, busy servers and kills, and is never another file than the one asked for."""

import fcntl
import hashlib
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from curricula import InputError
from tests.web import Site, serving
from trainers import downloads

CONTENT = random.Random(1).randbytes(2_000_000)
OTHER = random.Random(2).randbytes(1_500_000)
MD5 = ("md5", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())
PROGRAM = "import sys, pathlib; from trainers import downloads; downloads.fetch(sys.argv[1], pathlib.Path(sys.argv[2]))"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving({"/genome.2bit": CONTENT, "/empty": b"", "/sums.txt": b"one two\n", "/raw": b"\xff\xfe"}) as started:
        yield started


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "genome.2bit"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0.01)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leave_part(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch, size: int = 1_000_000) -> None:
    """Leave a part of about this size, as a server does that is gone for long."""
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "ATTEMPTS", 1)
        site.cuts, site.stop_after = 1, size
        with pytest.raises(InputError, match="must be reachable"):
            downloads.fetch(site.url("/genome.2bit"), target)
    assert names_in(target.parent) == ["genome.2bit.part", "genome.2bit.part.json"]
    site.log.clear()


def test_a_file_comes_whole_with_progress(site, target):
    seen: list[tuple[int, int | None]] = []
    url = site.url("/genome.2bit")
    found = downloads.fetch(url, target, checksum=MD5, on_progress=lambda done, of: seen.append((done, of)))
    assert found == target
    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["genome.2bit"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("checksum", [None, MD5, ("sha256", hashlib.sha256(CONTENT).hexdigest().upper())])
def test_a_file_that_is_there_is_not_fetched_again(site, target, checksum):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    downloads.fetch(site.url("/genome.2bit"), target, checksum=checksum)
    assert site.log == []


def test_a_file_that_is_there_with_another_checksum_is_refused(site, target):
    target.parent.mkdir()
    target.write_bytes(OTHER)
    with pytest.raises(InputError, match=f"genome.2bit must have the md5 {MD5[1]}, but it has not; remove it"):
        downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert target.read_bytes() == OTHER


def test_an_empty_file_is_a_file(site, target):
    assert downloads.fetch(site.url("/empty"), target).read_bytes() == b""


def test_a_server_that_does_not_say_the_size(site, target):
    site.length = False
    assert downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5).read_bytes() == CONTENT


@pytest.mark.parametrize("validators", [{"etag": '"1"'}, {"etag": None, "date": "Tue, 03 Nov 2026 10:00:00 GMT"}])
def test_cut_connections_go_on_where_they_were(site, target, validators):
    vars(site).update(validators)
    site.cuts, site.stop_after = 12, 150_000
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[2] for entry in site.log] == [200] + [206] * 12
    assert site.sent() <= len(CONTENT) + 12 * (downloads.BLOCK_BYTES + 16_384)


def test_a_stalled_connection_is_left(site, target, monkeypatch):
    monkeypatch.setattr(downloads, "READ_SECONDS", 0.2)
    site.stalls, site.stop_after = 2, 600_000
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[2] for entry in site.log].count(206) >= 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(site, target, status):
    site.statuses, site.retry_after = [status] * 3, "0"
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[2] for entry in site.log] == [status] * 3 + [200]


def test_the_wait_that_a_server_asks_for_has_a_limit(site, target, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(downloads, "time", SimpleNamespace(sleep=waits.append))
    site.statuses, site.retry_after = [503, 503], "7"
    downloads.fetch(site.url("/genome.2bit"), target)
    site.statuses, site.retry_after = [503], "86400"
    downloads.text(site.url("/sums.txt"))
    assert waits == [7.0, 7.0, downloads.LONGEST_BACKOFF_SECONDS]


def test_a_server_that_stays_busy_is_named(site, target):
    site.statuses = [503] * downloads.ATTEMPTS
    with pytest.raises(InputError, match=r"not after 5 attempts \(status 503\)"):
        downloads.fetch(site.url("/genome.2bit"), target)
    assert len(site.log) == downloads.ATTEMPTS
    assert names_in(target.parent) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_missing_file_is_asked_for_once(site, target, status):
    site.statuses = [status]
    with pytest.raises(InputError, match=f"a file must be at .*genome.2bit, but the server answers {status}"):
        downloads.fetch(site.url("/genome.2bit"), target)
    assert len(site.log) == 1
    assert names_in(target.parent) == []


def test_the_next_call_goes_on_from_a_part(site, target, monkeypatch):
    leave_part(site, target, monkeypatch)
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[2] for entry in site.log] == [206]
    assert site.sent() < 1_200_000
    assert names_in(target.parent) == ["genome.2bit"]


def test_a_file_that_changed_begins_anew(site, target, monkeypatch):
    leave_part(site, target, monkeypatch)
    site.files["/genome.2bit"], site.etag = OTHER, '"2"'
    assert downloads.fetch(site.url("/genome.2bit"), target).read_bytes() == OTHER
    assert [entry[2] for entry in site.log] == [200]


def test_a_file_that_changed_under_the_same_tag_begins_anew(site, target, monkeypatch):
    leave_part(site, target, monkeypatch)
    site.files["/genome.2bit"] = OTHER  # the size tells
    assert downloads.fetch(site.url("/genome.2bit"), target).read_bytes() == OTHER
    assert [entry[2] for entry in site.log] == [206, 200]


def test_a_file_that_shrank_begins_anew(site, target, monkeypatch):
    leave_part(site, target, monkeypatch)
    site.files["/genome.2bit"] = b"short"
    assert downloads.fetch(site.url("/genome.2bit"), target).read_bytes() == b"short"
    assert [entry[2] for entry in site.log] == [416, 200]


def test_another_url_begins_anew(site, target, monkeypatch):
    leave_part(site, target, monkeypatch)
    site.files["/other.2bit"] = OTHER
    assert downloads.fetch(site.url("/other.2bit"), target).read_bytes() == OTHER
    assert [entry[1:3] for entry in site.log] == [[None, 200]]


def test_a_server_without_ranges_sends_all_of_it(site, target, monkeypatch):
    leave_part(site, target, monkeypatch)
    site.ranges = False
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[2] for entry in site.log] == [200]


def test_a_server_that_sends_another_range_is_not_believed(site, target, monkeypatch):
    leave_part(site, target, monkeypatch)
    site.shift = 1000
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[2] for entry in site.log] == [206, 200]


@pytest.mark.parametrize("notes", [None, "{}", "no json", "[]"])
def test_a_part_of_unknown_origin_begins_anew(site, target, notes):
    target.parent.mkdir()
    target.with_name("genome.2bit.part").write_bytes(OTHER)
    if notes is not None:
        target.with_name("genome.2bit.part.json").write_text(notes)
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[1:3] for entry in site.log] == [[None, 200]]


def test_a_file_without_tag_and_date_begins_anew(site, target, monkeypatch):
    site.etag = None
    leave_part(site, target, monkeypatch)
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert [entry[1:3] for entry in site.log] == [[None, 200]]


def test_a_part_that_was_killed_before_its_rename_is_complete(site, target):
    target.parent.mkdir()
    target.with_name("genome.2bit.part").write_bytes(CONTENT)
    notes = {"url": site.url("/genome.2bit"), "validator": '"1"', "size": len(CONTENT)}
    target.with_name("genome.2bit.part.json").write_text(json.dumps(notes))
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    assert site.log == []


def test_a_wrong_checksum_removes_what_came(site, target):
    with pytest.raises(InputError, match=r"must have the md5 0{32}, but what came has not; it was removed"):
        downloads.fetch(site.url("/genome.2bit"), target, checksum=("md5", "0" * 32))
    assert names_in(target.parent) == []


@pytest.mark.parametrize("checksum", [("crc", "00"), ("md5", "00"), ("sha256", "0" * 32)])
def test_a_checksum_that_is_none_is_refused(site, target, checksum):
    with pytest.raises(InputError, match=re.escape(f"(md5 or sha256, hexadecimal digest), but it is {checksum}")):
        downloads.fetch(site.url("/genome.2bit"), target, checksum=checksum)


def test_a_kill_leaves_a_part_that_the_next_call_goes_on_from(site, target):
    site.pause = 0.01
    part = target.with_name("genome.2bit.part")
    with subprocess.Popen([sys.executable, "-c", PROGRAM, site.url("/genome.2bit"), str(target)]) as process:
        try:
            deadline = time.monotonic() + 30
            while not (part.exists() and part.stat().st_size > 600_000):
                assert process.poll() is None
                assert time.monotonic() < deadline, f"{part} does not grow"
                time.sleep(0.005)
            with pytest.raises(InputError, match=r"another writes .*part; wait for it or end it"):
                downloads.fetch(site.url("/genome.2bit"), target)
        finally:
            process.kill()
    kept = part.stat().st_size
    assert names_in(target.parent) == ["genome.2bit.part", "genome.2bit.part.json"]
    site.pause = 0.0
    downloads.fetch(site.url("/genome.2bit"), target, checksum=MD5)
    path, asked, status, sent = site.log[-1]
    assert (path, asked, status, sent) == ("/genome.2bit", f"bytes={kept}-", 206, len(CONTENT) - kept)


def test_a_part_that_another_process_just_renamed_is_not_written(site, target, monkeypatch):
    real = fcntl.flock

    def rename_then_lock(file, how):
        target.with_name("genome.2bit.part").rename(target)
        real(file, how)

    monkeypatch.setattr(downloads.fcntl, "flock", rename_then_lock)
    with pytest.raises(InputError, match="another writes"):
        downloads.fetch(site.url("/genome.2bit"), target)


def test_without_a_network_the_message_says_what_to_do_by_hand(target):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}/genome.2bit"
    with pytest.raises(
        InputError, match=re.escape(f"by hand where there is a network: curl -fL -C - -o {target} {url}")
    ):
        downloads.fetch(url, target)
    with pytest.raises(InputError, match=re.escape(f"curl -fL -C - -o FILE {url}")) as raised:
        downloads.text(url)
    assert "\n" not in str(raised.value)
    assert names_in(target.parent) == []


@pytest.mark.parametrize("url", ["genome.2bit", "ftp://host/genome.2bit", "http://", "https://[x/y"])
def test_a_url_that_is_none_is_refused(target, url):
    with pytest.raises(InputError, match=re.escape("a URL must start with https:// or http://")) as raised:
        downloads.fetch(url, target)
    assert f"`{url}`" in str(raised.value)


def test_a_small_text_comes_whole(site, monkeypatch):
    site.statuses, site.cuts, site.stop_after = [503], 1, 0
    assert downloads.text(site.url("/sums.txt")) == "one two\n"
    with pytest.raises(InputError, match="must be UTF-8 text"):
        downloads.text(site.url("/raw"))
    with pytest.raises(InputError, match="the server answers 404"):
        downloads.text(site.url("/missing"))
    monkeypatch.setattr(downloads, "TEXT_BYTES", 4)
    with pytest.raises(InputError, match="at most 4 bytes"):
        downloads.text(site.url("/sums.txt"))

"""Files appear whole or not at all."""

import os
import subprocess
import sys

import pytest

from curricula import InputError
from trainers.files import read_json, replacing


def names_in(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_appears_at_the_end_under_its_name(tmp_path):
    target = tmp_path / "new" / "result.json"
    with replacing(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent  # a rename within one file system is atomic
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert names_in(tmp_path) == ["new", "result.json"]


def fail_halfway(target, error: BaseException) -> None:
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise error


def test_an_error_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="disk full"):
        fail_halfway(tmp_path / "result.json", RuntimeError("disk full"))
    assert names_in(tmp_path) == []


def test_an_interrupt_leaves_the_old_file_as_it_was(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fail_halfway(target, KeyboardInterrupt())
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["result.json"]


def test_writing_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "result.json"):
        pass
    assert names_in(tmp_path) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    target = tmp_path / "result.json"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(timeout=60)
    with replacing(target) as temporary:
        temporary.write_text("whole")
    host = temporary.name.removeprefix(".result.json.").partition(".")[0]
    dead, living = (tmp_path / f".result.json.{host}.{pid}.tmp" for pid in (ended.pid, os.getppid()))
    elsewhere = tmp_path / f".result.json.another-host.{ended.pid}.tmp"
    for path in (dead, living, elsewhere):
        path.write_text("half")
    with replacing(target) as temporary:
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([living, elsewhere, target])


@pytest.mark.parametrize("content", [b'{"a": ', b"", b"\xff", None])
def test_json_that_is_damaged_or_gone_is_named(tmp_path, content):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"record\.json cannot be read: "):
        read_json(path)


def test_json_that_is_whole_is_read(tmp_path):
    (tmp_path / "record.json").write_text('{"a": [1, null]}')
    assert read_json(tmp_path / "record.json") == {"a": [1, None]}

"""A study whose disk is too small is refused; a disk that fills up is in test_study_faults.py."""

import re
from pathlib import Path

import pytest

from curricula import InputError
from study import run
from study.cluster import disk
from study.folder import create_folder
from study.spec.files import parse
from tests.studies import MINI, write_mini


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", True),
        ("SafetensorError: I/O error: No space left on device (os error 28)", True),
        ("sqlite3.OperationalError: database or disk is full", True),
        ("OSError: [Errno 122] Disk quota exceeded", True),
        ("OSError: [Errno 5] Input/output error", False),
    ],
)
def test_a_full_disk_is_recognised_in_whoever_says_it(said: str, expected: bool) -> None:
    assert disk.is_full(said) is expected
    wrapped = RuntimeError("a trial failed")
    wrapped.__cause__ = OSError(said)
    assert disk.is_full(wrapped) is expected


def test_amounts_are_readable() -> None:
    assert [disk.in_words(amount) for amount in (0.0, 999.0, 5.25e6, 1e12)] == ["0 B", "999 B", "5.25 MB", "1 TB"]


def test_a_study_whose_checkpoints_do_not_fit_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(disk, "free", lambda folder: 1e6)
    results = tmp_path / "results"
    assert run.main([str(write_mini(tmp_path)), "--results", str(results)]) == 2
    said = capsys.readouterr().err
    assert re.match(rf"error: the checkpoints of mini need \d+\.\d MB, but {results} has 1 MB free: make room", said)
    assert said.count("\n") == 1
    assert not results.exists()


def test_what_an_earlier_session_has_written_needs_no_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = parse({**MINI, "results": str(tmp_path)}, "a test")
    stored = tmp_path / "mini" / "runs" / "a" / "model.safetensors"
    stored.parent.mkdir(parents=True)
    with stored.open("wb") as file:
        file.truncate(10**9)
    monkeypatch.setattr(disk, "free", lambda folder: 1e6)
    disk.check(spec, is_new=False)
    with pytest.raises(InputError, match="the checkpoints of mini need"):
        disk.check(spec, is_new=True)


def test_a_folder_whose_spec_cannot_be_written_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match=r"cannot be written: No space left on device"):
        create_folder(parse({**MINI, "results": str(tmp_path)}, "a test"))
    assert list(tmp_path.iterdir()) == []

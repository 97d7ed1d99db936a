"""What the command says when something outside the study breaks."""

from pathlib import Path

import pytest

from study import engine, run
from study.folder import create_folder, saved_spec, study_id
from study.spec.files import load
from tests.studies import write_mini


def test_an_unexpected_end_says_that_nothing_is_lost_and_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise RuntimeError("the raylet died\nand much more")

    monkeypatch.setattr(engine, "run", lost)
    assert run.main([str(write_mini(tmp_path)), "--results", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "the study stopped: the raylet died (all of it in" in printed
    assert f"go on with: python -m study.run --resume mini --results {tmp_path}" in printed
    assert "Traceback" not in printed
    assert "and much more" in (tmp_path / "mini" / "study.log").read_text()


def test_a_study_that_runs_already_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from filelock import FileLock

    spec = create_folder(run._spec(run._parser().parse_args([str(write_mini(tmp_path)), "--results", str(tmp_path)])))
    with FileLock(spec.folder() / ".lock"):
        assert run.main(["--resume", "mini", "--results", str(tmp_path)]) == 2
    assert "the study mini is being run by another process" in capsys.readouterr().err


def test_a_name_that_is_taken_gets_the_next_number(tmp_path: Path) -> None:
    options = run._parser().parse_args([str(write_mini(tmp_path)), "--results", str(tmp_path)])
    names = [create_folder(run._spec(options)).name for _ in range(3)]
    assert names == ["mini", "mini-2", "mini-3"]
    assert study_id(tmp_path / "mini") != study_id(tmp_path / "mini-2")
    assert saved_spec("mini-3", str(tmp_path)).name == "mini-3"


def test_paths_of_a_spec_are_absolute_defaults_included(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load("demo", []).results == str(tmp_path / "results")
    changed = load("demo", ["data.genome=a.fa", "evaluation.root=GUE", "results=../elsewhere"])
    assert changed.data.genome == str(tmp_path / "a.fa")
    assert changed.evaluation.root == str(tmp_path / "GUE")
    assert changed.results == str(tmp_path.parent / "elsewhere")
    assert load("demo", []).data.genome == "embedded"

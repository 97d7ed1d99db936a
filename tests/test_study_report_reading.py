"""Damaged, old and foreign results: what can be read is reported, and a line says what is not and why."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from curricula import InputError
from study.evidence.summary import summarise
from study.folder import saved_spec, study_id
from study.report import __main__ as command
from study.report import formats
from study.report.every_row import means
from study.report.leaderboard import leaderboard
from study.report.reading import opened, same_studies
from study.spec.study import StudySpec
from study.store import SCHEMA, Store
from tests.filled import filled

FILE = "scores/constant-1/00000006.full.parquet"


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return filled(tmp_path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def without(column: str) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pq.read_table(path).drop_columns(column), path)


def further(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column("note", pa.array(["x"] * len(table))), path)


def retyped(path: Path) -> None:
    table = pq.read_table(path)
    place = SCHEMA.names.index("seed")
    pq.write_table(table.set_column(place, "seed", table["seed"].cast(pa.string())), path)


def reordered(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[::-1]), path)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "half-written": (truncate, "cannot be read: "),
    "empty": (emptied, "cannot be read: "),
    "a folder": (replaced_by_a_folder, "cannot be read: "),
    "of an older version": (without("branch"), "lacks branch"),
    "of a newer version": (further, "has also note"),
    "of other types": (retyped, "has seed as string"),
    "in another order": (reordered, "has them in another order"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_reported(
    spec: StudySpec, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the second seed `constant` has 0.4, 0.6 and 0.6 after 6 steps."""
    path = spec.folder() / FILE
    harm, why = DAMAGES[damage]
    harm(path)
    assert command.main(["mini", "--results", spec.results, "--format", "json"]) == 0
    (note,) = capsys.readouterr().err.splitlines()
    assert f"{path} {why}" in note
    found = json.loads((spec.folder() / "report.json").read_text())
    assert [f"note: {line}" for line in found["notes"]] == [note]
    (score,) = [one for one in found["scores"] if (one["curriculum"], one["budget"]) == ("constant", 6)]
    assert score["mean"] == pytest.approx(1.6 / 3)
    with pytest.raises(InputError, match="results file"):  # a study itself stops
        Store(spec.folder()).rows()
    with pytest.raises(InputError, match="results file"):
        summarise(spec, spec.folder())


def test_every_form_names_the_file_and_a_whole_study_has_no_such_part(spec: StudySpec) -> None:
    heading = "Read with care"
    for form in ("html", "md"):
        assert command.main(["mini", "--results", spec.results, "--format", form]) == 0
        assert heading not in (spec.folder() / f"report.{form}").read_text()
    truncate(spec.folder() / FILE)
    for form in ("html", "md"):
        assert command.main(["mini", "--results", spec.results, "--format", form]) == 0
        text = (spec.folder() / f"report.{form}").read_text()
        assert text.index(heading) < text.index(FILE) < text.index("What this study shows")
    assert command.main(["mini", "--results", spec.results, "--format", "parquet"]) == 0
    assert "constant-1" not in set(pd.read_parquet(spec.folder() / "report.parquet")["run"])


def test_the_leaderboard_has_a_study_that_can_be_read_in_part(spec: StudySpec, tmp_path: Path) -> None:
    truncate(spec.folder() / FILE)
    board = leaderboard(tmp_path)
    assert board.groups[0].entries[0].score == pytest.approx(1.6 / 3)
    (note,) = board.notes
    assert note.startswith(f"mini: the results file {spec.folder() / FILE} cannot be read: ")


def test_a_study_of_which_no_file_can_be_read_is_an_error_and_left_out(
    spec: StudySpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path, "whole")
    paths = sorted((spec.folder() / "scores").glob("*/*.parquet"))
    for path in paths:
        emptied(path)
    assert command.main(["mini", "--results", spec.results]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: the study mini has no scores that can be read; the results file ")
    assert all(str(path) in said for path in paths)
    board = leaderboard(tmp_path)
    assert {entry.study for entry in board.groups[0].entries} == {"whole"}
    assert board.notes[0].startswith("mini is left out: the study mini has no scores that can be read; ")


def change(path: Path, **changes: Any) -> None:
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


SPECS: dict[str, tuple[Callable[[Path], object], str]] = {
    "of another version": (lambda path: change(path, warp=9), "unknown key `warp`"),
    "no YAML": (lambda path: path.write_text("name: [mini"), "spec.yaml cannot be read: while parsing"),
    "no text": (lambda path: path.write_bytes(b"name: \xff"), "spec.yaml cannot be read: 'utf-8' codec"),
    "no mapping": (lambda path: path.write_text("- mini"), "spec.yaml holds list"),
    "gone": (lambda path: path.unlink(), "spec.yaml cannot be read: [Errno 2]"),
}


@pytest.mark.parametrize("case", SPECS)
def test_without_a_spec_rows_are_reported_and_no_verdict(
    spec: StudySpec, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path, "whole")
    harm, why = SPECS[case]
    harm(spec.folder() / "spec.yaml")
    for form in ("html", "md", "json", "parquet"):
        assert command.main(["mini", "--results", spec.results, "--format", form]) == 0
        printed = capsys.readouterr()
        assert printed.out == f"{spec.folder() / f'report.{form}'}\n"
        (note,) = printed.err.splitlines()
        assert note.startswith("note: this version does not accept the spec of mini, so there is no verdict: ")
        assert why in note
    page, text = ((spec.folder() / f"report.{form}").read_text() for form in ("html", "md"))
    for shown in (page, text):
        assert "no verdict; these are means" in shown
        assert "this version does not accept the spec of mini" in shown
    assert '<td class="number">0.633</td>' in page
    assert "| constant | {} | 6 | full | promoters_ecoli | mcc | 0.633 | 0.151 | 2 | 6 |" in text
    found = json.loads((spec.folder() / "report.json").read_text(), parse_constant=pytest.fail)
    assert len(found["means"]) == 5
    assert len(pd.read_parquet(spec.folder() / "report.parquet")) == 2 * 18
    board = leaderboard(tmp_path)
    assert {entry.study for entry in board.groups[0].entries} == {"whole"}
    (line,) = board.notes
    assert line.startswith("mini is left out: this version does not accept the spec of mini")
    assert line.endswith("; `python -m study.report mini` shows its rows")


def test_means_of_rows_are_of_each_configuration(spec: StudySpec) -> None:
    """`linear` was tried with two learning rates, and each has two repetitions."""
    found = means(Store(spec.folder()).rows()).set_index(["curriculum", "parameters", "budget"])
    first, second = found.loc["linear", "mean"]
    assert sorted([first, second]) == pytest.approx([0.1, 0.9])
    initial = found.loc[("random_init", "{}", 0)]
    assert (initial["mean"], initial["seeds"], initial["values"]) == (pytest.approx(1.3 / 6), 2, 6)


def test_the_spread_of_one_value_is_unknown(tmp_path: Path) -> None:
    spec = filled(tmp_path, table=[("constant-0", "constant", 0, 2, (0.5, 0.65))])
    change(spec.folder() / "spec.yaml", warp=9)
    study = opened("mini", tmp_path)
    assert means(study.rows)["spread"].isna().all()
    assert command.main(["mini", "--results", spec.results, "--format", "json"]) == 0
    (mean,) = json.loads((spec.folder() / "report.json").read_text())["means"]
    assert (mean["mean"], mean["spread"]) == (0.65, None)


def test_rows_that_contradict_each_other_are_shown_without_a_verdict(spec: StudySpec) -> None:
    path = spec.folder() / FILE
    shutil.copy(path, path.with_name("00000006.copied.parquet"))
    study = opened("mini", Path(spec.results))
    assert study.summary is None
    assert study.notes[0].startswith("the scores of mini cannot be summed up: each score must be there once, but ")


def test_damaged_cards_cost_what_they_say_alone(spec: StudySpec) -> None:
    (spec.folder() / "provenance.json").write_text('{"corpus": ')
    study = opened("mini", Path(spec.results))
    assert study.summary is not None
    assert study.summary.provenance.cards == {}
    assert study.summary.notes == study.notes
    assert f"the file {spec.folder() / 'provenance.json'} cannot be read: " in study.notes[0]


@pytest.mark.parametrize("place", ["sessions/a.json", "runs/step-0/failure.json"])
def test_a_damaged_record_of_what_happened_is_named(spec: StudySpec, place: str) -> None:
    path = spec.folder() / place
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff")
    study = opened("mini", Path(spec.results))
    assert study.summary is None
    assert study.notes[0].startswith(f"the scores of mini cannot be summed up: the file {path} cannot be read: ")


def test_a_study_that_has_not_ended_is_said_to_be_under_way(spec: StudySpec, tmp_path: Path) -> None:
    """Two runs ended, one of them by a failure; of one there is a folder alone."""
    for run, files in {"constant-0": ["ended"], "constant-1": ["failure.json"], "linear-0": []}.items():
        (spec.folder() / "runs" / run).mkdir(parents=True)
        for file in files:
            (spec.folder() / "runs" / run / file).write_text(json.dumps({"reason": "of a test"}))
    assert opened(spec.name, tmp_path).notes == ["the study is under way or was interrupted: 1 runs have not ended"]
    (spec.folder() / "runs" / "linear-0" / "ended").touch()
    assert opened(spec.name, tmp_path).notes == []


def test_a_copied_folder_is_reported_under_its_own_name_and_said_to_be_a_copy(
    spec: StudySpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(spec.folder(), tmp_path / "copy")
    truncate(tmp_path / "copy" / FILE)  # so that it cannot be taken for the other one
    assert command.main(["copy", "--results", spec.results, "--format", "md"]) == 0
    printed = capsys.readouterr()
    named, same, _ = printed.err.splitlines()
    assert named == "note: the folder copy holds the spec of the study `mini`: it was copied or renamed"
    assert same == "note: copy is the same study as mini: they have one study_id"
    assert printed.out == f"{tmp_path / 'copy' / 'report.md'}\n"
    assert not (spec.folder() / "report.md").exists()
    assert "| 0.533 ± 0.115 |" in (tmp_path / "copy" / "report.md").read_text()
    board = leaderboard(tmp_path)
    assert {entry.study for entry in board.groups[0].entries} == {"mini"}
    assert board.notes == ["copy is left out: it is the same study as mini, by its study_id"]


def test_a_renamed_study_without_its_original_is_in_the_leaderboard(spec: StudySpec, tmp_path: Path) -> None:
    spec.folder().rename(tmp_path / "renamed")
    (tmp_path / "renamed" / "study_id").unlink()  # a study that has none is nobody's copy
    board = leaderboard(tmp_path)
    assert {entry.study for entry in board.groups[0].entries} == {"renamed"}
    assert board.notes == ["renamed: the folder renamed holds the spec of the study `mini`: it was copied or renamed"]


def test_of_copies_the_one_that_can_be_read_best_is_believed(spec: StudySpec, tmp_path: Path) -> None:
    """The original, then what has a spec, then the first by name."""
    for name in ("a", "b"):
        shutil.copytree(spec.folder(), tmp_path / name)
    other = filled(tmp_path, "other")
    assert study_id(other.folder()) != study_id(spec.folder())
    assert same_studies(tmp_path) == [["mini", "a", "b"]]
    for name in ("a", "mini"):
        (tmp_path / name / "spec.yaml").unlink()
    assert same_studies(tmp_path) == [["b", "a", "mini"]]


def test_a_copy_does_not_go_on_in_the_folder_of_its_original(spec: StudySpec, tmp_path: Path) -> None:
    shutil.copytree(spec.folder(), tmp_path / "copy")
    with pytest.raises(InputError, match=r"copy/spec.yaml must be of the study `copy`, but names `mini`"):
        saved_spec("copy", str(tmp_path))
    assert saved_spec("mini", str(tmp_path)).folder() == spec.folder()


def test_there_is_no_such_study(spec: StudySpec, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["nimi", "--results", spec.results]) == 2
    assert capsys.readouterr().err == f"error: there is no study `nimi` in {spec.results} (there: mini)\n"


def test_parquet_of_a_whole_study_has_all_its_scores(spec: StudySpec) -> None:
    rows = Store(spec.folder()).rows()
    assert Store(spec.folder()).readable()[1] == []
    pd.testing.assert_frame_equal(Store(spec.folder()).readable()[0], rows)
    stored = pd.read_parquet(formats.write_scores(rows, spec.folder()))
    assert len(stored) == 2 * 18

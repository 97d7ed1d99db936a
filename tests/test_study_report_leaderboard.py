"""All studies of a folder side by side: who stands beside whom, in which order, with which numbers."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from selenium.webdriver import Chrome

from curricula import InputError
from study.report import __main__ as command
from study.report import leaderboard_formats
from study.report.leaderboard import NO_CLAIM, leaderboard
from study.spec.study import RANDOM_INIT
from tests.filled import TABLE, filled
from tests.studies import MINI

SHORT = [("constant-0", "constant", 0, 2, (0.5, 0.65)), ("linear-0", "linear", 0, 2, (0.9, 0.60))]
TASK = MINI["evaluation"]["tasks"][0]
LONGER = [("linear-0", "linear", 0, 6, (0.6, 0.50)), ("linear-1", "linear", 1, 6, (0.9, 0.90))]


def scored_on(**task: Any) -> dict[str, Any]:
    return {**MINI["evaluation"], "tasks": [{**TASK, **task}]}


def test_lines_of_comparable_studies_are_sorted_by_score_together(tmp_path: Path) -> None:
    """The better of `constant` was scored on fewer repetitions, which makes its score less sure, not another one."""
    filled(tmp_path, "first")
    filled(tmp_path, "second", SHORT, evaluation=scored_on(repetitions=1))
    (group,) = leaderboard(tmp_path).groups
    assert (group.title, group.metric, group.tasks) == ("promoters_ecoli: MCC", "MCC", ["promoters_ecoli"])
    assert [(entry.study, entry.curriculum, entry.budget, round(entry.score, 3)) for entry in group.entries] == [
        ("second", "constant", 2, 0.65),
        ("first", "constant", 6, 0.633),
        ("second", "linear", 2, 0.6),
        ("first", RANDOM_INIT, 0, 0.217),
        ("first", "linear", 2, 0.1),
    ]


def test_a_line_has_the_numbers_of_its_study(tmp_path: Path) -> None:
    """`constant` trained for 6 s under two seeds, two workers each, and was fine-tuned eight times for 3 s."""
    filled(tmp_path, table=[*TABLE, *LONGER])
    (group,) = leaderboard(tmp_path).groups
    entries = {entry.curriculum: entry for entry in group.entries}
    constant = entries["constant"]
    assert (constant.seeds, constant.gpu_hours, constant.flops) == (2, 0.0, 60.0)
    assert constant.worker_hours == pytest.approx((2 * 6 * 2 + 8 * 3) / 3600)
    assert constant.spread == pytest.approx(0.1505545)
    assert math.isnan(constant.masked_tokens)
    assert constant.claim == NO_CLAIM
    assert entries["linear"].claim.startswith("It cannot be said that `linear` at 6 steps helps: the study lacks ")


def test_studies_that_differ_in_their_scoring_are_groups_of_their_own(tmp_path: Path) -> None:
    filled(tmp_path, "few", SHORT)
    filled(tmp_path, "more", SHORT, evaluation=scored_on(shots=50, epochs=2))
    filled(tmp_path, "other", SHORT, evaluation={**scored_on(), "metric": "accuracy"})
    filled(tmp_path, "own", SHORT, evaluation=scored_on(name="mine", train="/a.csv", test="/b.csv"))
    filled(tmp_path, "moved", SHORT, evaluation=scored_on(name="mine", train="/c.csv", test="/b.csv"))
    groups = leaderboard(tmp_path).groups
    assert [group.title for group in groups] == [
        "mine: MCC (data train /a.csv test /b.csv sequence_column sequence label_column label)",
        "mine: MCC (data train /c.csv test /b.csv sequence_column sequence label_column label)",
        "promoters_ecoli: MCC (shots 10, epochs 4)",
        "promoters_ecoli: MCC (shots 50, epochs 2)",
        "promoters_ecoli: accuracy",
    ]


def test_data_are_known_by_their_hashes_wherever_they_were(tmp_path: Path) -> None:
    for name, digest in (("here", "aaaaaaaaaa"), ("there", "aaaaaaaaaa"), ("changed", "bbbbbbbbbb")):
        spec = filled(tmp_path, name, SHORT, evaluation=scored_on(train=f"/{name}.csv", test="/t.csv"))
        card = {"rows_sha256": {"test": digest}, "rows": {}, "source": name}
        (spec.folder() / "provenance.json").write_text(json.dumps({"tasks": {"promoters_ecoli": card}}))
    first, second = leaderboard(tmp_path).groups
    assert first.title == "promoters_ecoli: MCC (data test aaaaaaaa)"
    assert {entry.study for entry in first.entries} == {"here", "there"}
    assert second.title == "promoters_ecoli: MCC (data test bbbbbbbb)"


def test_long_titles_that_are_cut_alike_name_the_tasks_that_differ(tmp_path: Path) -> None:
    for name, last in (("one", "t5"), ("two", "t6")):
        tasks = [{**TASK, "name": task} for task in ("promoters_ecoli", "r", "s", "s2", last)]
        filled(tmp_path, name, SHORT, evaluation={**MINI["evaluation"], "tasks": tasks})
    assert [group.title for group in leaderboard(tmp_path).groups] == [
        "promoters_ecoli, r, s, s2 and 1 more: MCC (with t5)",
        "promoters_ecoli, r, s, s2 and 1 more: MCC (with t6)",
    ]


def test_a_study_without_scores_is_notes_with_a_line(tmp_path: Path) -> None:
    filled(tmp_path, "empty", [])
    with pytest.raises(
        InputError, match="has scores that can be read; empty is left out: the study empty has no scores yet"
    ):
        leaderboard(tmp_path)
    filled(tmp_path, "full")
    assert leaderboard(tmp_path).notes == ["empty is left out: the study empty has no scores yet"]


def test_a_folder_without_studies_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--all", "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: no study in {tmp_path} has scores that can be read\n"


def test_the_page_holds_every_line_and_needs_no_network(tmp_path: Path) -> None:
    filled(tmp_path, "first", [*TABLE, *LONGER])
    filled(tmp_path, "second", SHORT)
    (tmp_path / "first" / "report.html").write_text("a report")
    board = leaderboard(tmp_path)
    page = leaderboard_formats.write_page(board, tmp_path).read_text()
    assert '<a href="first/report.html">first</a>' in page
    assert '<a href="second' not in page
    assert "<h2>promoters_ecoli: MCC</h2>" in page
    assert page.count("<tr>") == 1 + 3 + 2
    assert '<td class="number">0.700 ± 0.283</td>' in page
    assert "It cannot be said that linear at 6 steps helps" in page
    assert "http" not in page


@pytest.mark.parametrize("width", [420, 1400])
def test_the_page_is_no_wider_than_its_window(tmp_path: Path, chrome: Chrome, width: int) -> None:
    filled(tmp_path, "a" * 80, [*TABLE, *LONGER])
    chrome.set_window_size(width, 1000)
    chrome.get(leaderboard_formats.write_page(leaderboard(tmp_path), tmp_path).as_uri())
    assert chrome.find_element("tag name", "table").size["width"] > 420
    page_width = chrome.execute_script("return document.documentElement.scrollWidth")
    assert page_width <= chrome.execute_script("return window.innerWidth")


def test_gpu_hours_stand_in_for_worker_hours(tmp_path: Path) -> None:
    filled(tmp_path, "gpus", SHORT, cluster={"workers": 2, "gpus_per_worker": 0.5})
    (group,) = leaderboard(tmp_path).groups
    names = [column.name for column in leaderboard_formats.columns(group.entries)]
    assert "GPU-hours" in names
    assert "worker-hours" not in names


def test_markdown_json_and_parquet_hold_the_same_lines(tmp_path: Path) -> None:
    filled(tmp_path, "first")
    filled(tmp_path, "empty", [])
    board = leaderboard(tmp_path)
    text = leaderboard_formats.write_markdown(board, tmp_path).read_text()
    assert "- empty is left out: the study empty has no scores yet" in text
    assert "| first | constant | 0.633 ± 0.151 | 6 | 2 |" in text
    stored = json.loads(leaderboard_formats.write_json(board, tmp_path).read_text(), parse_constant=pytest.fail)
    (group,) = stored["groups"]
    assert stored["notes"] == board.notes
    assert [entry["curriculum"] for entry in group["entries"]] == ["constant", RANDOM_INIT, "linear"]
    assert group["entries"][0]["masked_tokens"] is None
    rows = pd.read_parquet(leaderboard_formats.write_parquet(board, tmp_path))
    assert rows["group"].tolist() == ["promoters_ecoli: MCC"] * 3
    assert rows["score"].tolist() == pytest.approx([0.6333333, 0.2166667, 0.1])


def test_the_command_prints_a_table_and_the_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path, "first")
    filled(tmp_path, "empty", [])
    assert command.main(["--all", "--results", str(tmp_path), "--format", "md"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "note: empty is left out: the study empty has no scores yet\n"
    assert "0.633 ± 0.151" in printed.out
    assert printed.out.endswith(f"{tmp_path / 'leaderboard.md'}\n")


@pytest.mark.parametrize("arguments", [[], ["mini", "--all"]])
def test_a_name_and_all_exclude_each_other(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    assert capsys.readouterr().err == (
        "error: give either the name of a study, or --all for every study of the results folder\n"
    )

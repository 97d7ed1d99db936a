"""A report as Markdown, JSON and Parquet: the same words and numbers, checked by hand."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study.evidence.controls import Control
from study.evidence.summary import Summary, summarise
from study.report import __main__ as command
from study.report import formats
from study.report.numbers import finite
from study.report.sentences import sentences
from study.spec.study import RANDOM_INIT, StudySpec
from study.store import Store
from tests.filled import TABLE, filled


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    """The table of the summary, with a curriculum beside the control that came to the end."""
    longer = [("linear-0", "linear", 0, 6, (0.6, 0.50)), ("linear-1", "linear", 1, 6, (0.9, 0.90))]
    return filled(tmp_path, table=[*TABLE, *longer])


@pytest.fixture
def summary(spec: StudySpec) -> Summary:
    return summarise(spec, spec.folder())


def column(table: str, number: int) -> list[str]:
    return [line.split(" | ")[number].strip("| ") for line in table.splitlines() if line.startswith("|")]


def test_markdown_says_the_claims_first_and_then_everything_else_once(summary: Summary, spec: StudySpec) -> None:
    text = formats.markdown(summary, spec.folder())
    (claim,) = summary.findings.claims
    bullets = [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
    assert bullets[0] == claim.sentence
    assert sorted(bullets) == sorted(sentences(summary))
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# mini",
        "## What this study shows",
        "## Score at each budget",
        "## Verdict",
        "## Cost to target",
        "## Controls",
        "## Costs",
        "## Test sequences in the training DNA",
        "## Where everything is",
    ]
    assert "They were not looked for." in text
    assert f"scores       {spec.folder() / 'scores'} (Parquet)" in text


def test_markdown_has_the_scores_by_budget(summary: Summary, spec: StudySpec) -> None:
    """Of `linear` after 6 steps: 0.5 and 0.9."""
    scores = formats.markdown(summary, spec.folder()).partition("## Score at each budget")[2].partition("##")[0]
    assert column(scores, 0) == ["curriculum", ":--", "linear", "constant", RANDOM_INIT]
    assert column(scores, 5) == ["6 steps", "--:", "0.700 ± 0.283", "0.633 ± 0.151", ""]
    assert column(scores, 3)[0] == "2 steps"
    assert column(scores, 2)[2:] == ["", "", "0.217 ± 0.075"]


def test_markdown_names_the_controls_that_are_there_and_those_that_are_not(summary: Summary, spec: StudySpec) -> None:
    controls = formats.markdown(summary, spec.folder()).partition("## Controls")[2].partition("##")[0]
    assert column(controls, 1)[2] == "random initialisation; constant random masking with 2-token spans (`span: 1`)"
    assert column(controls, 2)[2].endswith("k-mer counts; a CNN")


def test_markdown_of_controls_alone_has_no_comparison_of_curricula(tmp_path: Path) -> None:
    spec = filled(tmp_path, table=TABLE[:2])
    text = formats.markdown(summarise(spec, spec.folder()), spec.folder())
    assert "## Verdict" not in text
    assert "No curriculum but controls came to the longest budget." in text


def test_a_table_keeps_its_cells_whatever_they_hold() -> None:
    assert formats.table(["a|b", "c"], [["x\ny", "1"]]).splitlines() == [
        "| a\\|b | c |",
        "| :-- | --: |",
        "| x y | 1 |",
    ]


def read(summary: Summary, spec: StudySpec) -> dict[str, Any]:
    text = formats.write_json(summary, spec.folder()).read_text()
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are no JSON
    return found


def test_json_has_the_numbers_of_the_summary(summary: Summary, spec: StudySpec) -> None:
    """A training to 6 steps took 60 FLOPs, and two workers six seconds; masked tokens are not in these rows."""
    found = read(summary, spec)
    assert (found["format"], found["study"], found["metric"]) == (1, "mini", "MCC")
    assert found["tasks"] == {"promoters_ecoli": "mcc"}
    (linear,) = [one for one in found["scores"] if (one["curriculum"], one["budget"]) == ("linear", 6)]
    assert linear["mean"] == pytest.approx(0.7)
    assert linear["spread"] == pytest.approx(0.08**0.5)
    assert (linear["values"], linear["flops"], linear["masked_tokens"]) == (2, 60.0, None)
    assert linear["worker_hours"] == pytest.approx(12 / 3600)
    curricula = {one["curriculum"]: one for one in found["curricula"]}
    assert curricula["linear"]["by_task"] == {"promoters_ecoli": pytest.approx(0.7)}
    assert curricula["constant"]["loss"] == {"2": pytest.approx(1.8), "6": pytest.approx(1.4)}
    assert curricula[RANDOM_INIT]["is_pretrained"] is False
    assert found["sentences"] == sentences(summary)


def test_json_has_verdicts_claims_and_costs(summary: Summary, spec: StudySpec) -> None:
    """Repetitions that both have: `linear` less `constant` is 0.5 - 0.4 and 0.9 - 0.6: 0.2 on average, 0.1 either way.

    Only its first seed has a score at both budgets, and is 0.5 after 6 steps where the control is 0.533: not reached.
    """
    found = read(summary, spec)
    (verdict,) = [one for one in found["verdicts"] if (one["a"], one["b"]) == ("linear", "constant")]
    assert verdict["difference"] == pytest.approx(0.2)
    assert verdict["high"] - 0.2 == pytest.approx(12.7062 * 0.1, rel=1e-4)
    assert (verdict["a_budget"], verdict["seeds"], verdict["outcome"]) == (6, 2, "not shown")
    (claim,) = found["claims"]
    assert claim["there"] == [Control.RANDOM_INIT.value, Control.SHORT_SPANS.value]
    assert Control.CNN.value in claim["missing"]
    assert Control.PLACEBO.value not in claim["missing"]
    times = {(one["curriculum"], one["cost"]): one for one in found["times"]}
    assert times["constant", "steps"]["at_most"] == 6.0
    assert times["constant", "flops"]["at_most"] == 60.0
    assert (times["linear", "steps"]["at_least"], times["linear", "steps"]["at_most"]) == (6.0, None)


def test_what_json_cannot_hold_becomes_null() -> None:
    assert finite({2: [math.nan, math.inf, -math.inf], "a": (1.5, "nan", True)}) == {
        "2": [None, None, None],
        "a": [1.5, "nan", True],
    }


def test_parquet_has_every_score_and_no_loss(spec: StudySpec) -> None:
    """Dev and test of each fine-tuning: 6 of random initialisation, 8 of `constant`, 4 and 2 of `linear`."""
    rows = pd.read_parquet(formats.write_scores(Store(spec.folder()).rows(), spec.folder()))
    assert len(rows) == 2 * (6 + 8 + 4 + 2)
    assert set(rows["metric"]) == {"mcc"}
    own = rows[(rows["run"] == "constant-1") & (rows["split"] == "test")]
    assert own["value"].tolist() == [0.6, 0.8, 0.8]


@pytest.mark.parametrize("form", ["html", "md", "json", "parquet"])
def test_the_command_writes_each_form_and_says_where(
    spec: StudySpec, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = spec.folder()
    assert command.main(["mini", "--results", str(folder.parent), "--format", form]) == 0
    path = folder / f"report.{form}"
    assert capsys.readouterr().out == f"{path}\n"
    assert path.stat().st_size > 0
    assert not list(folder.glob(".*.tmp"))


def test_a_study_without_scores_and_an_unknown_form_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = filled(tmp_path, table=[])
    assert command.main([spec.name, "--results", str(tmp_path), "--format", "md"]) == 2
    assert "the study mini has no scores yet" in capsys.readouterr().err
    assert not (spec.folder() / "report.md").exists()
    with pytest.raises(SystemExit):
        command.main([spec.name, "--format", "docx"])
    assert "invalid choice: 'docx'" in capsys.readouterr().err

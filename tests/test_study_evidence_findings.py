"""What a study shows of its test scores, and how the report says it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study.evidence.claims import Support
from study.evidence.findings import PUBLISHED, SHARE, Findings, findings
from study.evidence.pairing import Arm
from study.evidence.published import published_for
from study.evidence.summary import Summary, summarise
from study.evidence.time_to_target import Reach
from study.figures import ranking
from study.report import html, verdict_tables
from study.report.sentences import sentences
from study.spec.files import parse
from study.spec.study import StudySpec
from study.store import Row, Store
from tests.score_rows import costs, scored
from tests.studies import MINI

TASKS = [f"t/{number}" for number in range(10)]
ENTRIES = [{"name": name, "train": "/t.csv", "test": "/t.csv"} for name in TASKS]


@pytest.fixture
def spec() -> StudySpec:
    names = {"constant": {}, "linear": {}, "step": {}}
    evaluation = {"tasks": ENTRIES, "metric": "mcc"}
    return parse({**MINI, "seeds": 2, "curricula": names, "evaluation": evaluation}, "test")


def table(score: float, seeds: int = 2) -> dict[str, list[float]]:
    """Scores of every task and seed: tasks lie 0.05 apart, and neighbours wobble in turn."""
    return {
        name: [score + 0.05 * number + 0.002 * ((number + seed) % 3 - 1) for seed in range(seeds)]
        for number, name in enumerate(TASKS)
    }


def at(curriculum: str, scores: Mapping[int, float], seeds: int = 2) -> pd.DataFrame:
    """Rows of a curriculum at some budgets, 1,000 masked tokens and a TFLOP a step."""
    parts = []
    for budget, score in scores.items():
        parts.append(scored(curriculum, budget, table(score, seeds)))
        took = {"tokens": 1e4 * budget, "masked_tokens": 1e3 * budget, "flops": 1e12 * budget}
        parts += [costs(curriculum, budget, seed, **took) for seed in range(seeds) if budget]
    return pd.concat(parts)


ROWS = pd.concat(
    [
        at("random_init", {0: 0.1}),
        at("constant", {2: 0.2, 4: 0.3, 6: 0.4}),
        at("linear", {2: 0.3, 4: 0.5, 6: 0.6}),
        at("step", {2: 0.2}, seeds=1),
    ]
)


def found(spec: StudySpec, rows: pd.DataFrame = ROWS, **largest: int) -> Findings:
    return findings(spec, rows, largest or {"constant": 6, "linear": 6, "step": 2})


def test_what_was_compared(spec: StudySpec) -> None:
    """Each with random initialisation where it came to; `linear`, which came to the end, with its controls as well."""
    own = found(spec)
    initial, constant, linear, step = Arm("random_init", 0), Arm("constant", 6), Arm("linear", 6), Arm("step", 2)
    assert [(verdict.a, verdict.b) for verdict in own.initial] == [(one, initial) for one in (constant, linear, step)]
    assert {(verdict.a, verdict.b) for verdict in own.verdicts} == {
        *((one, initial) for one in (constant, linear, step)),
        (linear, constant),
    }
    (claim,) = own.claims
    assert (claim.arm, claim.supports) == (linear, Support.UNKNOWN)


def test_ranks_are_of_what_came_to_the_longest_budget(spec: StudySpec) -> None:
    own = found(spec)
    assert own.ranks is not None
    assert own.ranks.average == {"linear": 1.0, "constant": 2.0}
    assert own.ranks.tasks == 10
    assert own.profiles is not None
    assert own.profiles.loc[0.0].to_dict() == {"constant": 0.0, "linear": 1.0}


def test_times_are_to_the_score_of_the_control(spec: StudySpec) -> None:
    """`linear` passes 0.4 midway between 2 steps (0.3) and 4 (0.5); one seed of `step` is at 0.2 after 2."""
    times = {time.curriculum: time for time in found(spec).times}
    assert times["linear"].target == "the score of `constant` at 6 steps"
    assert times["linear"].reached["steps"].at_most == pytest.approx(8**0.5)
    assert times["linear"].reached["flops"].at_most == pytest.approx(1e12 * 8**0.5)
    assert times["constant"].reached["steps"] == Reach(6, 6)
    assert times["step"].reached["steps"] == Reach(2, float("inf"))


def test_what_there_is_too_little_for_is_left_out(spec: StudySpec) -> None:
    assert findings(spec, ROWS, {}) == Findings([], [], [], None, None, [], [])
    alone = found(spec, ROWS[ROWS["curriculum"] == "linear"], linear=6)
    assert (alone.initial, alone.ranks, alone.times) == ([], None, [])
    one_task = found(spec, ROWS[ROWS["task"].isin(["t/0", "pretraining"])])
    assert one_task.ranks is None
    assert len(one_task.initial) == 3


def test_what_has_no_seed_in_common_is_not_compared(spec: StudySpec) -> None:
    other = at("linear", {2: 0.3, 4: 0.5, 6: 0.6})
    rows = pd.concat([ROWS[ROWS["curriculum"] != "linear"], other.assign(seed=other["seed"] + 7)])
    own = found(spec, rows)
    assert Arm("linear", 6) not in {verdict.a for verdict in own.initial}
    assert own.ranks is None
    assert "linear" not in {time.curriculum for time in own.times}


def stored(spec: StudySpec, folder: Path, rows: pd.DataFrame) -> Summary:
    """Write rows as a study does, and sum them up."""
    store = Store(folder)
    for (run, budget), own in rows.groupby(["run", "budget"]):
        lines = [
            Row(**{name: entry.get(name, 0) for name in Row.__dataclass_fields__} | {"seconds": 1.0, "horizon": 6})
            for split in ("dev", "test")
            for entry in own.assign(split=split).to_dict("records")
        ]
        store.write_part(str(run), int(str(budget)), "full", "all", lines)
        store.finish(str(run), int(str(budget)), "full")
    (folder / "provenance.json").write_text(json.dumps({"corpus": {"source": "a test"}}))
    return summarise(spec, folder)


def test_the_report_has_verdicts_times_ranks_and_profiles(spec: StudySpec, tmp_path: Path) -> None:
    summary = stored(spec, tmp_path, ROWS)
    said = sentences(summary)
    assert any(
        line.startswith("`linear` at 6 steps beat `random_init` (+0.500 MCC, 95 % interval +0.500 to") for line in said
    )
    assert any("`step` at 2 steps is above `random_init` over tasks, in one initialisation" in line for line in said)
    assert any(line.startswith("It cannot be said that `linear` at 6 steps helps: the study lacks ") for line in said)
    assert set(ranking.ranks_and_profiles(summary)) == {"ranks", "profiles"}
    page = html.write(summary, tmp_path).read_text()
    for shown in (
        "<h2>Verdict</h2>",
        "linear at 6 against constant at 6",
        "the score of constant at 6 steps",
        "Nemenyi",
    ):
        assert shown in page
    assert (
        "None" not in page.partition("<h2>Verdict</h2>")[2].partition("<h2>Curricula</h2>")[0].partition("<script")[0]
    )
    assert page.count('class="plotly-graph-div"') == 8


def test_the_tables_in_words(spec: StudySpec) -> None:
    own = found(spec)
    lines: dict[str, dict[str, Any]] = {line["compared"]: line for line in verdict_tables.verdict_table(own)}
    linear = lines["linear at 6 against constant at 6"]
    assert (linear["verdict"], linear["difference"], linear["pairs won"]) == ("better", "+0.200", "100%")
    assert linear["tasks x seeds"] == "10 x 2"
    assert lines["step at 2 against random_init"]["more seeds"] == "?"
    assert lines["step at 2 against random_init"]["verdict"] == "in one initialisation alone"
    ((target, lines_of_times),) = verdict_tables.time_tables(own)
    assert target == "the score of `constant` at 6 steps"
    times = {line["curriculum"][0]: line for line in lines_of_times}
    assert times["linear"]["steps"][0] == "2.83"
    assert times["linear"]["times fewer steps"][0] == "2.12"
    assert times["step"]["steps"] == ("> 2", "2 to ∞")
    assert times["step"]["times fewer steps"] == ("≤ 3", "0 to 3")
    assert times["constant"]["times fewer steps"] == ("", "")
    assert times["constant"]["model FLOPs"][0] == "6e+12"


def test_bounds_and_infinities_are_shown_as_such(spec: StudySpec) -> None:
    one = pd.concat([at(name, {6: 0.4}, seeds=1) for name in ("constant", "linear")])
    own = found(spec, one[one["task"].isin(["t/0", "pretraining"])], constant=6, linear=6)
    (line,) = verdict_tables.verdict_table(own)
    assert (line["95 % interval"], line["in SDs"], line["p"]) == ("none", "?", "1")
    ((_, (_, linear)),) = verdict_tables.time_tables(own)
    assert linear["steps"] == ("≤ 6", "0 to ∞")
    assert linear["times fewer steps"] == ("?", "0 to ∞")
    assert verdict_tables.time_tables(found(spec, one, linear=6)) == []


GUE = {"mouse/0": 0.30, "mouse/2": 0.50, "tf/0": 0.60, "tf/1": 0.40}  # two of mouse, two of human DNA


def on_gue(curriculum: str, budget: int, above: float) -> pd.DataFrame:
    """Rows of two seeds that lie 0.02 apart."""
    return scored(curriculum, budget, {name: [score + above, score + above + 0.02] for name, score in GUE.items()})


def of_gue(**evaluation: Any) -> StudySpec:
    names = {"constant": {}, "linear": {}}
    return parse({**MINI, "seeds": 2, "curricula": names, "evaluation": {"tasks": list(GUE), **evaluation}}, "test")


def test_task_by_task_and_the_groups_of_gue() -> None:
    """`linear` is 0.1 above on mouse, 0.2 on human DNA, whatever the seed: no interval has any width."""
    above = scored("linear", 6, {name: [s + 0.1 * (1 + name.startswith("tf"))] * 2 for name, s in GUE.items()})
    even = scored("constant", 6, {name: [score] * 2 for name, score in GUE.items()})
    own = findings(of_gue(), pd.concat([even, above]), {"constant": 6, "linear": 6})
    (apart,) = own.apart
    assert (apart.arm, apart.control) == (Arm("linear", 6), Arm("constant", 6))
    assert apart.tasks.set_index("task")["difference"].to_dict() == pytest.approx(
        {"mouse/0": 0.1, "mouse/2": 0.1, "tf/0": 0.2, "tf/1": 0.2}
    )
    assert {name: effect.mean for name, effect in apart.groups.items()} == pytest.approx(
        {"human": 0.2, "non_human": 0.1}
    )
    lines = {line["task"][0]: line["linear"] for line in verdict_tables.apart_table(own)}
    assert lines["tf/0"] == ("+0.200", "+0.200 to +0.200")
    assert lines["mean of human tasks"][0] == "+0.200"
    assert lines["mean of non-human tasks"] == ("+0.100", "+0.100 to +0.100")


def test_one_seed_has_no_interval_of_a_task_and_without_the_control_there_is_nothing_to_differ_from() -> None:
    both = pd.concat([on_gue("constant", 6, 0.0), on_gue("linear", 6, 0.1)])
    own = findings(of_gue(), both[both["seed"] == 0], {"constant": 6, "linear": 6})
    assert {line["linear"][1] for line in verdict_tables.apart_table(own) if "mean" not in line["task"][0]} == {""}
    assert findings(of_gue(), on_gue("linear", 6, 0.1), {"linear": 6}).apart == []
    one = both[both["task"] == "tf/0"]
    assert findings(of_gue(), one, {"constant": 6, "linear": 6}).apart == []


def test_a_share_of_the_published_score_is_a_target() -> None:
    """Nine tenths of DNABERT's 0.464 (mean of these four after 120,000 steps) lie between the budgets of `linear`."""
    (line,) = [line for line in published_for(list(GUE)) if line.label == PUBLISHED]
    wanted = SHARE * line.mean
    level = sum(GUE.values()) / len(GUE) + 0.01
    rows = pd.concat([on_gue("linear", 2, wanted - level - 0.1), on_gue("linear", 8, wanted - level + 0.1)])
    own = findings(of_gue(), rows, {"linear": 8})
    (time,) = own.times
    assert time.target == "90% of DNABERT, random, 120,000 steps (published)"
    assert time.reached["steps"].at_most == pytest.approx(4)  # midway, on a logarithmic scale
    ((_, (shown,)),) = verdict_tables.time_tables(own)
    assert (shown["steps"][0], shown["times fewer steps"]) == ("4", ("", ""))
    assert findings(of_gue(metric="accuracy"), rows, {"linear": 8}).times == []

"""The pictures of a search, and the table and shares behind them, on trials small enough to check by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from curricula import Range
from study.figures.importances import FEWEST, importances
from study.figures.searched import domains, shared_domains, trials
from study.figures.searches import importance, searches
from study.spec.evaluation import FULL
from study.spec.study import StudySpec
from tests.studies import MINI
from tests.trials import SEARCH, spec_of, summed, trial

CURRICULA: dict[str, Any] = {"constant": {"span": 1, "strategy": "random", "rate": 0.15}, "linear": {"span": 1}}


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return spec_of(tmp_path, curricula=json.loads(json.dumps(CURRICULA)))


def linear(number: int, rate: float, start: float, scores: dict[int, float]) -> pd.DataFrame:
    parameters = {"learning_rate": rate, "start": start, "end": 0.15, "span": 1}
    return trial(f"linear-{number}", "linear", scores, parameters)


THREE = [
    linear(0, 0.001, 0.20, {2: 0.2, 4: 0.3}),
    linear(1, 0.01, 0.30, {2: 0.4, 4: 0.5, 6: 0.8}),
    linear(2, 0.1, 0.40, {2: 0.1}),
]


def test_trials_have_the_dev_score_of_each_budget_and_how_far_they_came(spec: StudySpec) -> None:
    again = trial("linear-7", "linear", {6: 0.9}, {"learning_rate": 0.01}, seed=1, role="replicate")
    initial = trial("init-0", "random_init", {0: 0.1}, role="control")
    found = trials(spec, pd.concat([*THREE, again, initial])).set_index(["run", "budget"])
    assert len(found) == 6
    assert found.loc[("linear-1", 6), "score"] == pytest.approx(0.8)
    assert found[found["last"]].index.tolist() == [("linear-0", 4), ("linear-1", 6), ("linear-2", 2)]
    assert found.loc[("linear-2", 2), "parameters"]["learning_rate"] == 0.1


def test_trials_are_scored_as_the_search_goes(tmp_path: Path) -> None:
    cheap = {"fidelities": {"probe": {"method": "probe"}}, "rungs": {2: "probe"}}
    spec = spec_of(tmp_path, evaluation={**MINI["evaluation"], **cheap})
    in_full = trial("linear-0", "linear", {2: 0.2, 4: 0.3})
    probed = trial("linear-0", "linear", {2: 0.7})
    rows = pd.concat([in_full, probed.assign(fidelity=probed["fidelity"].replace(FULL, "probe"))])
    assert trials(spec, rows)["score"].tolist() == pytest.approx([0.7, 0.3])


def test_each_curriculum_has_the_shared_numbers_and_its_own_arguments(spec: StudySpec) -> None:
    assert domains(spec, "constant") == {"learning_rate": Range(0.001, 0.1, log=True)} == shared_domains(spec)
    assert list(domains(spec, "linear"))[:2] == ["learning_rate", "start"]


def test_lines_run_from_what_was_tried_to_the_score(spec: StudySpec) -> None:
    """From 0.001 to 0.1, 0.01 is in the middle of a logarithmic axis; from 0.1 to 0.8, a score of 0.3 is at 2 / 7."""
    own = searches(summed(spec, *THREE))["linear"]
    drawn = {tuple(trace.x): trace for trace in own.data if trace.x and trace.x[0] is not None}
    assert len(drawn) == 3
    firsts = {trace.text[0]: trace for trace in drawn.values()}
    best, cut = firsts["0.01 (dev 0.8)"], firsts["0.001 (dev 0.3)"]
    assert best.x[0] == pytest.approx(0.5)
    assert best.x[-2] == 1.0
    assert (best.line.dash, cut.line.dash) == ("solid", "dot")
    assert cut.x[-2] == pytest.approx(2 / 7, abs=1e-4)
    assert best.line.color != cut.line.color
    titles = [note.text for note in own.layout.annotations if note.text.startswith("<b>")]
    assert titles == [
        *(f"<b>{name}</b>" for name in domains(spec, "linear")),
        "<b>pretraining steps it came to</b>",
        "<b>dev MCC</b>",
    ]
    assert {"0.001", "0.01", "0.1"} <= {note.text for note in own.layout.annotations}


def test_all_curricula_share_one_picture_and_those_with_arguments_and_trials_have_their_own(spec: StudySpec) -> None:
    constants = [
        trial(f"constant-{number}", "constant", {6: 0.5 + 0.1 * number}, {"learning_rate": 0.01 + 0.01 * number})
        for number in range(3)
    ]
    both = searches(summed(spec, *THREE, *constants))
    assert list(both) == ["", "linear"]  # of `constant` nothing of its own is searched
    assert both[""].layout.annotations[0].text == "<b>curriculum</b>"
    assert list(searches(summed(spec, *THREE[:2], constants[0]))) == [""]


def test_without_a_search_or_three_trials_nothing_is_drawn(spec: StudySpec, tmp_path: Path) -> None:
    assert searches(summed(spec, *THREE[:2])) == {}
    fixed = spec_of(tmp_path / "fixed", search={**SEARCH, "trials": 0}, grid="all")
    assert searches(summed(fixed, *THREE)) == {}
    assert importance(summed(fixed, *many(20))) is None


def test_trials_of_one_score_and_beside_the_range_are_drawn(spec: StudySpec) -> None:
    same = [linear(number, rate, 0.2, {6: 0.5}) for number, rate in enumerate((0.0001, 0.01, 0.2))]
    trace = next(trace for trace in searches(summed(spec, *same))["linear"].data if trace.x and trace.x[0] is not None)
    firsts = trace.x[:: len(domains(spec, "linear")) + 3]  # behind them steps, the score, and a gap
    assert (firsts[0], firsts[2]) == (0.0, 1.0)


def many(count: int, budget: int = 6) -> list[pd.DataFrame]:
    """Trials whose score is that of their learning rate alone: best in the middle."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        place, start = rng.random(2)
        score = 0.8 - (place - 0.5) ** 2
        found.append(linear(number, 0.001 * 100**place, 0.2 + 0.2 * start, {budget: score}))
    return found


def test_what_decides_the_score_is_named_and_the_same_trials_give_the_same_shares(spec: StudySpec) -> None:
    rows = pd.concat(many(20))
    (found,) = importances(spec, rows)
    assert (found.curriculum, found.budget, found.used, found.tried) == ("linear", 6, 20, 20)
    assert next(iter(found.shares)) == "learning_rate"
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert importances(spec, rows.sample(frac=1, random_state=1)) == [found]


def test_importances_go_by_the_longest_budget_that_enough_trials_reached(spec: StudySpec) -> None:
    cut = many(FEWEST, budget=2)
    longer = [linear(number, 0.01, 0.3, {6: 0.9}) for number in range(3)]
    (found,) = importances(spec, pd.concat([*cut, *longer]))
    assert (found.budget, found.used) == (2, FEWEST)
    assert importances(spec, pd.concat(many(FEWEST - 1))) == []


def test_one_searched_number_or_one_score_has_no_importance(spec: StudySpec) -> None:
    alone = [
        trial(f"constant-{number}", "constant", {6: number / 20}, {"learning_rate": 0.002 * (number + 1)})
        for number in range(12)
    ]
    level = [linear(number, 0.001 * (number + 1), 0.2, {6: 0.5}) for number in range(12)]
    assert importances(spec, pd.concat([*alone, *level])) == []


def test_importances_say_from_how_many_trials_they_are(spec: StudySpec) -> None:
    figure = importance(summed(spec, *many(12)))
    assert figure is not None
    assert [note.text for note in figure.layout.annotations] == ["<b>linear</b><br>12 of 12 trials, at 6 steps"]
    assert figure.data[0].y[0] == "learning_rate"


def test_choices_are_searched_too(tmp_path: Path) -> None:
    """`constant` has a strategy of several; those of one score high."""
    spec = spec_of(tmp_path, curricula={"constant": {"span": 1, "rate": 0.15}, "linear": {"span": 1}})
    options = ("random", "genemask")
    rows = [
        trial(
            f"constant-{number}",
            "constant",
            {6: 0.8 if number % 2 else 0.2},
            {"learning_rate": 0.01 + 0.001 * number, "strategy": options[number % 2]},
        )
        for number in range(12)
    ]
    (found,) = importances(spec, pd.concat(rows))
    assert next(iter(found.shares)) == "strategy"
    assert "" in searches(summed(spec, *rows))

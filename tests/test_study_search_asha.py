"""Where a trial is cut: by score, by score and cost, in Hyperband's brackets; hand-worked, and against definitions."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curricula import InputError
from study.search.asha import Halving, bracket_weights
from study.search.fronts import crowding_of, fronts_of
from study.spec.files import parse
from study.trials.messages import COST, OBJECTIVE
from tests.studies import MINI


def halving(seed: int = 0, **search: Any) -> Halving:
    return Halving(parse({**MINI, "seed": seed, "search": {**MINI["search"], **search}}, "test"))


def test_a_trial_goes_on_while_it_is_among_the_best_half_of_those_before() -> None:
    asha = halving()
    assert [asha.reached(run, 2, [score]) for run, score in (("a", 0.2), ("b", 0.4), ("c", 0.6))] == [True] * 3
    assert not asha.reached("d", 2, [0.39])  # two of four are better
    assert asha.reached("e", 2, [0.41])  # one of five
    assert asha.reached("a", 4, [0.5])  # another budget, another rung
    assert not asha.reached("b", 4, [0.4])


def test_equal_scores_do_not_stop_each_other() -> None:
    asha = halving()
    assert [asha.reached(str(run), 2, [0.0]) for run in range(5)] == [True] * 5


def test_a_reduction_of_four_lets_a_quarter_pass() -> None:
    asha = halving(reduction_factor=4.0)
    went_on = [asha.reached(str(run), 2, [1 - run / 100]) for run in range(100)]  # each is worse than all before
    assert went_on == [True] + [run < (run + 1) / 4 for run in range(1, 100)]
    asha = halving(reduction_factor=4.0)
    order = np.random.default_rng(0).permutation(400)
    went_on = [asha.reached(str(run), 2, [float(score)]) for run, score in enumerate(order)]
    assert 80 <= sum(went_on) <= 125


def test_a_trial_that_is_started_again_is_not_judged_by_itself() -> None:
    asha = halving()
    assert asha.reached("a", 2, [0.5])
    assert asha.reached("b", 2, [0.6])
    assert asha.reached("a", 2, [0.5])
    assert asha.reached("c", 2, [0.55])  # one of three is better: "a" counts once


def test_what_was_stored_before_an_interruption_counts() -> None:
    fresh, restarted = halving(), halving()
    for run, score in (("a", 0.2), ("b", 0.4), ("c", 0.6)):
        told(fresh, run, 2, score)
        restarted.reached(run, 2, [score])
    assert told(fresh, "d", 2, 0.39) == told(restarted, "d", 2, 0.39) == "STOP"
    assert told(fresh, "e", 2, 0.41) == told(restarted, "e", 2, 0.41) == "CONTINUE"


def told(asha: Halving, run: str, budget: int, score: float, cost: float = 0.0) -> str:
    """As Tune does."""
    result = {"run": run, "budget": budget, OBJECTIVE: score, COST: cost}
    return asha.on_trial_result(None, SimpleNamespace(trial_id=run), result)


def test_nothing_is_stopped_at_the_longest_budget_nor_before_any() -> None:
    asha = halving()
    for budget in (0, 6):
        assert [told(asha, run, budget, score) for run, score in (("a", 0.9), ("b", 0.1))] == ["CONTINUE"] * 2


def test_by_score_and_cost_what_nothing_dominates_goes_on() -> None:
    asha = halving(cost="flops")
    assert told(asha, "good", 2, 0.8, 10) == "CONTINUE"
    assert told(asha, "cheap", 2, 0.4, 2) == "CONTINUE"  # by score alone it would be stopped
    assert told(asha, "between", 2, 0.6, 6) == "CONTINUE"
    assert told(asha, "dominated", 2, 0.7, 11) == "STOP"  # three of four are ahead
    assert told(asha, "best", 2, 0.9, 10) == "CONTINUE"
    assert told(asha, "worst", 2, 0.1, 20) == "STOP"
    assert told(asha, "beside", 2, 0.39, 5) == "CONTINUE"  # at an end of the second front: three of seven are ahead


def test_fronts_by_hand() -> None:
    points = np.array([[3, 1], [1, 3], [2, 2], [2, 1], [1, 1], [3, 1]])
    assert fronts_of(points).tolist() == [0, 0, 0, 1, 2, 0]


def test_crowding_by_hand() -> None:
    points = np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]])
    assert crowding_of(points).tolist() == [np.inf, 2.0, np.inf]
    assert crowding_of(np.array([[1.0, 2.0]] * 3)).tolist() == [0.0, 0.0, 0.0]


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 4)))
def test_a_point_is_in_the_front_behind_the_last_one_that_dominates_it(points: np.ndarray[Any, Any]) -> None:
    fronts = fronts_of(points)
    for point, front in zip(points, fronts, strict=True):
        dominating = [
            int(other_front)
            for other, other_front in zip(points, fronts, strict=True)
            if (other >= point).all() and (other > point).any()
        ]
        assert front == max(dominating, default=-1) + 1


@pytest.mark.parametrize(("brackets", "weights"), [(1, [1.0]), (3, [4 / 3, 1.0, 1.0])])
def test_brackets_have_the_shares_of_hyperband(brackets: int, weights: list[float]) -> None:
    spec = parse({**MINI, "search": {**MINI["search"], "brackets": brackets}}, "test")
    shares = bracket_weights(spec)
    assert shares == pytest.approx([weight / sum(weights) for weight in weights])
    asha = Halving(spec)
    drawn = [asha.bracket(f"run-{number}") for number in range(3000)]
    assert [drawn.count(bracket) / 3000 for bracket in range(brackets)] == pytest.approx(shares, abs=0.04)
    assert drawn == [Halving(spec).bracket(f"run-{number}") for number in range(3000)]


def test_a_bracket_spares_the_first_budgets_and_is_cut_among_its_own() -> None:
    asha = halving(brackets=2)
    spared = [run for run in map(str, range(40)) if asha.bracket(run) == 1]
    others = [run for run in map(str, range(40)) if asha.bracket(run) == 0]
    for run in others:
        asha.reached(run, 2, [0.9])
        asha.reached(run, 4, [0.9])
    assert all(asha.reached(run, 2, [0.1]) for run in spared)
    assert asha.reached(spared[0], 4, [0.2])
    assert not asha.reached(spared[1], 4, [0.1])


@pytest.mark.parametrize(
    ("search", "rule"),
    [
        ({"brackets": 4}, "search.brackets must not exceed the number of budgets, but got 4 and 3"),
        ({"cost": "money"}, "needs cluster.price_per_worker_hour"),
        ({"cost": "gpu_hours"}, "needs GPUs, but got cluster.gpus_per_worker=0"),
        ({"warm_start": ["mini"]}, "cannot learn from itself, but got mini"),
    ],
)
def test_a_search_that_cannot_be_is_refused(search: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        halving(**search)

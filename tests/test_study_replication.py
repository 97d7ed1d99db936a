"""Who gets more seeds, and when there are enough: on stored rows, and in a whole study of recorded curves."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curricula import InputError
from study import replication, tasks
from study.folder import create_folder
from study.plan import plan
from study.runs import Run, controls, default_run, expected
from study.spec.files import parse
from study.spec.study import StudySpec
from study.store import Store
from tests import curves
from tests.studies import MINI

LONGEST = 6


def study_of(results: Path, **changes: Any) -> StudySpec:
    return create_folder(parse({**MINI, "results": str(results), "seeds": 2, **changes}, "test"))


def searched(spec: StudySpec, found: dict[float, tuple[float, float]]) -> None:
    """Store trials of the search: by learning rate, the score and the cost at the longest budget."""
    for rate, (score, flops) in found.items():
        run = Run("search", "linear", default_run(spec, "linear", "search").arguments, {"learning_rate": rate}, 0)
        curves.store(spec, run, LONGEST, score, flops)
        folder = spec.folder() / "runs" / run.key
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(run.to_dict()))


def rows_of(spec: StudySpec) -> pd.DataFrame:
    return Store(spec.folder()).rows()


def rates(runs: list[Run]) -> list[float]:
    return [run.numbers["learning_rate"] for run in runs]


FOUND = {0.003: (0.4, 4e9), 0.004: (0.6, 9e9), 0.005: (0.5, 2e9), 0.007: (0.3, 1e9)}


def test_the_best_by_dev_score_get_every_seed(tmp_path: Path) -> None:
    spec = study_of(tmp_path, replication={"promising": 2})
    searched(spec, FOUND)
    chosen = replication.promising(spec, rows_of(spec), spec.folder())
    assert rates(chosen) == [0.004, 0.005]
    again = replication.repeated(chosen, range(1, 3))
    assert [(run.role, run.seed, run.numbers["learning_rate"]) for run in again] == [
        ("replicate", seed, rate) for rate in (0.004, 0.005) for seed in (1, 2)
    ]


def test_with_a_cost_what_nothing_dominates_gets_every_seed(tmp_path: Path) -> None:
    search = {**MINI["search"], "cost": "flops"}
    spec = study_of(tmp_path, search=search, replication={"promising": 3})
    searched(spec, FOUND)
    chosen = replication.promising(spec, rows_of(spec), spec.folder())
    assert rates(chosen) == [0.004, 0.005, 0.007]  # 0.003 is worse than 0.005 and dearer


def compared(spec: StudySpec, differences: list[float]) -> list[Run]:
    """Store the control and the grid's curriculum under as many seeds, so far apart on dev; return the latter."""
    for seed, difference in enumerate(differences):
        curves.store(spec, default_run(spec, "constant", "control", seed), LONGEST, 0.2)
        curves.store(spec, default_run(spec, "linear", "grid", seed), LONGEST, 0.2 + difference)
    return replication.compared(spec, [])


GRID: dict[str, Any] = {"grid": ["linear"], "search": {**MINI["search"], "trials": 0}}


def test_narrow_intervals_end_it_whatever_they_hold(tmp_path: Path) -> None:
    """Student's t for one degree of freedom is 12.706: 0.101 and 0.1 make 0.1005 +- 0.00635."""
    spec = study_of(tmp_path, **GRID, replication={"most_seeds": 9})
    others = compared(spec, [0.101, 0.100])
    found = replication.against_control(spec, rows_of(spec), others[0])
    assert found is not None
    assert (found.tasks, found.seeds) == (1, 2)
    assert found.half_width == pytest.approx(12.706 * 0.0005, rel=1e-3)
    runs, why = replication.further(spec, rows_of(spec), others, 2)
    assert runs == []
    assert why == (
        "after 2 seeds, 95 % intervals of differences to `constant`: linear ±0.006; these are narrow enough (±0.01)"
    )
    about_zero = study_of(tmp_path, **GRID, replication={"most_seeds": 9})
    others = compared(about_zero, [0.0005, -0.0005])
    assert replication.further(about_zero, rows_of(about_zero), others, 2)[0] == []


def test_wide_ones_ask_for_one_more_seed_of_both(tmp_path: Path) -> None:
    spec = study_of(tmp_path, **GRID, replication={"most_seeds": 9})
    others = compared(spec, [0.1, 0.2])
    runs, why = replication.further(spec, rows_of(spec), others, 2)
    assert [(run.curriculum, run.seed) for run in runs] == [("constant", 2), ("linear", 2)]
    assert why.endswith("linear ±0.635; one more seed (asked: ±0.01)")


@pytest.mark.parametrize(
    ("rule", "price", "why"),
    [
        ({"most_seeds": 3}, None, "replication.most_seeds is reached"),
        ({"most_seeds": 9, "worker_hours": 1e-6}, None, "worker_hours of 1e-06 are spent"),
        ({"most_seeds": 9, "money": 1e-6}, 2.0, "money of 1e-06 are spent"),
    ],
)
def test_it_ends_where_seeds_or_money_do(tmp_path: Path, rule: dict[str, Any], price: float | None, why: str) -> None:
    spec = study_of(tmp_path, **GRID, replication=rule, cluster={"price_per_worker_hour": price})
    others = compared(spec, [0.1, 0.2, 0.4])
    runs, said = replication.further(spec, rows_of(spec), others, 3)
    assert runs == []
    assert "not narrow enough (±0.01), but " in said
    assert said.endswith(why)


def test_without_a_rule_nothing_is_asked(tmp_path: Path) -> None:
    spec = study_of(tmp_path, **GRID)
    assert replication.further(spec, rows_of(spec), compared(spec, [0.1, 0.2]), 2) == ([], "")


def test_a_pair_that_is_missing_is_left_out(tmp_path: Path) -> None:
    spec = study_of(tmp_path, **GRID, replication={"most_seeds": 9})
    others = compared(spec, [0.1])
    curves.store(spec, default_run(spec, "constant", "control", 1), LONGEST, 0.2)  # the other diverged
    assert replication.against_control(spec, rows_of(spec), others[0]) is None
    assert "linear unknown" in replication.further(spec, rows_of(spec), others, 2)[1]


def test_the_plan_counts_them(tmp_path: Path) -> None:
    spec = study_of(tmp_path, replication={"promising": 3, "most_seeds": 5})
    assert expected(spec) == len(controls(spec)) + MINI["search"]["trials"] - 1 + 3 * 1
    parts = {part.name: part.runs for part in plan(spec, tasks.read(spec), stops=False)}
    assert (parts["repeats"], parts["more seeds"]) == (3, (1 + 3) * (5 - 2))
    assert "more seeds" not in {part.name for part in plan(spec, tasks.read(spec))}


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"most_seeds": 2}, "replication.most_seeds must be more than seeds, but got 2 and 2"),
        ({"money": 3.0}, "replication.money needs cluster.price_per_worker_hour"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: dict[str, Any], error: str) -> None:
    with pytest.raises(InputError, match=error):
        parse({**MINI, "seeds": 2, "replication": rule}, "test")

"""Which scores stand side by side, ragged ones among them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from study.evidence.pairing import Arm, full_table, paired, task_means
from tests.score_rows import costs, scored

A, B, FLOOR = Arm("linear", 600), Arm("constant", 600), Arm("kmer_counts", 0)


def test_pairs_are_means_over_the_repetitions_that_both_have() -> None:
    """On tf/0 seed 0 has repetitions 0 and 1 in both; repetition 2 of the one has no partner."""
    rows = pd.concat(
        [
            scored("linear", 600, {"tf/0": [0.5, 0.7], "tf/1": [0.3, 0.4]}),
            scored("linear", 600, {"tf/0": [0.6]}, repetition=1),
            scored("linear", 600, {"tf/0": [0.0]}, repetition=2),
            scored("constant", 600, {"tf/0": [0.1, 0.5], "tf/1": [0.2, 0.1]}),
            scored("constant", 600, {"tf/0": [0.3]}, repetition=1),
            costs("linear", 600, flops=1.0),
        ]
    )
    pairs = paired(rows, A, B)
    assert pairs.a.to_numpy().tolist() == [[pytest.approx(0.55), 0.7], [0.3, 0.4]]
    assert pairs.b.to_numpy().tolist() == [[pytest.approx(0.2), 0.5], [0.2, 0.1]]
    assert pairs.full == pytest.approx(np.array([[0.35, 0.2], [0.1, 0.3]]))
    assert pairs.left_out == 0
    assert list(pairs.a.index) == ["tf/0", "tf/1"]
    assert list(pairs.a.columns) == [0, 1]


def test_a_seed_that_lacks_a_task_costs_the_fewest_pairs() -> None:
    """Without tf/2, 3 x 2 pairs are left of 8; without seed 1, 3 x 1."""
    rows = pd.concat(
        [
            scored("linear", 600, {"tf/0": [0.1, 0.2], "tf/1": [0.3, 0.4], "tf/2": [0.5, None], "tf/3": [0.6, 0.7]}),
            scored("constant", 600, {"tf/0": [0, 0], "tf/1": [0, 0], "tf/2": [0, 0], "tf/3": [0, 0]}),
        ]
    )
    pairs = paired(rows, A, B)
    assert pairs.full == pytest.approx(np.array([[0.1, 0.2], [0.3, 0.4], [0.6, 0.7]]))
    assert pairs.left_out == 1
    assert pairs.differences.loc["tf/2"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        ([[1, 1, 1], [1, 1, 1]], (2, 3)),
        ([[1, 1, None], [1, 1, None], [1, 1, 1]], (3, 2)),
        ([[1, None], [None, 1]], (1, 1)),
        ([[1, 1, None, None], [1, None, 1, None], [1, None, None, 1]], (3, 1)),  # what all tasks have
        ([[1, None], [1, 1]], (1, 2)),  # 2 x 1 is as large, but would say nothing of other seeds
    ],
)
def test_the_largest_table_without_a_hole(table: list[list[float | None]], shape: tuple[int, int]) -> None:
    assert full_table(pd.DataFrame(table, dtype=float)).shape == shape


@given(st.lists(st.lists(st.sampled_from([0.5, None]), min_size=3, max_size=3), min_size=1, max_size=6))
def test_a_full_table_has_no_hole_and_at_least_the_longest_row(table: list[list[float | None]]) -> None:
    frame = pd.DataFrame(table, dtype=float)
    full = full_table(frame)
    assert not full.isna().any(axis=None)
    assert full.size >= frame.notna().sum(axis=1).max()
    assert full.size >= frame.notna().all(axis=0).sum() * len(frame)


def test_a_baseline_has_no_seeds_and_stands_against_each() -> None:
    """Its repetitions on tf/0 have a mean of 0.3; tf/9 is in it alone."""
    rows = pd.concat(
        [
            scored("linear", 600, {"tf/0": [0.5, 0.7]}),
            scored("kmer_counts", 0, {"tf/0": [0.2], "tf/9": [0.9]}, role="baseline"),
            scored("kmer_counts", 0, {"tf/0": [0.4]}, role="baseline", repetition=1),
        ]
    )
    assert paired(rows, A, FLOOR).full == pytest.approx(np.array([[0.2, 0.4]]))
    assert paired(rows, FLOOR, A).full == pytest.approx(np.array([[-0.2, -0.4]]))
    means = task_means(rows, [A, FLOOR])
    assert means.loc["tf/0"].tolist() == pytest.approx([0.6, 0.3])
    assert list(means.index) == ["tf/0"]


def test_two_baselines_are_paired_by_repetition() -> None:
    floors = [
        scored(name, 0, {"tf/0": [value]}, role="baseline") for name, value in (("kmer_counts", 0.4), ("cnn", 0.1))
    ]
    rows = pd.concat(floors)
    assert paired(rows, FLOOR, Arm("cnn", 0)).full == pytest.approx(np.array([[0.3]]))
    assert task_means(rows, [FLOOR, Arm("cnn", 0)]).shape == (1, 2)


def test_means_by_task_are_over_the_seeds_that_all_have() -> None:
    rows = pd.concat(
        [
            scored("linear", 600, {"tf/0": [0.5, 0.9], "tf/1": [0.1, 0.3]}),
            scored("constant", 600, {"tf/0": [0.4, None], "tf/1": [0.2, 0.2]}),
        ]
    )
    means = task_means(rows, [A, B])
    assert means.to_numpy().tolist() == [[0.5, 0.4], [0.2, 0.2]]


GOOD = {"tf/0": [0.5, 0.6]}


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (
            [scored("linear", 600, GOOD)],
            "there are no scores of `constant` at 600 steps; `constant` has some at: no bud",
        ),
        ([scored("linear", 600, GOOD), scored("constant", 1000, GOOD)], "`constant` has some at: 1,000"),
        (
            [scored("linear", 600, GOOD), scored("constant", 600, {"tf/1": [0.1]})],
            "must share a task and a seed, but `li",
        ),
        (
            [scored("linear", 600, GOOD, split="dev"), scored("linear", 600, GOOD)],
            "must be of one split, but are of dev, t",
        ),
        (
            [scored("linear", 600, GOOD, fidelity="probe"), scored("linear", 600, GOOD)],
            "of one fidelity, but are of full, ",
        ),
        (
            [scored("linear", 600, GOOD, parameters='{"rate": 1}'), scored("linear", 600, GOOD)],
            "of one parameters, but ",
        ),
        (
            [scored("linear", 600, GOOD, metric="accuracy"), scored("linear", 600, GOOD)],
            "one metric a task, but tf/0 has 2",
        ),
        ([scored("linear", 600, GOOD), scored("linear", 600, GOOD)], "several of tf/0, seed 0, repetition 0"),
        (
            [scored("linear", 600, {"tf/0": [float("inf")]})],
            "scores must be finite, but `linear` at 600 steps has one on",
        ),
        ([scored("linear", 600, GOOD).drop(columns=["role", "seed"])], "the columns .*, but lack role, seed"),
    ],
)
def test_rows_that_are_not_two_sets_of_scores_are_refused(rows: list[pd.DataFrame], error: str) -> None:
    with pytest.raises(InputError, match=error):
        paired(pd.concat(rows), A, B)


def test_arms_without_a_common_task_have_no_table() -> None:
    rows = pd.concat([scored("linear", 600, GOOD), scored("constant", 600, {"tf/1": [0.1]})])
    with pytest.raises(
        InputError, match="no task and seed is common to `linear` at 600 steps, `constant` at 600 steps"
    ):
        task_means(rows, [A, B])


def shuffled(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    return rows.sample(frac=1, random_state=seed)


@given(st.integers(0, 99), st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=5))
def test_the_order_of_rows_does_not_matter(seed: int, scores: list[tuple[float, float]]) -> None:
    table: dict[str, Any] = {f"tf/{number}": values for number, values in enumerate(scores)}
    rows = pd.concat([scored("linear", 600, table), scored("constant", 600, GOOD | dict.fromkeys(table, (0.1, 0.2)))])
    assert paired(rows, A, B).full.tolist() == paired(shuffled(rows, seed), A, B).full.tolist()

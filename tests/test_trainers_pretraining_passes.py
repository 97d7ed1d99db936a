"""Rows are cut into passes: each once, none too large, at the least cost."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.pretraining.passes import cut

LENGTHS = st.lists(st.integers(1, 600), min_size=1, max_size=40).map(np.array)


def cost(lengths: np.ndarray, groups: list[np.ndarray]) -> int:
    return sum(len(group) * int(lengths[group].max()) + 64 for group in groups)


@given(lengths=LENGTHS, most=st.integers(1, 4000))
def test_every_row_is_in_one_pass_and_no_pass_is_too_large(lengths, most):
    groups = cut(lengths, most)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert group.tolist() == sorted(group.tolist())
        assert len(group) == 1 or len(group) * lengths[group].max() <= most


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=7).map(np.array), most=st.integers(1, 1500))
def test_no_other_way_to_cut_the_sorted_rows_is_cheaper(lengths, most):
    order = np.argsort(-lengths, kind="stable")
    cheapest = min(
        cost(lengths, groups)
        for cuts in itertools.product([False, True], repeat=len(lengths) - 1)
        for groups in [np.split(order, np.flatnonzero(cuts) + 1)]
        if all(len(group) == 1 or len(group) * lengths[group].max() <= most for group in groups)
    )
    assert cost(lengths, cut(lengths, most)) == cheapest


@pytest.mark.parametrize(
    ("lengths", "most", "groups"),
    [
        ([512] * 8, 2048, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ([512] * 8, 10**6, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        ([512, 100, 512, 110], 2048, [[0, 2], [1, 3]]),  # 10 tokens of padding cost less than a pass
        ([512, 100, 512, 300], 2048, [[0, 2], [3], [1]]),  # 200 cost more
        ([700], 512, [[0]]),
    ],
)
def test_by_hand(lengths, most, groups):
    assert sorted(group.tolist() for group in cut(np.array(lengths), most)) == sorted(groups)


def test_rows_of_mixed_lengths_have_little_padding_left():
    rng = np.random.default_rng(0)
    lengths = np.where(rng.random(32) < 0.5, 512, rng.integers(7, 513, 32))
    groups = cut(lengths, 2048)
    assert sum(len(group) * lengths[group].max() for group in groups) < 1.05 * lengths.sum()
    assert len(groups) < 16

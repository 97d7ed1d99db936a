"""Neighbourhoods by hand and by the definition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.masking.spans import FAR, count_in_reach, dilate, hidden_bases, reach, window_min

rows = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("width", "left_right"), [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 2)), (6, (2, 3)), (11, (5, 5))]
)
def test_a_span_reaches_as_far_as_in_the_papers(width, left_right):
    assert reach(width) == left_right


@given(st.integers(1, 12), st.lists(st.booleans(), min_size=1, max_size=30))
def test_dilate_fills_the_span_around_every_centre(width, centres):
    left, right = reach(width)
    by_hand = [any(centres[max(0, at - right) : at + left + 1]) for at in range(len(centres))]
    assert dilate(torch.tensor([centres]), width).tolist() == [by_hand]


@given(st.integers(1, 12), st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_token_counts_the_centres_whose_span_reaches_it(width, centres):
    left, right = reach(width)
    by_hand = [sum(centres[max(0, at - right) : at + left + 1]) for at in range(len(centres))]
    assert count_in_reach(torch.tensor([centres]), width).tolist() == [by_hand]


@given(st.integers(1, 8), st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 30))
def test_a_base_is_hidden_where_all_kmers_that_cover_it_are_masked(k, masked, length):
    length = min(length, len(masked))
    covering = [[at for at in range(base - k + 1, base + 1) if 0 <= at < length] for base in range(len(masked) + k - 1)]
    by_hand = [all(masked[at] for at in tokens) for tokens in covering]
    inside_BT = torch.arange(len(masked))[None] < length
    assert hidden_bases(torch.tensor([masked]), k, inside_BT).tolist() == [by_hand]
    if length == len(masked):
        assert hidden_bases(torch.tensor([masked]), k).tolist() == [by_hand]


@given(st.integers(0, 6), st.integers(0, 6), rows)
def test_the_smallest_of_a_window_is_found_among_the_positions_that_exist(left, right, values):
    by_hand = [min(values[max(0, at - left) : at + right + 1]) for at in range(len(values))]
    assert window_min(torch.tensor([values]), left, right).tolist() == [by_hand]


def test_rows_do_not_see_each_other():
    values_BT = torch.tensor([[5, 5, 5], [1, 1, 1], [5, 5, 5]])
    assert window_min(values_BT, 2, 2).tolist() == [[5] * 3, [1] * 3, [5] * 3]
    assert FAR > 2**60

"""Sets of positions, against Python's own sets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainers.genome import intervals


def as_set(found: np.ndarray) -> set[int]:
    return {position for start, end in found.tolist() for position in range(start, end)}


@st.composite
def disjoint(draw: st.DrawFn) -> np.ndarray:
    """Sorted intervals, some of which touch, none of which overlap."""
    steps = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), max_size=8))
    at, found = 0, []
    for gap, length in steps:
        found.append([at + gap, at + gap + length])
        at += gap + length
    return np.array(found, np.int64).reshape(-1, 2)


anything = st.lists(st.tuples(st.integers(-5, 40), st.integers(0, 9)), max_size=8).map(
    lambda pairs: np.array([[start, start + length] for start, length in pairs], np.int64).reshape(-1, 2)
)


@given(anything)
def test_a_union_has_the_same_positions_and_real_gaps(found):
    joined = intervals.union(found)
    assert as_set(joined) == as_set(found)
    kept = joined[joined[:, 0] < joined[:, 1]]
    assert (kept[1:, 0] > kept[:-1, 1]).all()


@given(disjoint(), anything)
def test_what_is_left_is_the_difference_and_edges_stay(own, removed):
    left = intervals.subtract(own, removed)
    assert as_set(left) == as_set(own) - as_set(removed)
    assert intervals.total(left) == len(as_set(left))
    for start in own[:, 0].tolist():
        assert not any(first < start < last for first, last in left.tolist())


@given(disjoint(), st.lists(st.tuples(st.integers(0, 50), st.integers(1, 6)), min_size=1, max_size=9))
def test_a_stretch_is_held_by_one_interval_or_not(own, stretches):
    starts = np.array([start for start, _ in stretches])
    ends = starts + np.array([length for _, length in stretches])
    expected = [
        any(first <= start and end <= last for first, last in own.tolist())
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    assert intervals.holding(own, starts, ends).tolist() == expected
    assert intervals.covers(own, starts).tolist() == [start in as_set(own) for start in starts.tolist()]


def test_the_longest_of_none_is_nothing():
    assert intervals.longest(intervals.NONE) == 0
    assert intervals.longest(np.array([[0, 3], [5, 12]])) == 7
    assert intervals.widened(np.array([[5, 7]]), 2).tolist() == [[3, 9]]

"""Sets of base positions as sorted, disjoint [start, end) intervals: int64, shape (n, 2).

Intervals may touch: two contigs lie end to end, and their edge must stay an edge.
"""

import numpy as np
from numpy.typing import NDArray

Intervals = NDArray[np.int64]
NONE: Intervals = np.empty((0, 2), np.int64)


def total(intervals: Intervals) -> int:
    """Return how many positions lie inside."""
    return int((intervals[:, 1] - intervals[:, 0]).sum())


def covers(intervals: Intervals, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which positions lie inside, shape (n,)."""
    inside: NDArray[np.bool_] = np.searchsorted(intervals.ravel(), positions, side="right") % 2 == 1
    return inside


def holding(intervals: Intervals, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of the [start, end) lie whole inside one interval, shape (n,)."""
    at = np.searchsorted(intervals[:, 0], starts, side="right") - 1
    inside: NDArray[np.bool_] = at >= 0
    inside[inside] = ends[inside] <= intervals[at[inside], 1]
    return inside


def union(intervals: Intervals) -> Intervals:
    """Return the same positions without overlaps and without touching ends; the input need not be sorted."""
    if not len(intervals):
        return NONE
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    opens = np.append(True, ordered[1:, 0] > reach[:-1])
    last = np.append(np.flatnonzero(opens)[1:], len(ordered)) - 1
    return np.stack([ordered[opens, 0], reach[last]], axis=1)


def subtract(intervals: Intervals, removed: Intervals) -> Intervals:
    """Return the positions of the one outside the other; edges of `intervals` stay edges."""
    if not len(removed) or not len(intervals):
        return intervals
    gone = union(removed)
    cuts = np.unique(np.concatenate([intervals.ravel(), gone.ravel()]))
    pieces = np.stack([cuts[:-1], cuts[1:]], axis=1)
    return pieces[covers(intervals, pieces[:, 0]) & ~covers(gone, pieces[:, 0])]


def widened(intervals: Intervals, margin: int) -> Intervals:
    """Return the intervals with `margin` more positions at either end; they may overlap then."""
    wide: Intervals = intervals + np.array([-margin, margin])
    return wide


def longest(intervals: Intervals) -> int:
    """Return the length of the longest interval; 0 where there is none."""
    return int((intervals[:, 1] - intervals[:, 0]).max()) if len(intervals) else 0

"""What nothing dominates, where there is more than one thing to be had: a high score at a low cost, say."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (points, objectives), every one of them to be maximised


def fronts_of(points: Points) -> NDArray[np.int64]:
    """Return for each point the number of its front: 0 where nothing dominates it, 1 where only front 0 does ...

    Deb et al., NSGA-II (IEEE Transactions on Evolutionary Computation 6, 2002), section III A.

    Args:
        points: (points, objectives), to be maximised.
    """
    no_worse: NDArray[np.bool_] = np.all(points[:, None] >= points[None], axis=2)
    dominates = no_worse & ~no_worse.T  # no worse in any objective and better in one
    fronts = np.full(len(points), -1)
    while (left := fronts < 0).any():
        fronts[left & ~dominates[left].any(0)] = fronts.max() + 1
    return fronts


def crowding_of(points: Points) -> Points:
    """Return how far the neighbours of each point are along one front, summed over objectives; infinite at its ends.

    NSGA-II, section III B.

    Args:
        points: (points, objectives).
    """
    distance = np.zeros(len(points))
    for values in points.T:
        order = np.argsort(values, kind="stable")
        extent = values[order[-1]] - values[order[0]]
        if extent > 0:
            distance[order[[0, -1]]] = np.inf
            distance[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / extent
    return distance

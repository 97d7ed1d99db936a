"""Cuts a rank's rows into forward passes: rows of like length together, so that little padding is computed."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
_START = 64  # tokens that one more pass costs, in launches and smaller matrix products
CPU_TOKENS = 2048  # of a pass: what it computes then stays in the caches of a core


def cut(lengths: Rows, most_tokens: int) -> list[Rows]:
    """Return the rows of each pass, the longest rows first, at the least cost in tokens.

    A pass costs its rows times its longest row, and `_START` tokens for itself; the best places to cut the rows,
    sorted by length, are found by dynamic programming.

    Args:
        lengths: Tokens of each row, shape (B,).
        most_tokens: Of a pass, padding included; a single row may have more.
    """
    order = np.argsort(-lengths, kind="stable")
    sorted_lengths = lengths[order]
    least = np.zeros(len(lengths) + 1)
    begin = np.zeros(len(lengths) + 1, np.int64)
    for end in range(1, len(lengths) + 1):
        firsts = np.arange(end)
        tokens = sorted_lengths[:end] * (end - firsts)
        cost = np.where((tokens <= most_tokens) | (firsts == end - 1), least[:end] + tokens + _START, np.inf)
        begin[end] = cost.argmin()
        least[end] = cost[begin[end]]
    found, end = [], len(lengths)
    while end:
        found.append(np.sort(order[begin[end] : end]))
        end = int(begin[end])
    return found[::-1]

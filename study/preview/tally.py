"""Counts what masks hide: tokens, runs of them, and nucleotides.

Curricula hide overlapping k-mers, and these are what is called tokens here. Where a model reads blocks or BPE, its
tokens are masked whole if they hold a hidden base; `Tally.rate` is then their share, all else is as curricula ask.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainers.masking.rows import Rows

SHOWN, READABLE, HIDDEN = 0, 1, 2  # what masks do to a base


@dataclass(frozen=True)
class Tally:
    """What the masks of one moment hide, a token; a mixture is the weighted sum of its parts.

    Attributes:
        by_position_T: Masked fraction of the rows at each token position.
        kmers_V: Masked tokens of each k-mer.
        run_tokens: At index t, runs of t masked tokens.
        run_bases: At index n, runs of masked tokens that hide n nucleotides completely.
        rate: Masked fraction of the tokens that the model reads.
        error: Standard error of `rate`, from the spread between the rows.
    """

    by_position_T: NDArray[np.float64]
    kmers_V: NDArray[np.float64]
    run_tokens: NDArray[np.float64]
    run_bases: NDArray[np.float64]
    rate: float
    error: float


def runs_of(mask_BT: NDArray[np.bool_], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the length in tokens of every run of masked tokens, and the nucleotides that it hides completely.

    Inside a row a run of t tokens hides t - k + 1. A base near the edge of a row is covered by fewer tokens, so
    a run that touches the edge hides t.
    """
    edges = np.diff(np.pad(mask_BT.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
    tokens = ends - starts
    at_edges = (starts == 0).astype(np.int64) + (ends == mask_BT.shape[1])
    return tokens, np.maximum(0, tokens + (k - 1) * (at_edges - 1))


def base_states(mask_BT: NDArray[np.bool_], k: int) -> NDArray[np.uint8]:
    """Return what the masks do to each base, shape (B, T + k - 1)."""
    length = mask_BT.shape[1]
    before = np.pad(mask_BT.cumsum(axis=1), ((0, 0), (1, 0)))
    base_pos = np.arange(length + k - 1)
    first, end = np.maximum(0, base_pos - k + 1), np.minimum(base_pos + 1, length)
    masked = before[:, end] - before[:, first]
    return np.where(masked == end - first, HIDDEN, np.where(masked > 0, READABLE, SHOWN)).astype(np.uint8)


def count(mask_BT: NDArray[np.bool_], kmers_BT: NDArray[np.int64], k: int) -> Tally:
    """Count what these masks hide; `kmers_BT` are k-mers in vocabulary order, from 0."""
    length = mask_BT.shape[1]
    tokens, hidden = runs_of(mask_BT, k)
    return Tally(
        by_position_T=mask_BT.mean(axis=0),
        kmers_V=np.bincount(kmers_BT[mask_BT], minlength=4**k) / mask_BT.size,
        run_tokens=np.bincount(tokens, minlength=length + 1) / mask_BT.size,
        run_bases=np.bincount(hidden, minlength=length + k) / mask_BT.size,
        rate=float(mask_BT.mean()),
        error=float(mask_BT.mean(axis=1).std()) / math.sqrt(len(mask_BT)),
    )


def count_rows(rows: Rows, kmers_BT: NDArray[np.int64], k: int) -> Tally:
    """Count what these rows hide; `kmers_BT` are their k-mers in vocabulary order, from 0."""
    if rows.track_BT is None:
        return count(rows.mask_BT.numpy(), kmers_BT, k)
    masked_B = rows.mask_BT.sum(dim=1).numpy()
    tokens_B = np.full(len(masked_B), rows.mask_BT.shape[1]) if rows.lengths is None else rows.lengths
    rate = float(masked_B.sum() / tokens_B.sum())
    error = float((masked_B - rate * tokens_B).std() / tokens_B.mean()) / math.sqrt(len(masked_B))
    return replace(count(rows.track_BT.numpy(), kmers_BT, k), rate=rate, error=error)


def mixed(parts: Sequence[tuple[float, Tally]]) -> Tally:
    """Return what a mixture hides, given the weight of each part and what it hides alone."""

    def mean(counted: Callable[[Tally], NDArray[np.float64]]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.sum([weight * counted(tally) for weight, tally in parts], axis=0)
        return total

    return Tally(
        by_position_T=mean(lambda tally: tally.by_position_T),
        kmers_V=mean(lambda tally: tally.kmers_V),
        run_tokens=mean(lambda tally: tally.run_tokens),
        run_bases=mean(lambda tally: tally.run_bases),
        rate=math.fsum(weight * tally.rate for weight, tally in parts),
        error=math.hypot(*(weight * tally.error for weight, tally in parts)),
    )


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], probabilities: Iterable[float]
) -> tuple[float, ...]:
    """Return for each probability the smallest value that at least this share of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    cumulative = weights[order].cumsum()
    if not len(cumulative) or cumulative[-1] <= 0:
        return tuple(float("nan") for _ in probabilities)
    targets = np.array(list(probabilities)) * cumulative[-1]
    places = np.searchsorted(cumulative, targets * (1 - 1e-12))
    return tuple(float(value) for value in values[order][places])

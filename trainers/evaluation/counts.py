"""The control that no pretraining and no network can excuse: counts of k-mers and logistic regression.

letters ─ 3-, 4-, 5-mers on the strand as it is written ─┬─ log(1 + count) ─ logistic regression ─┐
                                                         │                                        ├─ lower dev loss
                          counts on both strands beside ─┴─ log(1 + count) ─ logistic regression ─┘
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainers.evaluation import linear, metrics
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.genome import bases
from trainers.tasks.task import EvaluationTask

KS = (3, 4, 5)
_ROWS = 1024  # counted at once: their 5-mers take 8 MiB
ONE_STRAND = sum(4**k for k in KS)  # columns


def kmer_counts(task: EvaluationTask, protocol: Protocol, repetition: int) -> TaskScores:
    """Score logistic regression on k-mer counts.

    A promoter has a direction, and a binding site has none: whether the counts on both strands stand beside those on
    the strand as it is written, and how strongly the regression is regularised, the dev loss decides. Test is read
    once, by what was chosen.

    Args:
        task: Its letters are all that is read.
        protocol: `shots` and `share` say which training examples are used; nothing else of it is read.
        repetition: With `shots` or `share`, which examples. Nothing else is random.

    Raises:
        InputError: a class has fewer training examples than `shots`.
    """
    train = task.training(protocol.shots, protocol.share, repetition)
    dev, test = task.splits["dev"], task.splits["test"]
    train_NF, dev_NF = features(train.sequences), features(dev.sequences)
    fits = {
        columns: linear.fit(train_NF[:, :columns], train.labels, dev_NF[:, :columns], dev.labels)
        for columns in (ONE_STRAND, train_NF.shape[1])
    }
    columns, best = min(fits.items(), key=lambda item: item[1].dev_loss)
    return TaskScores(
        metrics.score(dev.labels, best.predict(dev_NF[:, :columns])),
        metrics.score(test.labels, best.predict(features(test.sequences)[:, :columns])),
    )


def features(sequences: Sequence[str]) -> NDArray[np.float32]:
    """Return log(1 + count) of the k-mers, shape (N, F).

    The first `ONE_STRAND` columns count on the strand as it is written: all 3-mers, 4-mers, 5-mers, in the order of
    base codes. Behind them the same on both strands, where a k-mer and its reverse complement are one. The logarithm
    lets the first occurrence count most, and keeps frequent and rare k-mers on like scales.
    """
    both = [np.flatnonzero(np.arange(4**k) <= _reverse_complements(k)) for k in KS]
    found_NF = np.empty((len(sequences), ONE_STRAND + sum(map(len, both))), dtype=np.float32)
    for first in range(0, len(sequences), _ROWS):
        counted = counts(sequences[first : first + _ROWS])
        joined = [
            (count_BK + count_BK[:, _reverse_complements(k)])[:, canonical]
            for k, count_BK, canonical in zip(KS, counted, both, strict=True)
        ]
        np.concatenate([*counted, *joined], axis=1, out=found_NF[first : first + _ROWS], casting="same_kind")
    return np.log1p(found_NF, out=found_NF)


def counts(sequences: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return how often each k-mer stands in each sequence, for k = 3, 4, 5: shape (B, 4^k), in base codes' order.

    A k-mer with another letter than A, C, G or T is not counted.
    """
    codes = bases.encode("N".join(sequences).encode())  # an N between two, so that no k-mer spans them
    lengths_B = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    row = np.repeat(np.arange(len(sequences)), lengths_B + 1)[:-1]
    kmer, is_known = codes.astype(np.int64), codes < bases.OTHER
    found = []
    for k in range(2, max(KS) + 1):
        kmer = kmer[:-1] * 4 + codes[k - 1 :]
        is_known = is_known[:-1] & (codes[k - 1 :] < bases.OTHER)
        if k in KS:
            cell = (row[: len(kmer)] * 4**k + kmer)[is_known]
            found.append(np.bincount(cell, minlength=len(sequences) * 4**k).reshape(-1, 4**k))
    return found


def _reverse_complements(k: int) -> NDArray[np.int64]:
    """Return the number of each k-mer's reverse complement, shape (4^k,): A 0 pairs with T 1, C 2 with G 3."""
    rest, found = np.arange(4**k), np.zeros(4**k, dtype=np.int64)
    for _ in range(k):
        found = found * 4 + (rest & 3 ^ 1)
        rest >>= 2
    return found

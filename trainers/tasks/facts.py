"""What is true of a task's data and worth knowing before its scores are read; nothing here is an error."""

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np

from trainers.tasks.task import SPLITS, EvaluationTask, Examples


def facts(task: EvaluationTask) -> dict[str, Any]:
    """Return facts of a task as plain data.

    Returns:
        `splits`: for each split its rows, distinct sequences, rows that repeat an earlier one, rows a class, shortest
        and longest length in nt, sequences shorter than the longest, and letters that are N.
        `shared`: for each pair of splits, rows of the second whose sequence also stands in the first.
        `two_labels`: distinct training sequences that stand there with more than one label.
    """
    splits = {split: task.splits[split] for split in SPLITS}
    distinct = {split: set(examples.sequences) for split, examples in splits.items()}
    train = splits["train"]
    pairs = set(zip(train.sequences, train.labels.tolist(), strict=True))
    labels = Counter(sequence for sequence, _ in pairs)
    return {
        "classes": task.classes,
        "splits": {
            split: _of_split(examples, len(distinct[split]), task.classes) for split, examples in splits.items()
        },
        "shared": {
            f"{first}/{second}": sum(sequence in distinct[first] for sequence in splits[second].sequences)
            for first, second in combinations(SPLITS, 2)
        },
        "two_labels": sum(count > 1 for count in labels.values()),
    }


def _of_split(examples: Examples, distinct: int, classes: int) -> dict[str, Any]:
    lengths = np.array([len(sequence) for sequence in examples.sequences])
    longest = int(lengths.max())
    return {
        "rows": len(examples),
        "distinct": distinct,
        "duplicates": len(examples) - distinct,
        "classes": np.bincount(examples.labels, minlength=classes).tolist(),
        "shortest": int(lengths.min()),
        "longest": longest,
        "shorter": int(np.count_nonzero(lengths < longest)),
        "n_letters": sum(sequence.count("N") for sequence in examples.sequences),
    }


def shorter(task: EvaluationTask) -> int:
    """Return how many sequences are shorter than the longest of their split."""
    lengths = [[len(sequence) for sequence in examples.sequences] for examples in task.splits.values()]
    return sum(len(split) - split.count(max(split)) for split in lengths)

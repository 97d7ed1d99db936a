"""A task that a look at the letters solves, and protocols for those who score it."""

import dataclasses

import numpy as np
import torch

from trainers.evaluation.protocol import Protocol
from trainers.tasks.task import EvaluationTask, Examples

CPU = torch.device("cpu")
PROTOCOL = Protocol(
    epochs=1, batch=8, learning_rate=1e-3, warmup=0.1, weight_decay=0.0, pooling="mean", dev_every=0, shots=0
)
FEW = dataclasses.replace(PROTOCOL, shots=3)


def rich(classes: int, count: int, first_seed: int) -> Examples:
    """Sequences of 12 to 16 letters: rich in A and T (class 0), in C and G (class 1), in A and C (class 2)."""
    labels = np.arange(count) % classes
    letters = [list(("AATATC", "CGGCGA", "ACACCT")[label]) for label in labels]
    drawn = [np.random.default_rng(first_seed + n).choice(one, 12 + n % 5) for n, one in enumerate(letters)]
    return Examples(["".join(one) for one in drawn], labels)


def task(classes: int = 2) -> EvaluationTask:
    """48 examples to learn from, 24 in dev and in test."""
    splits = {"train": rich(classes, 48, 0), "dev": rich(classes, 24, 100), "test": rich(classes, 24, 200)}
    return EvaluationTask("rich", classes, splits)


def with_split(of: EvaluationTask, split: str, examples: Examples) -> EvaluationTask:
    """The same task but for one split."""
    return dataclasses.replace(of, splits={**of.splits, split: examples})


def only(examples: Examples, label: int) -> Examples:
    """The examples of one class."""
    return examples.take(np.flatnonzero(examples.labels == label))

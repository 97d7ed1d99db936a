"""The control by k-mer counts: counted by hand, and against dictionaries of words."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from tests import easy
from tests.benchmarks.floors import FLOORS
from tests.dna import random_letters, with_gaps
from tests.words import counted, reverse_complement, words
from trainers.evaluation import counts
from trainers.evaluation.counts import ONE_STRAND, features, kmer_counts
from trainers.evaluation.metrics import TaskScores
from trainers.tasks.files import read_task
from trainers.tasks.task import Examples

VOCABULARY = [word for k in (3, 4, 5) for word in words(k)]
CANONICAL = [
    (word, reverse_complement(word))
    for k in (3, 4, 5)
    for number, word in enumerate(words(k))
    if number <= words(k).index(reverse_complement(word))
]


def found(sequence: str, *others: str) -> dict[str, int]:
    """The counts of the first of several sequences, without zeros."""
    parts = [count_BK[0] for count_BK in counts.counts([sequence, *others])]
    return {VOCABULARY[at]: int(count) for at, count in enumerate(np.concatenate(parts)) if count}


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("ACGTA", {"ACG": 1, "CGT": 1, "GTA": 1, "ACGT": 1, "CGTA": 1, "ACGTA": 1}),
        ("AAAAAA", {"AAA": 4, "AAAA": 3, "AAAAA": 2}),
        ("ACGNACG", {"ACG": 2}),
        ("ACGTNCGT", {"ACG": 1, "CGT": 2, "ACGT": 1}),
        ("ACRGTTT", {"GTT": 1, "TTT": 1, "GTTT": 1}),
        ("GAT", {"GAT": 1}),
        ("AC", {}),
        ("NNNNNN", {}),
        ("", {}),
    ],
)
def test_counts_by_hand(sequence, expected):
    assert found(sequence) == expected
    assert found(sequence, "TTTTT", "") == expected  # no k-mer spans two sequences


@given(st.lists(with_gaps, min_size=1, max_size=5))
def test_features_are_logarithms_of_the_words_that_stand_there(sequences):
    for row, sequence in zip(features(sequences), sequences, strict=True):
        there = counted([sequence], 3) + counted([sequence], 4) + counted([sequence], 5)
        assert np.allclose(row[:ONE_STRAND], np.log1p([there[word] for word in VOCABULARY]))
        assert np.allclose(row[ONE_STRAND:], np.log1p([there[word] + there[back] for word, back in CANONICAL]))


def test_a_sequence_and_its_reverse_complement_differ_on_one_strand_only():
    sequence = random_letters(60)
    there, back = features([sequence, reverse_complement(sequence)])
    assert np.array_equal(there[ONE_STRAND:], back[ONE_STRAND:])
    assert not np.array_equal(there[:ONE_STRAND], back[:ONE_STRAND])


def test_many_sequences_are_counted_in_blocks():
    sequences = [random_letters(5 + n % 7, seed=n) for n in range(2 * counts._ROWS + 3)]
    together = features(sequences)
    assert together.dtype == np.float32
    assert np.array_equal(together, np.concatenate([features([one]) for one in sequences]))


@pytest.mark.parametrize(("classes", "least"), [(2, 0.75), (3, 0.55)])
def test_an_easy_task_is_learnt(classes, least):
    scores = kmer_counts(easy.task(classes), easy.PROTOCOL, 0)
    assert scores.dev["mcc"] > least
    assert scores.test["mcc"] > least
    assert set(scores.test) == set(scores.dev) == {"mcc", "macro_f1", "accuracy"}


def by_strand(sequences: list[str]) -> Examples:
    """Each sequence as it is (class 0) and its reverse complement (class 1)."""
    turned = [reverse_complement(one) for one in sequences]
    return Examples(sequences + turned, np.repeat([0, 1], len(sequences)))


def test_the_strand_is_seen_where_it_matters():
    splits = {"train": 60, "dev": 30, "test": 30}
    directed = {
        split: by_strand(["".join(np.random.default_rng([rows, n]).choice(list("AAGGC"), 20)) for n in range(rows)])
        for split, rows in splits.items()
    }
    assert kmer_counts(dataclasses.replace(easy.task(), splits=directed), easy.PROTOCOL, 0).test["mcc"] > 0.9


def test_nothing_is_random_but_which_examples_are_taken():
    task = easy.task()
    noise = Examples([random_letters(15, seed=n) for n in range(48)], np.random.default_rng(0).integers(0, 2, 48))
    hard = easy.with_split(task, "train", noise)
    np.random.seed(0)
    first = kmer_counts(hard, easy.PROTOCOL, 0)
    np.random.seed(1)
    assert kmer_counts(hard, easy.PROTOCOL, 0) == kmer_counts(hard, easy.PROTOCOL, 1) == first
    few = [kmer_counts(hard, easy.FEW, repetition) for repetition in range(4)]
    assert few == [kmer_counts(hard, easy.FEW, repetition) for repetition in range(4)]
    assert any(one != few[0] for one in few)


def test_few_shots_train_on_few_examples():
    task = easy.task()
    chosen = easy.with_split(task, "train", task.few_shot(3, 1))
    assert kmer_counts(task, easy.FEW, 1) == kmer_counts(chosen, easy.PROTOCOL, 0)
    with pytest.raises(InputError, match="must not exceed the training examples"):
        kmer_counts(task, dataclasses.replace(easy.FEW, shots=25), 0)


def test_a_share_of_one_example_predicts_its_class():
    scores = kmer_counts(easy.task(), dataclasses.replace(easy.PROTOCOL, share=0.01), 0)
    assert scores.test["mcc"] == 0.0
    assert scores.test["accuracy"] == 0.5


@pytest.mark.filterwarnings("ignore:A single label was found")  # by scikit-learn's MCC
def test_one_class_in_dev():
    task = easy.task()
    scores = kmer_counts(easy.with_split(task, "dev", easy.only(task.splits["dev"], 0)), easy.PROTOCOL, 0)
    assert scores.dev["mcc"] == 0.0
    assert scores.test["mcc"] > 0.75


def test_sequences_without_a_kmer_tell_nothing():
    short = Examples(["AC", "G", "NNNNNNN", "TT"], np.array([0, 1, 0, 1]))
    scores = kmer_counts(
        dataclasses.replace(easy.task(), splits=dict.fromkeys(("train", "dev", "test"), short)), easy.PROTOCOL, 0
    )
    assert isinstance(scores, TaskScores)
    assert scores.test["mcc"] == 0.0


@pytest.mark.parametrize("name", ["mouse/2", "prom/prom_core_tata"])
def test_the_floor_of_a_real_task_is_reached(name, shared):
    folder = shared / "data" / "gue" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine")
    scores = kmer_counts(read_task(name, folder), easy.PROTOCOL, 0)
    assert round(scores.test["mcc"], 3) >= FLOORS[name]

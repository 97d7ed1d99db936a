"""The control by a small convolutional network."""

import dataclasses

import numpy as np
import pytest
import torch

from curricula import InputError
from tests import easy
from tests.dna import random_letters
from trainers.evaluation import cnn
from trainers.evaluation.cnn import Network, codes_of, small_cnn
from trainers.tasks.task import Examples


@pytest.fixture(autouse=True)
def _fewer_steps(monkeypatch):
    """Tasks of some dozens of examples need no more, and tests should be quick."""
    monkeypatch.setattr(cnn, "LEAST_LOOK", 15)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(2).eval()


def noisy(count: int = 48) -> Examples:
    labels = np.random.default_rng(0).integers(0, 2, count)
    return Examples([random_letters(15, seed=n) for n in range(count)], labels)


def test_codes_by_hand():
    codes = codes_of(["ATCGN", "AR", ""])
    assert codes.dtype == torch.uint8
    assert codes.tolist() == [[0, 1, 2, 3, 4], [0, 4, 5, 5, 5], [5, 5, 5, 5, 5]]


@pytest.mark.parametrize("length", [1, 4, 10, 23])
def test_letters_of_others_behind_the_end_of_a_row_change_nothing(length, network):
    short, long = random_letters(length), random_letters(57, seed=1)
    with torch.no_grad():
        together, alone = network(codes_of([short, long])), network(codes_of([short]))
        assert torch.allclose(together[:1], alone, atol=1e-6)
        assert not torch.allclose(network(codes_of([short + "C"])), alone, atol=1e-6)


def test_an_n_is_no_letter_but_stands_in_the_row(network):
    with torch.no_grad():
        before, empty = network(codes_of(["NNNNNNNN"])), network(codes_of(["", "A"]))[:1]
        network.bases.weight.normal_()
        assert torch.equal(network(codes_of(["NNNNNNNN"])), before)
        assert not torch.allclose(before, empty)


@pytest.mark.parametrize(("classes", "least"), [(2, 0.75), (3, 0.55)])
def test_an_easy_task_is_learnt(classes, least):
    scores = small_cnn(easy.task(classes), easy.PROTOCOL, 0, easy.CPU)
    assert scores.dev["mcc"] > least
    assert scores.test["mcc"] > least
    assert set(scores.test) == set(scores.dev) == {"mcc", "macro_f1", "accuracy"}


def test_a_word_is_found_wherever_it_stands():
    def planted(count: int, seed: int) -> Examples:
        labels = np.arange(count) % 2
        sequences = [random_letters(40, seed=seed + n) for n in range(count)]
        places = np.random.default_rng(seed).integers(0, 32, count)
        return Examples(
            [
                one[:at] + ("GATTACAG" if label else "") + one[at + 8 * label :]
                for one, at, label in zip(sequences, places.tolist(), labels.tolist(), strict=True)
            ],
            labels,
        )

    splits = {"train": planted(400, 0), "dev": planted(100, 1000), "test": planted(100, 2000)}
    scores = small_cnn(dataclasses.replace(easy.task(), splits=splits), easy.PROTOCOL, 0, easy.CPU)
    assert scores.test["mcc"] > 0.8


def test_equal_arguments_give_equal_scores():
    hard = easy.with_split(easy.task(), "train", noisy())
    torch.manual_seed(0)
    first = small_cnn(hard, easy.PROTOCOL, 7, easy.CPU)
    after_first = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after_first, torch.rand(3))  # nothing was drawn from the caller's generator
    torch.manual_seed(1)
    assert small_cnn(hard, easy.PROTOCOL, 7, easy.CPU) == first
    assert any(small_cnn(hard, easy.PROTOCOL, seed, easy.CPU) != first for seed in (8, 9, 10))


def test_the_best_model_on_dev_is_kept(monkeypatch):
    task = easy.task()
    dev = task.splits["dev"]
    turned = easy.with_split(task, "dev", Examples(dev.sequences, 1 - dev.labels))  # the longer, the worse
    kept = small_cnn(turned, easy.PROTOCOL, 0, easy.CPU)
    monkeypatch.setattr(cnn, "MOST_LOOKS", 1)
    assert small_cnn(turned, easy.PROTOCOL, 0, easy.CPU) == kept


def test_training_ends_when_dev_no_longer_gains(monkeypatch):
    task = easy.task()
    dev = task.splits["dev"]
    turned = easy.with_split(task, "dev", Examples(dev.sequences, 1 - dev.labels))
    looks = []
    original = cnn._logits
    monkeypatch.setattr(cnn, "_logits", lambda *of: looks.append(1) or original(*of))
    small_cnn(turned, easy.PROTOCOL, 0, easy.CPU)
    assert len(looks) == 1 + cnn.PATIENCE + 2  # and the predictions of dev and test


def test_few_shots_train_on_few_examples():
    task = easy.task()
    chosen = easy.with_split(task, "train", task.few_shot(3, 1))
    assert small_cnn(task, easy.FEW, 1, easy.CPU) == small_cnn(chosen, easy.PROTOCOL, 1, easy.CPU)
    with pytest.raises(InputError, match="must not exceed the training examples"):
        small_cnn(task, dataclasses.replace(easy.FEW, shots=25), 0, easy.CPU)


@pytest.mark.filterwarnings("ignore:A single label was found")  # by scikit-learn's MCC
def test_one_class_in_dev_and_one_example_in_train():
    task = easy.task()
    one_class = easy.with_split(task, "dev", easy.only(task.splits["dev"], 0))
    assert small_cnn(one_class, easy.PROTOCOL, 0, easy.CPU).dev["mcc"] == 0.0
    one_example = dataclasses.replace(easy.PROTOCOL, share=0.01)
    assert small_cnn(task, one_example, 0, easy.CPU).test["accuracy"] == 0.5


def test_sequences_shorter_than_a_filter():
    short = Examples(["AC", "G", "NNN", "TT"], np.array([0, 1, 0, 1]))
    task = dataclasses.replace(easy.task(), splits=dict.fromkeys(("train", "dev", "test"), short))
    assert small_cnn(task, easy.PROTOCOL, 0, easy.CPU).test["mcc"] == 1.0

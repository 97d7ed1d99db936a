"""The linear probe: what a frozen encoder already knows."""

import dataclasses

import numpy as np
import pytest
import torch

from curricula import InputError
from tests import easy
from tests.dna import random_letters
from tests.models import SMALL, small
from trainers.evaluation.probe import features, linear_probe
from trainers.models.parts import encode, encoder_of
from trainers.tasks.task import Examples


@pytest.mark.parametrize("name", SMALL)
def test_an_easy_task_is_learnt_by_every_architecture(name):
    scores = linear_probe(small(name), easy.task(), easy.PROTOCOL, 0, easy.CPU)
    assert scores.dev["mcc"] > 0.5
    assert scores.test["mcc"] > 0.5
    assert set(scores.test) == set(scores.dev) == {"mcc", "macro_f1", "accuracy"}


@pytest.mark.parametrize("name", SMALL)
def test_padding_does_not_change_features(name):
    one = small(name)
    encoder = encoder_of(one.model)
    sequences = [random_letters(length, seed=length) for length in (31, 6, 90, 17, 6)]
    together = features(encoder, one.tokenizer, sequences, easy.CPU)
    for row, sequence in zip(together, sequences, strict=True):
        alone = features(encoder, one.tokenizer, [sequence], easy.CPU)
        assert np.allclose(row, alone[0], atol=1e-5)
        with torch.no_grad():
            hidden = encode(one.model, one.tokenizer.encode([sequence]), None)
        assert np.allclose(row, hidden[0].mean(dim=0).numpy(), atol=1e-5)  # special tokens included


@pytest.mark.parametrize("is_training", [True, False])
def test_the_model_stays_as_it_is(is_training):
    one = small("tiny")
    expected = linear_probe(one, easy.task(), easy.PROTOCOL, 0, easy.CPU)
    one.model.train(is_training)
    one.model.base_model.encoder.layer[0].eval()  # a part that somebody froze
    modes = [module.training for module in one.model.modules()]
    before = {name: value.clone() for name, value in one.model.state_dict().items()}
    assert linear_probe(one, easy.task(), easy.PROTOCOL, 0, easy.CPU) == expected  # without dropout, in every mode
    assert [module.training for module in one.model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in one.model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in one.model.parameters())


def test_nothing_is_random_but_which_examples_are_taken():
    task, one = easy.task(), small("tiny")
    labels = np.random.default_rng(0).integers(0, 2, 48)
    hard = easy.with_split(task, "train", Examples([random_letters(15, seed=n) for n in range(48)], labels))
    torch.manual_seed(0)
    first = linear_probe(one, hard, easy.PROTOCOL, 0, easy.CPU)
    after_first = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after_first, torch.rand(3))
    assert linear_probe(one, hard, easy.PROTOCOL, 1, easy.CPU) == first
    few = [linear_probe(one, hard, easy.FEW, repetition, easy.CPU) for repetition in range(4)]
    assert any(scores != few[0] for scores in few)


def test_few_shots_train_on_few_examples():
    task, one = easy.task(), small("tiny")
    chosen = easy.with_split(task, "train", task.few_shot(3, 1))
    few = linear_probe(one, task, easy.FEW, 1, easy.CPU)
    assert few == linear_probe(one, chosen, easy.PROTOCOL, 0, easy.CPU)
    with pytest.raises(InputError, match="must not exceed the training examples"):
        linear_probe(one, task, dataclasses.replace(easy.FEW, shots=25), 0, easy.CPU)


@pytest.mark.filterwarnings("ignore:A single label was found")  # by scikit-learn's MCC
def test_one_class_in_dev_and_one_example_in_train():
    task, one = easy.task(), small("tiny")
    one_class = easy.with_split(task, "dev", easy.only(task.splits["dev"], 0))
    scores = linear_probe(one, one_class, easy.PROTOCOL, 0, easy.CPU)
    assert scores.dev["mcc"] == 0.0
    assert scores.test["mcc"] > 0.6
    single = dataclasses.replace(easy.PROTOCOL, share=0.01)
    assert linear_probe(one, task, single, 0, easy.CPU).test["accuracy"] == 0.5


def test_a_sequence_without_a_token_is_refused():
    task = easy.with_split(easy.task(), "test", Examples(["AC"], np.array([0])))
    with pytest.raises(InputError, match="at least k=3"):
        linear_probe(small("tiny"), task, easy.PROTOCOL, 0, easy.CPU)

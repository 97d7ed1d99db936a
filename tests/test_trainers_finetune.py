"""Fine-tuning on a task that a look at the letters solves."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.dna import random_letters
from tests.models import small
from trainers.finetune import Classifier, _logits, finetune
from trainers.models.build import initial_model
from trainers.models.pretrained import Pretrained
from trainers.settings import Protocol
from trainers.tasks.task import EvaluationTask, Examples
from trainers.tokens.kmers import KmerTokenizer

CPU = torch.device("cpu")
TOKENIZER = KmerTokenizer(2)
PROTOCOL = Protocol(
    epochs=6, batch=8, learning_rate=3e-3, warmup=0.1, weight_decay=0.0, pooling="mean", dev_every=0, shots=0
)


def rich(letters: str, length: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list(letters), length))


def examples(count: int, first_seed: int) -> Examples:
    """Sequences rich in A and T (class 0) or in C and G (class 1), of several lengths."""
    labels = np.arange(count) % 2
    sequences = [rich(("AATATC", "CGGCGA")[label], 12 + n % 5, first_seed + n) for n, label in enumerate(labels)]
    return Examples(sequences, labels)


@pytest.fixture(scope="module")
def task() -> EvaluationTask:
    splits = {"train": examples(32, 0), "dev": examples(16, 100), "test": examples(16, 200)}
    return EvaluationTask("rich", 2, splits)


@pytest.fixture(scope="module")
def pretrained():
    return Pretrained(initial_model("tiny", TOKENIZER, 0), TOKENIZER)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_an_easy_task_is_learnt(pooling, pretrained, task):
    scores = finetune(pretrained, task, dataclasses.replace(PROTOCOL, pooling=pooling), 0, CPU)
    assert scores.dev["accuracy"] > 0.9
    assert scores.test["mcc"] > 0.8
    assert set(scores.test) == set(scores.dev) == {"mcc", "macro_f1", "accuracy"}


def test_equal_arguments_give_equal_scores_and_the_model_stays_as_it_was(pretrained, task):
    noise = np.random.default_rng(0).integers(0, 2, 32)  # no rule to learn, so that every detail counts
    train = Examples([random_letters(15, seed=n) for n in range(32)], noise)
    hard = EvaluationTask("hard", 2, {**task.splits, "train": train})
    before = {name: value.clone() for name, value in pretrained.model.state_dict().items()}
    torch.manual_seed(0)
    first = finetune(pretrained, hard, PROTOCOL, 7, CPU)
    after_first = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after_first, torch.rand(3))  # nothing was drawn from the caller's generator
    torch.manual_seed(1)
    assert finetune(pretrained, hard, PROTOCOL, 7, CPU) == first
    assert any(finetune(pretrained, hard, PROTOCOL, seed, CPU) != first for seed in (8, 9, 10))
    assert all(torch.equal(value, before[name]) for name, value in pretrained.model.state_dict().items())


def test_the_best_model_on_dev_is_kept(pretrained, task):
    dev, test = (task.splits[split] for split in ("dev", "test"))
    turned_splits = {split: Examples(of.sequences, 1 - of.labels) for split, of in (("dev", dev), ("test", test))}
    turned = EvaluationTask("turned", 2, {**task.splits, **turned_splits})  # the longer the training, the worse
    long = dataclasses.replace(PROTOCOL, warmup=0.9)
    last = finetune(pretrained, turned, long, 0, CPU)
    kept = finetune(pretrained, turned, dataclasses.replace(long, dev_every=1), 0, CPU)
    assert last.dev["accuracy"] < 0.1
    assert kept.dev["accuracy"] > last.dev["accuracy"] + 0.2
    assert kept.test["accuracy"] > last.test["accuracy"] + 0.2


def test_few_shots_train_on_few_examples(pretrained, task):
    few = dataclasses.replace(PROTOCOL, shots=2, epochs=20)
    scores = finetune(pretrained, task, few, 0, CPU)
    chosen = EvaluationTask("chosen", 2, {**task.splits, "train": task.few_shot(2, 0)})
    assert scores == finetune(pretrained, chosen, dataclasses.replace(few, shots=0), 0, CPU)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_padding_does_not_change_a_prediction(pooling, pretrained):
    torch.manual_seed(0)
    model = Classifier(pretrained, 2, pooling).eval()
    short, long = "ACGTAC", "ACGTACGTACGTACGTT"
    with torch.no_grad():
        together = model(TOKENIZER.encode([short, long]))
        assert torch.allclose(together[:1], model(TOKENIZER.encode([short])), atol=1e-5)
        assert not torch.allclose(together[0], together[1], atol=1e-3)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", ["nt_tiny", "dnabert2_tiny", "modern_tiny"])
def test_every_architecture_learns_an_easy_task_and_sees_no_padding(name, pooling, task):
    one = small(name)
    scores = finetune(one, task, dataclasses.replace(PROTOCOL, pooling=pooling), 0, CPU)
    assert scores.test["accuracy"] > 0.8
    model = Classifier(one, 2, pooling).eval()
    short, long = "ACGTAC", "ACGTACGTACGTACGTT"
    with torch.no_grad():
        together = model(one.tokenizer.encode([short, long]))
        assert torch.allclose(together[:1], model(one.tokenizer.encode([short])), atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@torch.no_grad()
def test_rows_without_padding_need_no_mask(pooling, pretrained):
    torch.manual_seed(0)
    model = Classifier(pretrained, 2, pooling).eval()
    masks: list[torch.Tensor | None] = []
    model.encoder.register_forward_pre_hook(
        lambda _, __, named: masks.append(named["attention_mask"]), with_kwargs=True
    )
    padded_BT, full_BT = TOKENIZER.encode(["ACGTAC", "ACGTACGTACGT"]), TOKENIZER.encode(["ACGTAC", "TTGACA"])
    assert torch.equal(_logits(model, full_BT, CPU), model(full_BT))
    assert torch.equal(_logits(model, padded_BT, CPU), model(padded_BT))
    assert [mask is None for mask in masks] == [True, False, False, False]

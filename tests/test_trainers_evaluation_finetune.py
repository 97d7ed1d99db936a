"""Fine-tuning on a task that a look at the letters solves."""

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from tests.dna import random_letters
from tests.models import small
from trainers.evaluation import rows
from trainers.evaluation.classifier import Classifier
from trainers.evaluation.finetune import _class_weights, _rate
from trainers.evaluation.finetune import finetune as finetune_all
from trainers.evaluation.lora import add_lora
from trainers.evaluation.members import Members
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.evaluation.rows import tokens
from trainers.models.build import initial_model
from trainers.models.parts import encode
from trainers.models.pretrained import Pretrained
from trainers.tasks.task import EvaluationTask, Examples
from trainers.tokens.kmers import KmerTokenizer

CPU = torch.device("cpu")
TOKENIZER = KmerTokenizer(2)
PROTOCOL = Protocol(
    epochs=6, batch=8, learning_rate=3e-3, warmup=0.1, weight_decay=0.0, pooling="mean", dev_every=0, shots=0
)


def finetune(
    pretrained: Pretrained, task: EvaluationTask, protocol: Protocol, seed: int, device: torch.device
) -> TaskScores:
    (scores,) = finetune_all(pretrained, task, protocol, [seed], device)
    return scores


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
    model = Classifier(pretrained.model, TOKENIZER.specials.pad, 2, pooling).eval()
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
    model = Classifier(one.model, one.tokenizer.specials.pad, 2, pooling).eval()
    short, long = "ACGTAC", "ACGTACGTACGTACGTT"
    with torch.no_grad():
        together = model(one.tokenizer.encode([short, long]))
        assert torch.allclose(together[:1], model(one.tokenizer.encode([short])), atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@torch.no_grad()
def test_rows_without_padding_need_no_mask(pooling, pretrained):
    torch.manual_seed(0)
    model = Classifier(pretrained.model, TOKENIZER.specials.pad, 2, pooling).eval()
    masks: list[torch.Tensor | None] = []
    model.encoder.encoder.layer[0].register_forward_pre_hook(lambda _, given: masks.append(given[1]))
    sequences = ["ACGTAC", "TTGACA", "ACGTACGTACGT"]
    found = Members([model]).predict(tokens(TOKENIZER, sequences, CPU))[0]
    padded = Members([model]).predict(tokens(TOKENIZER, sequences[1:], CPU))[0]
    alone = torch.cat([model(TOKENIZER.encode([sequence])) for sequence in sequences])
    assert torch.allclose(found, alone, atol=1e-5)
    assert torch.allclose(padded, alone[1:], atol=1e-5)
    full = Members([model]).predict(tokens(TOKENIZER, sequences[:2], CPU))[0]
    assert torch.allclose(full, alone[:2], atol=1e-5)
    assert masks[-1] is None
    assert masks[0] is not None


def without_dropout(pretrained: Pretrained) -> Pretrained:
    model = copy.deepcopy(pretrained.model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.double()  # so that rounding differs by less than what any prediction hangs on
    model.config.hidden_dropout_prob = 0.0
    for layer in model.base_model.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    return Pretrained(model, pretrained.tokenizer)


@contextmanager
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


NO_BATCHING_RULE = "ignore:There is a performance drop because we have not yet implemented the batching rule"


@pytest.mark.filterwarnings(NO_BATCHING_RULE)  # of attention on CPUs; what is tested here is for GPUs
@pytest.mark.parametrize(
    "changes", [{}, {"shots": 4}, {"trained": "lora"}, {"trained": "head"}, {"class_weights": True}]
)
def test_side_by_side_each_repetition_learns_as_alone(changes, pretrained, task):
    noise = np.random.default_rng(0).integers(0, 2, 32)
    train = Examples([random_letters(15, seed=n) for n in range(32)], noise)
    hard = EvaluationTask("hard", 2, {**task.splits, "train": train})
    protocol = dataclasses.replace(PROTOCOL, learning_rate=1e-3, dev_every=3, patience=2, epochs=3, **changes)
    plain = without_dropout(pretrained)
    with double_precision():
        together = finetune_all(plain, hard, protocol, [3, 4, 5], CPU)
        alone = [finetune(plain, hard, protocol, seed, CPU) for seed in (3, 4, 5)]
    assert together == alone
    assert len({tuple(scores.test.values()) for scores in alone} | {tuple(s.dev.values()) for s in alone}) > 1


@pytest.mark.filterwarnings(NO_BATCHING_RULE)
@pytest.mark.parametrize("name", ["nt_tiny", "dnabert2_tiny", "modern_tiny"])
def test_every_architecture_learns_side_by_side(name, task):
    scores = finetune_all(small(name), task, PROTOCOL, [0, 1], CPU)
    assert all(one.test["accuracy"] > 0.8 for one in scores)


@pytest.mark.parametrize("name", ["tiny", "nt_tiny", "dnabert2_tiny", "modern_tiny"])
def test_low_rank_additions_start_at_nothing_and_are_few(name, task):
    one = small(name)
    before = encode(one.model, one.tokenizer.encode(["ACGTACGTACGT"]), None)
    model = Classifier(one.model, one.tokenizer.specials.pad, 2, "mean")
    whole = sum(parameter.numel() for parameter in model.encoder.parameters())
    add_lora(model.encoder, 2)
    trained = [n for n, parameter in model.encoder.named_parameters() if parameter.requires_grad]
    assert trained
    assert all("lora_" in n for n in trained)
    assert sum(parameter.numel() for parameter in model.encoder.parameters() if parameter.requires_grad) < whole / 20
    assert torch.equal(encode(model.encoder.eval(), one.tokenizer.encode(["ACGTACGTACGT"]), None), before)
    scores = finetune(one, task, dataclasses.replace(PROTOCOL, trained="lora", learning_rate=1e-2, epochs=12), 0, CPU)
    assert scores.test["accuracy"] > 0.8


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_head_alone_leaves_the_encoder_as_it_is(pooling, pretrained, task, monkeypatch):
    reads: list[int] = []
    real = rows.pooled
    monkeypatch.setattr(rows, "pooled", lambda model, ids, *how: reads.append(len(ids)) or real(model, ids, *how))
    protocol = dataclasses.replace(
        PROTOCOL, trained="head", pooling=pooling, learning_rate=3e-2, epochs=30, dev_every=4
    )
    scores = finetune(pretrained, task, protocol, 0, CPU)
    assert scores.test["accuracy"] > 0.8
    assert sum(reads) == 32 + 16 + 16  # every sequence once, however long the training


def test_patience_ends_training_and_keeps_the_best(pretrained, task):
    dev = task.splits["dev"]
    turned = EvaluationTask("turned", 2, {**task.splits, "dev": Examples(dev.sequences, 1 - dev.labels)})
    steps: list[int] = []
    real = torch.optim.AdamW.step

    def counted(self: torch.optim.AdamW, *arguments: object) -> object:
        steps.append(1)
        return real(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", counted)
        finetune(pretrained, turned, dataclasses.replace(PROTOCOL, dev_every=1, warmup=0.5, patience=3), 0, CPU)
        ended = len(steps)
        finetune(pretrained, turned, dataclasses.replace(PROTOCOL, dev_every=1, warmup=0.5), 0, CPU)
    assert ended < len(steps) - ended == 24


def test_training_ends_at_its_last_step_whatever_the_epochs(pretrained, task):
    few = dataclasses.replace(PROTOCOL, epochs=10**9, max_steps=5, warmup_steps=2)
    whole = dataclasses.replace(PROTOCOL, epochs=1, batch=7, warmup_steps=2)  # 5 steps as well
    assert finetune(pretrained, task, dataclasses.replace(few, batch=7), 0, CPU) == finetune(
        pretrained, task, whole, 0, CPU
    )


@pytest.mark.parametrize(
    ("warmup", "steps", "expected"),
    [(0.5, None, [0.5, 1, 1, 0.5]), (0.0, None, [1, 1, 2 / 3, 1 / 3]), (0.5, 4, [0.25, 0.5, 0.75, 1])],
)
def test_the_learning_rate_rises_and_falls_in_straight_lines(warmup, steps, expected):
    protocol = dataclasses.replace(PROTOCOL, warmup=warmup, warmup_steps=steps)
    assert [_rate(step, 4, protocol) for step in (1, 2, 3, 4)] == pytest.approx(expected)


def test_class_weights_make_classes_count_alike():
    examples = Examples(["ACGT"] * 8, np.array([0, 0, 0, 0, 0, 0, 1, 1]))
    assert _class_weights(examples, 3, dataclasses.replace(PROTOCOL, class_weights=True)).tolist() == pytest.approx(
        [8 / 18, 8 / 6, 0]
    )
    assert _class_weights(examples, 3, PROTOCOL).tolist() == [1, 1, 1]


def test_rare_classes_are_predicted_more_often_with_weights(pretrained, task):
    labels = (np.arange(48) % 6 == 0).astype(np.int64)  # one in six, and no rule to tell which
    train = Examples([random_letters(15, seed=n) for n in range(48)], labels)
    all_rare = Examples(task.splits["test"].sequences, np.ones(16, dtype=np.int64))
    skewed = EvaluationTask("skewed", 2, {"train": train, "dev": task.splits["dev"], "test": all_rare})
    short = dataclasses.replace(PROTOCOL, epochs=4)
    predicted = {
        on: sum(
            finetune(pretrained, skewed, dataclasses.replace(short, class_weights=on), seed, CPU).test["accuracy"]
            for seed in range(3)
        )
        for on in (False, True)
    }
    assert predicted[True] > predicted[False]


def test_a_share_of_the_examples_is_the_same_for_the_same_repetition(task):
    quarter = task.training(0, 0.25, 1)
    assert len(quarter) == 8
    assert quarter.sequences == task.training(0, 0.25, 1).sequences
    assert quarter.sequences != task.training(0, 0.25, 2).sequences
    assert set(quarter.sequences) <= set(task.splits["train"].sequences)
    assert task.training(0, 1.0, 1) is task.splits["train"]
    assert len(task.training(0, 1e-9, 1)) == 1

"""Fine-tunes a pretrained model on one task and scores it; several repetitions side by side where a GPU has room.

head alone: the encoder reads every sequence once ─┐
else: token ids ───────────────────────────────────┴─ rows of M repetitions ── M classifiers ── losses ── AdamW
                                                              │ every `dev_every` steps
                                                              └─ dev loss ── the best state of each is kept
at the end: dev and test are predicted, test for the only time
"""

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from trainers.evaluation import metrics
from trainers.evaluation.classifier import Classifier, Head
from trainers.evaluation.members import Members
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.evaluation.rows import Rows, features, tokens
from trainers.models.parts import encoder_of
from trainers.models.pretrained import Pretrained
from trainers.rng import Stream, derived_seed
from trainers.tasks.task import EvaluationTask, Examples

_LARGEST_NORM = 1.0


def finetune(
    pretrained: Pretrained,
    task: EvaluationTask,
    protocol: Protocol,
    repetitions: Sequence[int],
    device: torch.device,
) -> list[TaskScores]:
    """Fine-tune copies of the model, one a repetition, and score each.

    Equal arguments give equal scores on the CPU. Several repetitions at once draw their dropout from one generator, so
    that a repetition alone and beside others differ by chance; that is for GPUs, on which one alone leaves most idle.

    Args:
        pretrained: Left as it is; on the device or the CPU.
        task: Dev chooses the model where the protocol asks for it; test is read once, at the end.
        protocol: How.
        repetitions: Seeds: order of the examples, initial head, dropout; with `shots` or `share`, which examples.
        device: Where to compute.
    """
    trained = [task.training(protocol.shots, protocol.share, repetition) for repetition in repetitions]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        modules = [_module(pretrained, task.classes, protocol, repetition).to(device) for repetition in repetitions]
        members = Members(modules)
        read = _reader(pretrained, protocol, device)
        train = [read(examples.sequences) for examples in trained]
        dev = read(task.splits["dev"].sequences)
        torch.manual_seed(derived_seed(repetitions[0], Stream.DROPOUT, len(repetitions)))
        dev_MNC = _train(members, train, trained, dev, task, protocol, repetitions)
        dev_MN = (members.predict(dev) if dev_MNC is None else dev_MNC).argmax(dim=2).numpy()
        test_MN = members.predict(read(task.splits["test"].sequences)).argmax(dim=2).numpy()
    truths = (task.splits["dev"].labels, task.splits["test"].labels)
    return [
        TaskScores(metrics.score(truths[0], dev_N), metrics.score(truths[1], test_N))
        for dev_N, test_N in zip(dev_MN, test_MN, strict=True)
    ]


def _module(pretrained: Pretrained, classes: int, protocol: Protocol, repetition: int) -> torch.nn.Module:
    """Return what is trained, with the initial head of a repetition."""
    torch.manual_seed(derived_seed(repetition, Stream.INITIALISATION, 1))
    if protocol.trained == "head":
        return Head(pretrained.model, classes, protocol.pooling)
    module = Classifier(pretrained.model, pretrained.tokenizer.specials.pad, classes, protocol.pooling)
    if protocol.trained == "lora":
        from trainers.evaluation.lora import add_lora

        add_lora(module.encoder, protocol.rank)
    return module


def _reader(pretrained: Pretrained, protocol: Protocol, device: torch.device) -> Callable[[Sequence[str]], Rows]:
    """Return what turns sequences into rows for a classifier."""
    tokenizer = pretrained.tokenizer
    if protocol.trained != "head":
        return lambda sequences: tokens(tokenizer, sequences, device)
    encoder = copy.deepcopy(encoder_of(pretrained.model)).to(device).eval()
    return lambda sequences: features(
        tokens(tokenizer, sequences, device), encoder, tokenizer.specials.pad, protocol.pooling
    )


def _train(
    members: Members,
    train: Sequence[Rows],
    examples: Sequence[Examples],
    dev: Rows,
    task: EvaluationTask,
    protocol: Protocol,
    repetitions: Sequence[int],
) -> torch.Tensor | None:
    """Train, and leave the members in their best states; return their dev logits, (M, N, C), where they are known."""
    device = members.device
    labels = [torch.from_numpy(one.labels).to(device) for one in examples]
    weights_MC = torch.stack([_class_weights(one, task.classes, protocol) for one in examples]).to(device)
    total = protocol.steps(len(train[0]))
    optimiser = torch.optim.AdamW(
        list(members.parameters.values()), lr=protocol.learning_rate, weight_decay=protocol.weight_decay, fused=True
    )
    best = _Best(len(repetitions), protocol.patience)
    plans = [_batches(len(one), protocol, repetition) for one, repetition in zip(train, repetitions, strict=True)]
    for step, rows in zip(range(1, total + 1), zip(*plans, strict=True), strict=False):
        members.train()
        longest, is_padded = _widest(train, rows)
        inputs = torch.stack([one.take(rows_B, longest) for one, rows_B in zip(train, rows, strict=True)])
        labels_MB = torch.stack([one[torch.from_numpy(at).to(device)] for one, at in zip(labels, rows, strict=True)])
        logits_MBC = members.logits(inputs, is_padded)
        losses_MB = functional.cross_entropy(logits_MBC.flatten(0, 1), labels_MB.flatten(), reduction="none")
        weights_MB = weights_MC.gather(1, labels_MB)
        losses_M = (losses_MB.view_as(weights_MB) * weights_MB).sum(dim=1) / weights_MB.sum(dim=1)
        losses_M.sum().backward()  # type: ignore[no-untyped-call]
        members.clip(_LARGEST_NORM)
        for group in optimiser.param_groups:
            group["lr"] = protocol.learning_rate * _rate(step, total, protocol)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if protocol.dev_every and (step % protocol.dev_every == 0 or step == total):
            members.keep(best.better(members.predict(dev), torch.from_numpy(task.splits["dev"].labels)))
            if best.is_over:
                break
    members.restore()
    return best.logits_MNC


def _rate(step: int, total: int, protocol: Protocol) -> float:
    """Return the share of the peak learning rate at a step, counted from 1: linear up, linear down."""
    asked = round(protocol.warmup * total) if protocol.warmup_steps is None else protocol.warmup_steps
    warm = max(1, asked)
    return min(step / warm, (total - step + 1) / max(1, total - warm), 1.0)


def _widest(train: Sequence[Rows], rows: Sequence[NDArray[np.int64]]) -> tuple[int | None, bool]:
    """Return to how many tokens the rows of all members are cut, and whether any is shorter."""
    found = [one.longest(rows_B) for one, rows_B in zip(train, rows, strict=True)]
    lengths = [longest for longest, _ in found if longest is not None]
    if not lengths:
        return None, False
    return max(lengths), min(lengths) < max(lengths) or any(is_padded for _, is_padded in found)


def _class_weights(examples: Examples, classes: int, protocol: Protocol) -> torch.Tensor:
    """Return the weight of each class, shape (C,): all 1, or such that classes count alike. An absent one has 0."""
    if not protocol.class_weights:
        return torch.ones(classes)
    counts_C = np.bincount(examples.labels, minlength=classes)
    return torch.tensor(np.where(counts_C > 0, len(examples) / (classes * np.maximum(counts_C, 1)), 0.0)).float()


class _Best:
    """What each member reached on dev when its loss there was lowest; one that ran out of patience gets no better.

    Attributes:
        logits_MNC: Of then; None before the first look.
    """

    def __init__(self, count: int, patience: int) -> None:
        self.logits_MNC: torch.Tensor | None = None
        self._loss_M = torch.full((count,), torch.inf)
        self._looks_M = torch.zeros(count, dtype=torch.int64)  # since the best
        self._patience = patience

    def better(self, logits_MNC: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
        """Look at the dev split; return which members, shape (M,), have their lowest mean loss so far."""
        losses_M = torch.stack([functional.cross_entropy(logits_NC, labels_N) for logits_NC in logits_MNC])
        better_M = (losses_M < self._loss_M) & ~self._ended()
        self._looks_M = torch.where(better_M, 0, self._looks_M + 1)
        self._loss_M = torch.where(better_M, losses_M, self._loss_M)
        before = logits_MNC if self.logits_MNC is None else self.logits_MNC
        self.logits_MNC = torch.where(better_M[:, None, None], logits_MNC, before)
        return better_M

    @property
    def is_over(self) -> bool:
        """Whether every member has ended."""
        return bool(self._ended().all())

    def _ended(self) -> torch.Tensor:
        return self._looks_M >= (self._patience or 2**62)


def _batches(examples: int, protocol: Protocol, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of every optimiser step: each epoch is a permutation of its own."""
    for epoch in range(protocol.epochs):
        order = np.random.default_rng([derived_seed(seed, Stream.SHUFFLE, epoch)]).permutation(examples)
        yield from (order[first : first + protocol.batch] for first in range(0, examples, protocol.batch))

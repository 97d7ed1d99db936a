"""Fine-tunes a pretrained encoder on one task and scores it."""

import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from trainers import metrics
from trainers.models.parts import encoder_of
from trainers.models.pretrained import Pretrained
from trainers.rng import Stream, derived_seed
from trainers.settings import Protocol
from trainers.tasks.task import EvaluationTask, Examples

_READ_BATCH = 256  # sequences a forward pass without gradients


class Classifier(torch.nn.Module):
    """A copy of the pretrained encoder, pooling, and one linear layer."""

    def __init__(self, pretrained: Pretrained, classes: int, pooling: Literal["cls", "mean"]) -> None:
        super().__init__()
        self.pad = pretrained.tokenizer.specials.pad
        self.encoder = copy.deepcopy(encoder_of(pretrained.model))
        config = pretrained.model.config
        hidden = int(config.hidden_size)
        self.pooler = torch.nn.Linear(hidden, hidden) if pooling == "cls" else None
        self.dropout = torch.nn.Dropout(
            float(getattr(config, "hidden_dropout_prob", 0.0))
        )  # ModernBERT's has another name
        self.head = torch.nn.Linear(hidden, classes)

    def forward(self, tokens_BT: torch.Tensor, is_padded: bool = True) -> torch.Tensor:
        """Return logits, shape (B, classes); a GPU is not waited for where the caller knows of no padding."""
        real_BT = tokens_BT != self.pad
        attention_BT = real_BT.long() if is_padded else None
        hidden_BTH = self.encoder(tokens_BT, attention_mask=attention_BT).last_hidden_state
        if self.pooler is not None:
            pooled_BH = torch.tanh(self.pooler(hidden_BTH[:, 0]))
        else:
            weight_BT1 = real_BT[:, :, None].to(hidden_BTH.dtype)
            pooled_BH = (hidden_BTH * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1)
        logits: torch.Tensor = self.head(self.dropout(pooled_BH))
        return logits


@dataclass(frozen=True)
class TaskScores:
    """What one fine-tuning showed: metrics of the dev and of the test split, by metric name."""

    dev: dict[str, float]
    test: dict[str, float]


def finetune(
    pretrained: Pretrained, task: EvaluationTask, protocol: Protocol, seed: int, device: torch.device
) -> TaskScores:
    """Fine-tune a copy of the model and score it; equal arguments give equal scores on the CPU.

    Args:
        pretrained: Left as it is.
        task: Dev chooses the model where the protocol asks for it; test is read once, at the end.
        protocol: How.
        seed: Order of the examples, initial head, dropout; with `shots`, which examples.
        device: Where to compute.
    """
    tokenizer = pretrained.tokenizer
    train = task.few_shot(protocol.shots, seed) if protocol.shots else task.splits["train"]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, Stream.INITIALISATION, 1))
        model = Classifier(pretrained, task.classes, protocol.pooling).to(device)
        dev_BT = tokenizer.encode(task.splits["dev"].sequences)
        _train(model, tokenizer.encode(train.sequences), train, dev_BT, task.splits["dev"], protocol, seed, device)
        dev = _predict(model, dev_BT, device).argmax(dim=1).numpy()
        test = _predict(model, tokenizer.encode(task.splits["test"].sequences), device).argmax(dim=1).numpy()
    return TaskScores(metrics.score(task.splits["dev"].labels, dev), metrics.score(task.splits["test"].labels, test))


def _train(
    model: Classifier,
    train_NT: torch.Tensor,
    train: Examples,
    dev_NT: torch.Tensor,
    dev: Examples,
    protocol: Protocol,
    seed: int,
    device: torch.device,
) -> None:
    steps_an_epoch = -(-len(train) // protocol.batch)
    total = steps_an_epoch * protocol.epochs
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=protocol.learning_rate, weight_decay=protocol.weight_decay, foreach=True
    )
    best_loss, best = float("inf"), None
    for step, rows in enumerate(_batches(len(train), protocol, seed)):
        model.train()
        labels_B = torch.from_numpy(train.labels[rows]).to(device)
        logits_BC = _logits(model, train_NT[rows], device)
        functional.cross_entropy(logits_BC, labels_B).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        warm = max(1, round(protocol.warmup * total))
        for group in optimiser.param_groups:
            group["lr"] = protocol.learning_rate * min((step + 1) / warm, (total - step) / max(1, total - warm), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if protocol.dev_every and ((step + 1) % protocol.dev_every == 0 or step + 1 == total):
            loss = float(functional.cross_entropy(_predict(model, dev_NT, device), torch.from_numpy(dev.labels)))
            if loss < best_loss:
                best_loss, best = loss, {name: value.clone() for name, value in model.state_dict().items()}
    if best is not None:
        model.load_state_dict(best)


def _batches(examples: int, protocol: Protocol, seed: int) -> list[NDArray[np.int64]]:
    """Rows of every optimiser step: each epoch is a permutation of its own."""
    batches: list[NDArray[np.int64]] = []
    for epoch in range(protocol.epochs):
        order = np.random.default_rng([derived_seed(seed, Stream.SHUFFLE, epoch)]).permutation(examples)
        batches += [order[first : first + protocol.batch] for first in range(0, examples, protocol.batch)]
    return batches


def _logits(model: Classifier, tokens_BT: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return logits on the device of rows on the host, shape (B, classes)."""
    lengths_B = (tokens_BT != model.pad).sum(dim=1)
    longest = int(lengths_B.max())
    return model(tokens_BT[:, :longest].to(device), is_padded=bool((lengths_B < longest).any()))  # type: ignore[no-any-return]


@torch.no_grad()
def _predict(model: Classifier, tokens_NT: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return logits on the CPU, shape (N, classes)."""
    model.eval()
    parts = torch.split(tokens_NT, _READ_BATCH)
    return torch.cat([_logits(model, part, device).float().cpu() for part in parts])

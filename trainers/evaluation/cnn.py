"""The control without pretraining: a small convolutional network that reads the letters themselves.

letters ─ one-hot ─ convolution ─ ReLU ─ max of 4 ─ convolution ─ ReLU ─ max over the row ─ dropout ─ linear
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from trainers.evaluation import metrics
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.genome import bases
from trainers.rng import Stream, derived_seed
from trainers.tasks.task import EvaluationTask, Examples

# Its own settings: a protocol's are those of a pretrained transformer.
CHANNELS = 64
WIDTHS = (11, 7)  # of the two convolutions, in bases and in windows
POOL = 4  # bases a window
DROPOUT = 0.2
BATCH = 64
LEARNING_RATE = 2e-3  # constant; AdamW
WEIGHT_DECAY = 0.01
LEAST_LOOK = 50  # optimiser steps between looks at the dev loss; one epoch where that is more
MOST_LOOKS = 20
PATIENCE = 4  # looks without a better dev loss, after which training ends

_PAD = bases.OTHER + 1  # behind the end of a row; an N stands in it
_BASES_READ = 2**17  # of one pass without gradients


def small_cnn(task: EvaluationTask, protocol: Protocol, repetition: int, device: torch.device) -> TaskScores:
    """Train the network and score it. Equal arguments give equal scores on the CPU.

    Args:
        task: Dev chooses the epoch whose model is kept; test is read once, at the end.
        protocol: `shots` and `share` say which training examples are used; nothing else of it is read.
        repetition: Seed of the initial weights, the order and dropout; with `shots` or `share`, which examples.
        device: Where to compute.

    Raises:
        InputError: a class has fewer training examples than `shots`.
    """
    train = task.training(protocol.shots, protocol.share, repetition)
    dev, test = task.splits["dev"], task.splits["test"]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(repetition, Stream.INITIALISATION, 1))
        model = Network(task.classes).to(device)
        torch.manual_seed(derived_seed(repetition, Stream.DROPOUT, 1))
        dev_NL = codes_of(dev.sequences).to(device)
        _train(model, train, dev_NL, torch.from_numpy(dev.labels).to(device), repetition)
    return TaskScores(
        metrics.score(dev.labels, _predicted(model, dev_NL)),
        metrics.score(test.labels, _predicted(model, codes_of(test.sequences).to(device))),
    )


class Network(torch.nn.Module):
    """Two convolutions and a maximum over the row. Letters behind the end of a row change nothing."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.bases = torch.nn.Conv1d(4, CHANNELS, WIDTHS[0], padding="same")
        self.windows = torch.nn.Conv1d(CHANNELS, CHANNELS, WIDTHS[1], padding="same")
        self.dropout = torch.nn.Dropout(DROPOUT)
        self.linear = torch.nn.Linear(CHANNELS, classes)

    def forward(self, codes_BL: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (B, classes), of base codes (uint8): four-letter ones, 4 for N, 5 behind the end."""
        one_hot_B4L = (codes_BL[:, None] == torch.arange(4, device=codes_BL.device)[:, None]).float()
        real_B1L = (codes_BL != _PAD)[:, None].float()
        hidden_BCL = self.bases(one_hot_B4L).relu() * real_B1L
        hidden_BCW, real_B1W = (functional.max_pool1d(it, POOL, ceil_mode=True) for it in (hidden_BCL, real_B1L))
        hidden_BCW = self.windows(hidden_BCW).relu() * real_B1W  # a maximum of what is not negative: 0 is no harm
        logits_BC: torch.Tensor = self.linear(self.dropout(hidden_BCW.amax(dim=2)))
        return logits_BC


def codes_of(sequences: Sequence[str]) -> torch.Tensor:
    """Return base codes, uint8, shape (N, longest): 4 for every letter but A, C, G, T; 5 behind the end of a row."""
    lengths_N = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    codes_NL = np.full((len(sequences), int(lengths_N.max())), _PAD, dtype=np.uint8)
    codes_NL[np.arange(codes_NL.shape[1]) < lengths_N[:, None]] = bases.encode("".join(sequences).encode())
    return torch.from_numpy(codes_NL)


def _train(model: Network, train: Examples, dev_NL: torch.Tensor, dev_N: torch.Tensor, repetition: int) -> None:
    train_NL, train_N = codes_of(train.sequences).to(dev_NL.device), torch.from_numpy(train.labels).to(dev_NL.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    every = max(LEAST_LOOK, -(-len(train) // BATCH))
    lowest, looks_since, best = float("inf"), 0, model.state_dict()
    for step, rows_B in zip(range(1, every * MOST_LOOKS + 1), _batches(train_N, repetition), strict=False):
        model.train()
        functional.cross_entropy(model(train_NL[rows_B]), train_N[rows_B]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if step % every:
            continue
        loss = float(functional.cross_entropy(_logits(model, dev_NL), dev_N))
        looks_since = 0 if loss < lowest else looks_since + 1
        if loss < lowest:
            lowest, best = loss, {name: value.clone() for name, value in model.state_dict().items()}
        if looks_since == PATIENCE:
            break
    model.load_state_dict(best)


def _batches(labels_N: torch.Tensor, repetition: int) -> Iterator[torch.Tensor]:
    """Yield the rows of every optimiser step without end: each epoch is a permutation of its own."""
    for epoch in itertools.count():
        generator = torch.Generator().manual_seed(derived_seed(repetition, Stream.SHUFFLE, epoch))
        yield from torch.split(torch.randperm(len(labels_N), generator=generator).to(labels_N.device), BATCH)


@torch.no_grad()
def _logits(model: Network, codes_NL: torch.Tensor) -> torch.Tensor:
    model.eval()
    parts = torch.split(codes_NL, max(1, _BASES_READ // codes_NL.shape[1]))
    return torch.cat([model(codes_BL) for codes_BL in parts])


def _predicted(model: Network, codes_NL: torch.Tensor) -> NDArray[np.int64]:
    predicted_N: NDArray[np.int64] = _logits(model, codes_NL).argmax(dim=1).cpu().numpy()
    return predicted_N

"""What a classifier reads of many sequences: token ids, or the features that a frozen encoder made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from trainers.evaluation.classifier import pooled
from trainers.evaluation.protocol import Pooling
from trainers.tokens.tokenizer import Tokenizer

_TOKENS_READ = {"cpu": 4096, "cuda": 131_072}  # of one pass without gradients: what caches and a GPU hold well


@dataclass(frozen=True)
class Rows:
    """Rows on the device.

    Attributes:
        inputs: Token ids, int32, shape (N, T), padded; or features, shape (N, H).
        lengths: Tokens of each row, int64, shape (N,), on the host; None for features.
    """

    inputs: torch.Tensor
    lengths: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows_B: NDArray[np.int64], longest: int | None) -> torch.Tensor:
        """Return these rows, token ids cut behind the longest: shape (B, longest) or (B, H)."""
        at_B = torch.from_numpy(rows_B)
        if self.inputs.is_cuda:
            at_B = at_B.pin_memory().to(self.inputs.device, non_blocking=True)
        chosen = self.inputs[at_B]
        return chosen if longest is None else chosen[:, :longest].long()

    def longest(self, rows_B: NDArray[np.int64]) -> tuple[int | None, bool]:
        """Return the most tokens of these rows (None for features), and whether another of them has fewer."""
        if self.lengths is None:
            return None, False
        lengths_B = self.lengths[rows_B]
        return int(lengths_B.max()), bool(lengths_B.min() < lengths_B.max())

    def passes(self, copies: int = 1) -> list[NDArray[np.int64]]:
        """Return all rows in groups of like length, for reading them with so many models at once."""
        budget = max(1, _TOKENS_READ[self.inputs.device.type] // copies)
        if self.lengths is None:
            return np.array_split(np.arange(len(self)), -(-len(self) // budget))
        order = np.argsort(self.lengths, kind="stable")
        groups, first = [], 0
        while first < len(order):
            width = int(self.lengths[order[min(first + budget // 8, len(order) - 1)]])
            last = first + max(1, budget // max(1, width))
            groups.append(order[first:last])
            first = last
        return groups


def tokens(tokenizer: Tokenizer, sequences: Sequence[str], device: torch.device) -> Rows:
    """Return the token ids of sequences."""
    ids_NT = tokenizer.encode(sequences)
    lengths_N = (ids_NT != tokenizer.specials.pad).sum(dim=1).numpy()
    return Rows(ids_NT.to(torch.int32).to(device), lengths_N)


@torch.no_grad()
def features(rows: Rows, model: PreTrainedModel, pad: int, pooling: Pooling) -> Rows:
    """Return what a frozen encoder makes of token ids, pooled: shape (N, H).

    Args:
        rows: Token ids.
        model: On the device of the rows, in evaluation mode.
        pad: Id of padding.
        pooling: Of the hidden states.
    """
    found = torch.empty(len(rows), int(model.config.hidden_size), dtype=model.dtype, device=rows.inputs.device)
    for rows_B in rows.passes():
        longest, is_padded = rows.longest(rows_B)
        with torch.autocast(found.device.type, torch.bfloat16, enabled=found.is_cuda):
            read_BH = pooled(model, rows.take(rows_B, longest), pad, is_padded, pooling)
        found[torch.from_numpy(rows_B).to(found.device)] = read_BH.to(model.dtype)
    return Rows(found, None)

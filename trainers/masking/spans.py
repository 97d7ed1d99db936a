"""Neighbourhoods of token positions: which tokens a span covers, and the best token near another."""

from collections.abc import Callable

import torch
from torch.nn import functional

FAR = torch.iinfo(torch.int64).max // 2  # a key behind every other


def reach(width: int) -> tuple[int, int]:
    """Tokens left and right of a centre that a span of `width` tokens covers: 6 is -2..+3, 11 is -5..+5."""
    return (width - 1) // 2, width // 2


def dilate(centres_BT: torch.Tensor, width: int) -> torch.Tensor:
    """Return True for every token within a span of `width` tokens around a centre, shape (B, T)."""
    left, right = reach(width)
    return _slide(functional.pad(centres_BT, (right, left)), width, torch.bitwise_or)


def window_min(values_BT: torch.Tensor, left: int, right: int) -> torch.Tensor:
    """Smallest value over the positions i - left .. i + right that exist, shape (B, T)."""
    return _slide(functional.pad(values_BT, (left, right), value=FAR), left + right + 1, torch.minimum)


def count_in_reach(centres_BT: torch.Tensor, width: int) -> torch.Tensor:
    """How many centres have a token in their span of `width` tokens, int32, shape (B, T)."""
    left, right = reach(width)
    total = functional.pad(centres_BT, (right + 1, left)).cumsum(dim=1, dtype=torch.int32)
    return total[:, width:] - total[:, : centres_BT.shape[1]]


def hidden_bases(mask_BT: torch.Tensor, k: int, inside_BT: torch.Tensor | None = None) -> torch.Tensor:
    """Return which bases no visible k-mer covers, bool, shape (B, T + k - 1); token i covers the bases i .. i + k - 1.

    `inside_BT` is False where a row has ended: there is no k-mer to cover anything, so what is behind counts as hidden.
    """
    visible_BT = ~mask_BT if inside_BT is None else ~mask_BT & inside_BT
    return ~_slide(functional.pad(visible_BT, (k - 1, k - 1)), k, torch.bitwise_or)


def _slide(
    padded: torch.Tensor, width: int, combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Combine every `width` neighbours in about log2(width) passes; `combine` must not mind overlaps."""
    done = 1
    while done < width:
        step = min(done, width - done)
        padded = combine(padded[:, :-step], padded[:, step:])
        done += step
    return padded

"""What tokenizers share: letters of sequences as base codes, and the special tokens around a row."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome import bases
from trainers.tokens.tokenizer import Specials


def codes_of(sequences: Sequence[str], least: int, rule: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the base codes of all sequences end to end, 4 for every IUPAC letter but A, C, G, T; and their lengths.

    Raises:
        InputError: a sequence has fewer than `least` letters, or one that is no nucleotide; `rule` says what it must
            be.
    """
    widths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    codes = bases.encode("".join(sequences).encode("ascii", "replace"))
    wrong = widths < least
    wrong[np.repeat(np.arange(len(widths)), widths)[codes == bases.REFUSED]] = True
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"a sequence must be {rule}, but row {row + 1} is {sequences[row]!r}")
    return codes, widths


def in_rows(values: NDArray[np.generic], lengths: NDArray[np.int64], columns: int, fill: int) -> NDArray[np.int64]:
    """Return values that lie end to end as rows, shape (B, columns), with `fill` behind the end of each."""
    rows = np.full((len(lengths), columns), fill, dtype=np.int64)
    rows[np.arange(columns) < lengths[:, None]] = values
    return rows


def framed(ids_BT: torch.Tensor, specials: Specials, lengths_B: torch.Tensor | None = None) -> torch.Tensor:
    """Return [CLS] + tokens, and [SEP] where there is one; with `lengths_B`, [PAD] behind the last of them."""
    edge_B1 = ids_BT.new_empty(ids_BT.shape[0], 1)
    parts = [edge_B1.fill_(specials.cls), ids_BT]
    if specials.sep is not None:
        parts.append(torch.full_like(edge_B1, specials.sep))
    row_BT = torch.cat(parts, dim=1)
    if lengths_B is not None:
        behind_BT = torch.arange(row_BT.shape[1], device=ids_BT.device) - lengths_B[:, None]
        row_BT.masked_fill_(behind_BT > 0, specials.pad)
        if specials.sep is not None:
            row_BT.masked_fill_(behind_BT == 1, specials.sep)
    return row_BT

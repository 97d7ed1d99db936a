"""A rank's masked rows of one step, and the forward passes they are cut into; nothing here waits for a GPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from trainers.masking.rows import Rows
from trainers.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Batch:
    """Rows of one forward pass.

    Attributes:
        inputs_BT: What the model reads, [CLS] and padding included.
        masked_M: Places of the masked tokens in the rows laid end to end, shape (M,).
        labels_M: The tokens that stood there.
        real_BT: False in padding; None where there is none.
    """

    inputs_BT: torch.Tensor
    masked_M: torch.Tensor
    labels_M: torch.Tensor
    real_BT: torch.Tensor | None


class _Arriving:
    """Numbers on their way from a device to the host: asked for after the device has gone on, they are there."""

    def __init__(self, numbers: torch.Tensor) -> None:
        self._event = None
        self._copy = numbers
        if numbers.device.type == "cuda":
            self._copy = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
            self._copy.copy_(numbers, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    def numpy(self) -> NDArray[np.int64]:
        if self._event is not None:
            self._event.synchronize()
        return self._copy.numpy()


class Share:
    """A rank's masked rows of one step, in the order of their sample numbers."""

    def __init__(self, tokenizer: Tokenizer, rows: Rows) -> None:
        """Add the special tokens.

        Args:
            tokenizer: Of the rows.
            rows: Masked tokens.
        """
        device = rows.ids_BT.device
        self.rows = rows
        self._lengths_B = None if rows.lengths is None else on(device, torch.from_numpy(rows.lengths))
        self.inputs_BT = tokenizer.wrap(rows.inputs_BT, self._lengths_B)
        self._around = (1, self.inputs_BT.shape[1] - rows.ids_BT.shape[1] - 1)  # [CLS], and [SEP] where there is one
        self.masked_of_row = _Arriving(rows.mask_BT.sum(dim=1))
        own = np.full(len(rows.ids_BT), rows.ids_BT.shape[1]) if rows.lengths is None else rows.lengths
        self.tokens = int(own.sum())
        self.lengths = own + sum(self._around)

    def counts(self) -> torch.Tensor:
        """Return masked tokens, tokens, tokens as read, and the sum of their squares a row, on the device."""
        read = self.lengths.astype(np.int64)
        known = on(self.inputs_BT.device, torch.tensor([self.tokens, int(read.sum()), int((read**2).sum())]))
        return torch.cat([self.rows.mask_BT.sum().reshape(1), known])

    def passes(self, groups: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """Return one batch for each group of rows."""
        mask_BT = functional.pad(self.rows.mask_BT, self._around)
        labels_BT = functional.pad(self.rows.ids_BT, self._around)
        device = mask_BT.device
        for group in groups:
            longest = int(self.lengths[group].max())
            parts = [self.inputs_BT, mask_BT, labels_BT]
            if len(group) < len(mask_BT):
                rows_B = on(device, torch.from_numpy(group))
                parts = [part.index_select(0, rows_B) for part in parts]
            inputs_BT, own_BT, answers_BT = (part[:, :longest] for part in parts)
            masked_M = _places(own_BT, int(self.masked_of_row.numpy()[group].sum()))
            labels_M = answers_BT.reshape(-1).index_select(0, masked_M)
            yield Batch(inputs_BT, masked_M, labels_M, self._real(group, longest))

    def _real(self, group: NDArray[np.int64], longest: int) -> torch.Tensor | None:
        own = self.lengths[group]
        if (own == longest).all():
            return None
        device = self.inputs_BT.device
        return torch.arange(longest, device=device) < on(device, torch.from_numpy(own))[:, None]


def on(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """Bring a tensor of the host to a device without waiting for it."""
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def _places(mask_BT: torch.Tensor, count: int) -> torch.Tensor:
    """Where the mask is True, rows laid end to end, given how often it is: `nonzero` would ask the device."""
    return torch.nonzero_static(mask_BT.reshape(-1), size=count)[:, 0]

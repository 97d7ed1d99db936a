"""Gradients of a step: passes over a rank's rows that add up, on one worker or on many."""

import math
import warnings
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from curricula import InputError
from trainers.pretraining import memory
from trainers.pretraining.batches import Share
from trainers.pretraining.clock import Clock, timed_hook
from trainers.pretraining.language_model import MaskedLanguageModel
from trainers.pretraining.passes import CPU_TOKENS, Rows, cut
from trainers.settings import Execution, PretrainSettings
from trainers.workers import Workers


def autocast_type(settings: PretrainSettings, device: torch.device) -> torch.dtype | None:
    """Return the type of matrix products where it is not that of the weights."""
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and device.type == "cuda")
    return torch.bfloat16 if bf16 else None


class Compute:
    """A model and how its gradients are computed."""

    def __init__(
        self, model: PreTrainedModel, settings: PretrainSettings, execution: Execution, workers: Workers, clock: Clock
    ) -> None:
        self._workers, self._clock = workers, clock
        self._asked, self._batch = execution.micro_batch, settings.batch
        self._rows = None if execution.micro_batch == "auto" else execution.micro_batch
        if execution.activation_checkpointing:
            model.activation_checkpointing_enable()
        self.module = MaskedLanguageModel(model, autocast_type(settings, workers.device)).to(workers.device)
        if execution.compile:
            self.module.compile(dynamic=True)
        self._ddp: DistributedDataParallel | None = None
        if workers.count > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # new releases of torch have another name for it
                self._ddp = DistributedDataParallel(self.module, gradient_as_bucket_view=True, broadcast_buffers=False)
            self._ddp.register_comm_hook(None, timed_hook(clock))

    def fit(self, share: Share) -> None:
        """Find out, before any step, how many rows of a share fit into one pass.

        Raises:
            InputError: fewer rows fit than were asked for, or none.
        """
        most = math.ceil(self._batch / self._workers.count)  # of any rank: all try the same numbers, and give up at one
        rows = min(most, self._rows or most)
        self._take(rows, memory.most_that_fit(rows, lambda n: self._attempt(share, n), self._workers), share)

    def gradients(self, share: Share, masked: torch.Tensor) -> torch.Tensor:
        """Add up the gradient of the mean loss over the masked tokens of all ranks; return this rank's summed loss.

        Args:
            share: This rank's rows.
            masked: Masked tokens of all ranks, on the device.

        Raises:
            InputError: a pass does not fit into memory.
        """
        try:
            return self._accumulated(share, masked)
        except RuntimeError as error:
            if not memory.ran_out(error) or self._workers.count > 1:
                raise
        self.module.zero_grad(set_to_none=True)
        rows = max(map(len, self._groups(share)))
        fits = memory.most_that_fit(max(1, rows // 2), lambda n: self._attempt(share, n), self._workers)
        self._take(rows, fits, share)
        return self._accumulated(share, masked)

    def _groups(self, share: Share) -> list[Rows]:
        longest = int(share.lengths.max())
        most = max(CPU_TOKENS, longest) if self._rows is None else self._rows * longest
        return cut(share.lengths, most)

    def _accumulated(self, share: Share, masked: torch.Tensor) -> torch.Tensor:
        groups = self._groups(share)
        # DDP averages over ranks; times the workers, it is the gradient of the mean over all masked tokens
        scale = self._workers.count / masked.clamp(min=1)
        total = torch.zeros((), device=self._workers.device)
        for number, batch in enumerate(share.passes(groups)):
            with self._apart(number < len(groups) - 1):
                with self._clock.part("forward"):
                    loss = (self._ddp or self.module)(batch)
                with self._clock.part("backward"):
                    (loss * scale).backward()
            total += loss.detach()
        return total

    def _apart(self, apart: bool) -> AbstractContextManager[None]:
        """Keep the gradient of a pass to this rank: it travels with that of the last pass."""
        return self._ddp.no_sync() if apart and self._ddp is not None else nullcontext()

    def _attempt(self, share: Share, rows: int) -> None:
        """Go forward and backward over the longest rows, with as much memory taken as the optimiser will need."""
        longest = np.sort(np.argsort(-share.lengths, kind="stable")[:rows])
        moments = [torch.empty(2, *p.shape, device=p.device) for p in self.module.parameters()]
        with self._apart(True):
            for batch in share.passes([longest]):
                (self._ddp or self.module)(batch).backward()
        del moments
        self.module.zero_grad(set_to_none=True)

    def _take(self, tried: int, fits: int, share: Share) -> None:
        if self._asked != "auto" and fits < min(tried, self._asked):
            raise InputError(
                f"a pass must fit into the memory of {self._workers.device}, but micro_batch={self._asked} rows of "
                f"{int(share.lengths.max())} tokens does not; {fits} would: set micro_batch to {fits} or to auto "
                "(gradients of all passes add up, so results differ by rounding only)"
            )
        self._rows = fits

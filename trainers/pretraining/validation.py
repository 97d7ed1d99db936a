"""Losses on fixed random masks: the same for every curriculum and study, so that they can be compared."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from curricula import Masking, Strategy
from trainers.data import PretrainData
from trainers.masking.rows import row_masker
from trainers.pretraining.batches import Batch, Share, on
from trainers.pretraining.language_model import MaskedLanguageModel
from trainers.pretraining.passes import cut
from trainers.settings import VALIDATION_RATE, VALIDATION_SEED, Budget
from trainers.workers import Workers


@dataclass(frozen=True)
class Measured:
    """What a model makes of the masked tokens of the validation rows.

    Attributes:
        loss: Cross-entropy in nats a masked token.
        accuracy: Share of the masked tokens that the model ranks first.
    """

    loss: float
    accuracy: float

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely tokens the model guesses; infinite where that overflows."""
        return math.exp(self.loss) if self.loss < 700 else math.inf


@dataclass(frozen=True)
class Validation:
    """Both measures: spans of k tokens, which hide one nucleotide, and of 2k - 1 tokens, which hide k."""

    narrow: Measured
    wide: Measured


class Validator:
    """The validation rows of this rank, masked once."""

    def __init__(self, data: PretrainData, workers: Workers, most_tokens: int) -> None:
        """Mask the rows.

        Args:
            data: Where they come from.
            workers: Every rank takes its share of the rows.
            most_tokens: Of a forward pass.
        """
        k = data.difficulty.k
        self._workers = workers
        self._batches: dict[int, list[Batch]] = {1: [], k: []}
        samples_B = torch.arange(data.validation_rows)[workers.rank :: workers.count]
        if not len(samples_B):
            return
        bases_BL = data.validation.sample(VALIDATION_SEED, samples_B)
        masker = row_masker(data.tokenizer, data.difficulty, Budget.MATCHED, VALIDATION_SEED, data.training.windows)
        for span in self._batches:
            masking = Masking(Strategy.RANDOM, rate=VALIDATION_RATE, span=span)
            share = Share(data.tokenizer, masker(bases_BL, masking, on(workers.device, samples_B), None))
            self._batches[span] = list(share.passes(cut(share.lengths, most_tokens)))

    def narrow(self, model: MaskedLanguageModel) -> Measured:
        """Measure with spans that hide one nucleotide; every rank gets the same numbers."""
        return self._measure(model, self._batches[min(self._batches)])

    def both(self, model: MaskedLanguageModel) -> Validation:
        """Measure with both spans; every rank gets the same numbers."""
        return Validation(self.narrow(model), self._measure(model, self._batches[max(self._batches)]))

    @torch.no_grad()
    def _measure(self, model: MaskedLanguageModel, batches: list[Batch]) -> Measured:
        model.eval()
        sums = torch.zeros(3, dtype=torch.float64, device=self._workers.device)
        for batch in batches:
            logits_MV = model.logits(batch)
            sums[0] += torch.nn.functional.cross_entropy(logits_MV, batch.labels_M, reduction="sum").double()
            sums[1] += (logits_MV.argmax(dim=1) == batch.labels_M).sum()
            sums[2] += len(batch.labels_M)
        model.train()
        loss, right, count = self._workers.sum(sums).tolist()
        return Measured(loss / count, right / count) if count else Measured(np.nan, np.nan)

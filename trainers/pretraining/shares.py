"""The masked rows of a rank, step after step: a pure function of (seed, step, sample)."""

import torch

from curricula import Evaluation, Masking, Progress
from curricula.replay import ask
from trainers.data import PretrainData
from trainers.masking.rows import row_masker
from trainers.pretraining.batches import Share, on
from trainers.pretraining.clock import Clock
from trainers.rng import batch_uniform
from trainers.settings import PretrainSettings
from trainers.workers import Workers

Evaluations = tuple[Evaluation, ...]


class Shares:
    """Makes the rows of a step, and those of the next one ahead of time, so that a GPU need not be waited for."""

    def __init__(self, settings: PretrainSettings, data: PretrainData, workers: Workers) -> None:
        self._settings, self._data, self._workers = settings, data, workers
        self._curriculum = settings.make_curriculum()
        self._masker = row_masker(
            data.tokenizer, data.difficulty, settings.budget, settings.seed, data.training.windows
        )
        self._ahead: tuple[int, Evaluations, Share] | None = None

    def at(self, step: int, evaluations: Evaluations, clock: Clock) -> Share:
        """Return the rows of a step."""
        if self._ahead is not None and self._ahead[:2] == (step, evaluations):
            share = self._ahead[2]
            self._ahead = None
            return share
        return self._made(step, evaluations, clock)

    def prepare(self, step: int, evaluations: Evaluations, clock: Clock) -> None:
        """Make the rows of the next step, unless a validation comes before it or there is none."""
        if step < self._settings.horizon and step % self._settings.validate_every:
            self._ahead = step, evaluations, self._made(step, evaluations, clock)

    def _made(self, step: int, evaluations: Evaluations, clock: Clock) -> Share:
        settings, workers = self._settings, self._workers
        with clock.part("data"):
            first, past = (settings.batch * rank // workers.count for rank in (workers.rank, workers.rank + 1))
            samples_B = step * settings.batch + torch.arange(first, past)
            samples = self._data.training.sample(settings.seed, samples_B)
            is_host_encoded = self._data.tokenizer.kind == "bpe"  # the copy of its tokens is what travels
            bases_BL = samples.bases_BL if is_host_encoded else on(workers.device, samples.bases_BL)
        with clock.part("mask"):
            widths = None if samples.tokens is None else samples.tokens + settings.k - 1
            masking = self.masking(step, evaluations)
            rows = self._masker(bases_BL, masking, on(workers.device, samples_B), widths)
            return Share(self._data.tokenizer, rows)

    def masking(self, step: int, evaluations: Evaluations) -> Masking:
        """Return what the curriculum asks of the batch of a step; the same on every rank."""
        at = Progress(step, self._settings.horizon, evaluations)
        answer = ask(self._settings.curriculum, self._curriculum, at)
        return answer.drawn(batch_uniform(self._settings.seed, step))

"""The pretraining loop: one model, one curriculum, any number of workers, resumable at every checkpoint."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from transformers import BertForMaskedLM

from curricula import Curriculum, Evaluation, InputError, Progress
from curricula.replay import ask
from trainers.data import PretrainData
from trainers.masking.masker import Masker
from trainers.masking.rates import calibration_rows
from trainers.models.build import initial_model
from trainers.pretraining import checkpoint
from trainers.pretraining.batches import VALIDATION_MASKING, VALIDATION_SEED, Batch, masked_batch
from trainers.pretraining.checkpoint import TrainingState
from trainers.rng import Stream, batch_uniform, derived_seed
from trainers.settings import Budget, PretrainSettings
from trainers.tokens.kmers import KmerTokenizer
from trainers.workers import Workers


@dataclass(frozen=True)
class Reached:
    """A budget was reached: the training state, the live model (copy it before changing it) and its loss.

    `validation_loss` is in nats a masked token, on the fixed masks.
    """

    state: TrainingState
    model: BertForMaskedLM
    validation_loss: float


class MaskedLanguageModel(torch.nn.Module):
    """BERT whose vocabulary head runs only over the masked positions; returns their summed cross-entropy."""

    def __init__(self, bert: BertForMaskedLM) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, batch: Batch) -> torch.Tensor:
        """Sum of -ln p(label) over the masked tokens; padding is not attended to."""
        attention_BT = None if batch.real_BT is None else batch.real_BT.long()
        hidden_BTH = self.bert.bert(batch.inputs_BT, attention_mask=attention_BT).last_hidden_state
        logits_MV = self.bert.cls(hidden_BTH[batch.mask_BT])
        return functional.cross_entropy(logits_MV.float(), batch.labels_M, reduction="sum")


def pretrain(
    settings: PretrainSettings,
    data: PretrainData,
    budgets: Sequence[int],
    folder: Path,
    workers: Workers,
    checkpoint_every: int = 0,
    on_step: Callable[[int], None] = lambda step: None,
) -> Iterator[Reached]:
    """Train to each budget in turn and yield there; go on from the newest checkpoint in `folder`.

    The loop, whole::

        for step in first .. last:
            every `validate_every` steps: evaluations += perplexity on the fixed masks     (all ranks agree)
            masking = curriculum(step / horizon, evaluations).drawn(chance of (seed, step))   (all ranks agree)
            bases   = samples(seed, numbers of this step)[this rank's slice]
            inputs, labels = mask(k-mer ids(bases), masking, (seed, sample))
            loss    = summed cross-entropy / masked tokens of all ranks -> backward (DDP) -> clip -> AdamW
            at a budget: checkpoint, yield

    Everything random is a function of (seed, sample) or (seed, step), so the same settings give the same
    weights after any number of resumptions, and the same batches and masks on any number of workers.

    Args:
        settings: What the numbers are a function of.
        data: Windows and difficulty.
        budgets: Optimiser steps at which to stop and yield, ascending, none above the horizon.
        folder: Where checkpoints lie.
        workers: This process and its group.
        checkpoint_every: Steps between checkpoints that are not budgets; 0 for none.
        on_step: Called on every rank after each step with the steps done.

    Raises:
        InputError: the batch cannot be shared out, or a checkpoint of other settings lies in `folder`.
        FloatingPointError: the loss is no longer finite.
    """
    if settings.batch % workers.count:
        raise InputError(
            f"`batch` must be a multiple of the workers, but got batch={settings.batch}, workers={workers.count}"
        )
    loop = _Loop(settings, data, folder, workers)
    for budget in budgets:
        newest = max((step for step in checkpoint.complete(folder) if step <= budget), default=0)
        if newest > loop.step:
            loop.restore(newest)
        while loop.step < budget:
            loop.train_step()
            on_step(loop.step)
            if loop.step == budget or (checkpoint_every and loop.step % checkpoint_every == 0):
                loop.save(keep=set(budgets))
        yield Reached(loop.state(), loop.model, loop.validation_loss())


class _Loop:
    """The state of one training; every method is one line of the drawing in `pretrain`."""

    def __init__(self, settings: PretrainSettings, data: PretrainData, folder: Path, workers: Workers) -> None:
        self._settings, self._data, self._folder, self._workers = settings, data, folder, workers
        self._tokenizer = KmerTokenizer(settings.k)
        self._curriculum: Curriculum = settings.make_curriculum()
        module = MaskedLanguageModel(initial_model(settings.preset, settings.k, settings.seed)).to(workers.device)
        self._model = module
        self._ddp = DistributedDataParallel(module, find_unused_parameters=False) if workers.count > 1 else module
        self._optimiser = _adamw(module, settings)
        self._masker, self._validation_masker = self._maskers()
        self.step = 0
        self._evaluations: tuple[Evaluation, ...] = ()
        self._validation_losses: dict[int, float] = {}
        self._seconds = 0.0
        self._tokens, self._masked_tokens = 0, 0

    def _maskers(self) -> tuple[Masker, Masker]:
        settings = self._settings
        calibration_BT = calibration_rows(self._data.training.windows, settings.k)
        own = Masker(self._data.difficulty, settings.budget, settings.seed, calibration_BT)
        return own, Masker(self._data.difficulty, Budget.MATCHED, VALIDATION_SEED, calibration_BT)

    @property
    def model(self) -> BertForMaskedLM:
        """The model under training."""
        return self._model.bert

    def restore(self, step: int) -> None:
        """Go to the checkpoint after `step` steps."""
        folder = checkpoint.folder_of(self._folder, step)
        state = checkpoint.load(folder, self.model, self._optimiser, self._settings.fingerprint())
        self.step, self._evaluations = state.step, state.evaluations
        self._seconds, self._tokens, self._masked_tokens = state.seconds, state.tokens, state.masked_tokens

    def state(self) -> TrainingState:
        """Describe the training as it stands."""
        fingerprint = self._settings.fingerprint()
        tokens = (self._tokens, self._masked_tokens)
        return TrainingState(self.step, fingerprint, self._evaluations, self._seconds, *tokens)

    def save(self, keep: set[int]) -> None:
        """Rank 0 writes a checkpoint; the others wait for it."""
        if self._workers.rank == 0:
            checkpoint.save(self._folder, self.model, self._optimiser, self.state())
            checkpoint.prune(self._folder, keep)
        self._workers.barrier()

    def train_step(self) -> None:
        """One optimiser step over the whole batch."""
        started = time.perf_counter()
        if self.step % self._settings.validate_every == 0:
            loss = self.validation_loss()
            if not self._evaluations or self._evaluations[-1].step < self.step:
                perplexity = float(torch.tensor(loss).exp())
                self._evaluations = (*self._evaluations, Evaluation(self.step, perplexity))
        batch, tokens = self._batch()
        torch.manual_seed(derived_seed(self._settings.seed, Stream.DROPOUT, self.step))
        self._model.train()
        counted = torch.tensor([len(batch.labels_M), tokens], device=self._workers.device)
        masked_tokens, tokens = self._workers.sum(counted).tolist()
        loss = self._ddp(batch)
        # DDP averages gradients over ranks; times the workers, it is the gradient of the mean over all masked tokens
        (loss * self._workers.count / max(masked_tokens, 1)).backward()
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._settings.clip)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"the gradient is {float(norm)} at step {self.step}; lower the learning rate")
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self._settings, self.step)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self._tokens += tokens
        self._masked_tokens += masked_tokens
        self._seconds += time.perf_counter() - started

    def _batch(self) -> tuple[Batch, int]:
        """Return this rank's slice of the step's batch, and how many tokens it has."""
        share = self._settings.batch // self._workers.count
        first = self.step * self._settings.batch + self._workers.rank * share
        samples_B = torch.arange(first, first + share)
        samples = self._data.training.sample(self._settings.seed, samples_B)
        ids_BT = self._ids(samples.bases_BL)
        at = Progress(self.step, self._settings.horizon, self._evaluations)
        answer = ask(self._settings.curriculum, self._curriculum, at)
        masking = answer.drawn(batch_uniform(self._settings.seed, self.step))
        on_device = samples_B.to(self._workers.device)
        batch = masked_batch(self._tokenizer, self._masker, ids_BT, masking, on_device, samples.tokens)
        return batch, ids_BT.numel() if samples.tokens is None else int(samples.tokens.sum())

    def _ids(self, bases_BL: torch.Tensor) -> torch.Tensor:
        return self._tokenizer.ids(bases_BL.to(self._workers.device))

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean cross-entropy in nats a masked token on the fixed masks; the ranks share the rows out."""
        if self.step not in self._validation_losses:
            rows = torch.arange(self._data.validation_rows)
            share = rows[self._workers.rank :: self._workers.count]
            self._model.eval()
            sums = torch.zeros(2, dtype=torch.float64, device=self._workers.device)
            for samples_B in torch.split(share, 64):
                ids_BT = self._ids(self._data.validation.sample(VALIDATION_SEED, samples_B))
                on_device = samples_B.to(self._workers.device)
                batch = masked_batch(self._tokenizer, self._validation_masker, ids_BT, VALIDATION_MASKING, on_device)
                sums[0] += self._model(batch).double()
                sums[1] += len(batch.labels_M)
            total, count = self._workers.sum(sums).tolist()
            self._validation_losses[self.step] = total / count
        return self._validation_losses[self.step]


def learning_rate(settings: PretrainSettings, step: int) -> float:
    """Linear warm-up to the peak, then linear decay to 0 at the horizon."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup))
    left = (settings.horizon - step) / max(1, settings.horizon - settings.warmup)
    return settings.learning_rate * min(warm, left)


def _adamw(model: torch.nn.Module, settings: PretrainSettings) -> torch.optim.AdamW:
    """AdamW as in the paper (beta 0.9/0.98, eps 1e-6), weight decay on matrices only."""
    decayed = [p for name, p in model.named_parameters() if p.ndim > 1]
    others = [p for name, p in model.named_parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), eps=1e-6, foreach=True)

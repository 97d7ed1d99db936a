"""The pretraining loop: one model, one curriculum, any number of workers, resumable at every checkpoint."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from transformers import PreTrainedModel

from curricula import Evaluation, InputError
from trainers.data import PretrainData
from trainers.models.build import initial_model
from trainers.pretraining import checkpoint
from trainers.pretraining.checkpoint import TrainingState
from trainers.pretraining.clock import Clock
from trainers.pretraining.compute import Compute
from trainers.pretraining.flops import Flops
from trainers.pretraining.learning_rate import cooling, fork_of, learning_rate
from trainers.pretraining.notice import Notice, PreemptedError
from trainers.pretraining.optimiser import adamw
from trainers.pretraining.passes import CPU_TOKENS
from trainers.pretraining.shares import Shares
from trainers.pretraining.validation import Validation, Validator
from trainers.pretraining.watch import EVERY, Watch
from trainers.rng import Stream, derived_seed
from trainers.settings import PLAIN, Execution, PretrainSettings
from trainers.workers import Workers

Branch = Literal["trunk", "cooldown"]


@dataclass(frozen=True)
class Reached:
    """A budget was reached.

    Attributes:
        state: The training state.
        model: The live model; copy it before changing it.
        validation: On the fixed masks.
        branch: `trunk`, or `cooldown` where the learning rate fell to 0 on a branch that ends at this budget.
    """

    state: TrainingState
    model: PreTrainedModel
    validation: Validation
    branch: Branch

    @property
    def validation_loss(self) -> float:
        """In nats a masked token, where spans hide one nucleotide."""
        return self.validation.narrow.loss


def pretrain(
    settings: PretrainSettings,
    data: PretrainData,
    budgets: Sequence[int],
    folder: Path,
    workers: Workers,
    execution: Execution = PLAIN,
    on_step: Callable[[int], None] = lambda step: None,
    has_notice: Callable[[], bool] = lambda: False,
) -> Iterator[Reached]:
    """Train to each budget in turn and yield there; go on from the newest checkpoint in `folder`.

    The loop, whole::

        for step in first .. last:
            every `validate_every` steps: evaluations += perplexity on the fixed masks        (all ranks agree)
            masking = curriculum(step / horizon, evaluations).drawn(chance of (seed, step))   (all ranks agree)
            bases   = samples(seed, numbers of this step)[this rank's slice]
            rows    = mask(tokens(bases), masking, (seed, sample))
            for rows of like length: summed cross-entropy / masked tokens of all ranks -> backward    (DDP adds up)
            clip -> AdamW at learning_rate(step)
            now and then: checkpoint, written while the training goes on
            if any rank has had notice: checkpoint, and leave                                     (all ranks agree)
        with a cool-down: fork before the budget -> the same steps on a branch, learning rate to 0 -> yield -> back
        at a budget: checkpoint, yield

    Everything random is a function of (seed, sample) or (seed, step), so the same settings give the same
    weights after any number of resumptions, and the same batches and masks on any number of workers.

    Args:
        settings: What the numbers are a function of.
        data: Windows, tokenizer and difficulty.
        budgets: Optimiser steps at which to stop and yield, ascending, none above the horizon.
        folder: Where checkpoints lie; those of branches in folders of their own in it.
        workers: This process and its group.
        execution: How it is computed.
        on_step: Called on every rank after each step with the steps done.
        has_notice: Asked on every rank at each step: whether this process will be ended soon.

    Raises:
        InputError: there are fewer rows than workers, a pass does not fit into memory, or a checkpoint of other
            settings lies in `folder`.
        FloatingPointError: the loss is no longer finite, or far above that of guessing.
        OSError: a checkpoint cannot be written.
        PreemptedError: a worker had notice, and a checkpoint lies at the step where all of them left.
    """
    if settings.batch < workers.count:
        raise InputError(
            f"`batch` must have a row for each worker, but got batch={settings.batch}, workers={workers.count}"
        )
    loop = _Loop(settings, data, workers, execution, on_step, Notice(workers, has_notice))
    keep = {budget for budget in budgets if fork_of(settings, budget) == budget}
    try:
        for budget in budgets:
            fork, branch = fork_of(settings, budget), checkpoint.branch_of(folder, budget)
            if fork == budget:
                loop.train(budget, folder, keep)
                yield loop.reached("trunk")
                continue
            if not loop.has(branch, budget):
                loop.train(fork, folder, keep | {fork})
            loop.train(budget, branch, {budget}, fork)
            yield loop.reached("cooldown")
    finally:
        loop.close()


class _Loop:
    """The state of one training; every method is one line of the drawing in `pretrain`."""

    def __init__(
        self,
        settings: PretrainSettings,
        data: PretrainData,
        workers: Workers,
        execution: Execution,
        on_step: Callable[[int], None],
        notice: Notice,
    ) -> None:
        self._settings, self._workers, self._execution, self._on_step = settings, workers, execution, on_step
        self._tokenizer, self._clock, self._notice = data.tokenizer, Clock(workers.device), notice
        self._shares = Shares(settings, data, workers)
        self.model = initial_model(settings.preset, data.tokenizer, settings.seed)
        self._flops = Flops(self.model)
        self._compute = Compute(self.model, settings, execution, workers, self._clock)
        self._optimiser = adamw(self.model, settings.learning_rate, settings.weight_decay)
        self._validator = Validator(data, workers, CPU_TOKENS if workers.device.type == "cpu" else 64 * CPU_TOKENS)
        self._watch = Watch(workers, data.tokenizer.vocabulary_size)
        self._writer = checkpoint.Writer(settings.plain(), data.tokenizer.files(), execution.keep_last)
        self._last_good: int | None = None
        self._is_on_branch = False
        self._go_to(TrainingState(0, settings.fingerprint(), (), 0.0, 0, 0))
        if workers.device.type == "cuda":  # CPUs have no fixed end of memory to be found
            self._compute.fit(self._shares.at(0, (), self._clock))

    def train(self, until: int, root: Path, keep: set[int], fork: int | None = None) -> None:
        """Go on from the newest checkpoint in `root` to a step; on a branch from `fork`, cool down on the way."""
        self._resume(root, until, fork is not None)
        started_at = time.perf_counter()
        while self.step < until:
            self._train_step(1.0 if fork is None else cooling(fork, until, self.step))
            self._on_step(self.step)
            every = self._execution.checkpoint_every
            leaves = self._notice.is_agreed(self.step)
            is_due = leaves or self.step == until or (every > 0 and self.step % every == 0)
            if is_due or self.step % EVERY == 0:
                self._watch.look(self.step, self._last_good)
            if is_due:
                started_at = self._count_time(started_at)
                self._save(root, keep)
            if leaves:
                raise PreemptedError(self.step)
        self._count_time(started_at)

    def _count_time(self, since: float) -> float:
        """Count the seconds since a moment, of one worker and of all: the next ones may be fewer. Return the moment."""
        now = time.perf_counter()
        self._seconds += now - since
        self._worker_seconds += self._workers.count * (now - since)
        return now

    def _resume(self, root: Path, most: int, is_branch: bool) -> None:
        """Find the state to go on from; the trunk knows nothing of what happened on a branch."""
        newest = self._newest(root, most)
        if newest > self.step or (newest and self._is_on_branch):
            self._restore(checkpoint.folder_of(root, newest))
        elif self._is_on_branch and not is_branch:
            self._start()
        self._is_on_branch = is_branch

    def _newest(self, root: Path, most: int) -> int:
        self._writer.wait()
        self._workers.barrier()  # the first worker has written it now
        return max((step for step in checkpoint.complete(root) if step <= most), default=0)

    def has(self, root: Path, step: int) -> bool:
        """Whether a checkpoint is there."""
        return self._newest(root, step) == step

    def _start(self) -> None:
        """Go to the first step."""
        settings = self._settings
        self.model.load_state_dict(initial_model(settings.preset, self._tokenizer, settings.seed).state_dict())
        self._optimiser.state.clear()
        self._go_to(TrainingState(0, settings.fingerprint(), (), 0.0, 0, 0))

    def _restore(self, folder: Path) -> None:
        """Go to a checkpoint."""
        self._go_to(checkpoint.load(folder, self.model, self._optimiser, self._settings.fingerprint()))
        self._last_good = self.step

    def _go_to(self, state: TrainingState) -> None:
        self._state = state
        self.step, self._evaluations = state.step, state.evaluations
        self._seconds, self._worker_seconds = state.seconds, state.worker_seconds
        self._counted = torch.zeros(4, dtype=torch.int64, device=self._workers.device)  # since then, as Share.counts
        self._clock.restart(state.parts)

    def state(self) -> TrainingState:
        """Describe the training as it stands."""
        masked, tokens, read, squared = self._counted.tolist()
        before = self._state
        return TrainingState(
            self.step,
            before.fingerprint,
            self._evaluations,
            self._seconds,
            before.tokens + tokens,
            before.masked_tokens + masked,
            before.flops + self._flops.step(read, squared, masked),
            self._clock.seconds(),
            self._worker_seconds,
        )

    def _save(self, root: Path, keep: set[int]) -> None:
        """The first worker copies the numbers and writes them behind the others' backs."""
        with self._clock.part("checkpoint"):
            if self._workers.rank == 0:
                self._writer.save(root, self.model, self._optimiser, self.state(), keep)
        self._last_good = self.step

    def reached(self, branch: Branch) -> Reached:
        """Measure on the validation rows."""
        state = self.state()
        return Reached(state, self.model, self._validator.both(self._compute.module), branch)

    def close(self) -> None:
        """Wait for the last checkpoint."""
        self._writer.wait()

    def _train_step(self, share_of_rate: float) -> None:
        """One optimiser step over the whole batch."""
        self._evaluate()
        share = self._shares.at(self.step, self._evaluations, self._clock)
        self._shares.prepare(self.step + 1, self._evaluations, self._clock)
        torch.manual_seed(derived_seed(self._settings.seed, Stream.DROPOUT, self.step))
        own = share.counts()
        with self._clock.part("communication"):
            counts = self._notice.hear(self._workers.sum(self._notice.beside(own)))
        loss = self._compute.gradients(share, counts[0])
        with self._clock.part("optimiser"):
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._settings.clip)
            for group in self._optimiser.param_groups:
                group["lr"] = share_of_rate * learning_rate(self._settings, self.step)
            self._optimiser.step()
            self._optimiser.zero_grad(set_to_none=True)
        self._watch.note(self.step, norm, loss, own[0])
        self._counted += counts
        self.step += 1

    def _evaluate(self) -> None:
        """Let the curriculum know the perplexity, every so often."""
        is_known = bool(self._evaluations) and self._evaluations[-1].step == self.step
        if self.step % self._settings.validate_every == 0 and not is_known:
            with self._clock.part("validation"):
                perplexity = self._validator.narrow(self._compute.module).perplexity
            self._evaluations = (*self._evaluations, Evaluation(self.step, perplexity))

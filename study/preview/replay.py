"""Replays curricula on real rows of the corpus and counts what is hidden. Numbers only; nothing is drawn here."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError, Masking
from study.preview.tally import SHOWN, Tally, base_states, count_rows, mixed, weighted_quantiles
from study.runs import data_settings, default_run
from study.schedule import Asked, Schedule, even_steps, rate, shares
from study.spec.study import CONTROL, StudySpec
from trainers import data
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.masking.rows import Rows, row_masker
from trainers.tokens.kmers import SPECIAL_TOKENS, KmerTokenizer
from trainers.tokens.named import tokenizer

PROBABILITIES = (0.1, 0.5, 0.9)
MOMENTS = 24  # intervals between masked moments: quarters of the horizon are among them
EXAMPLE_BASES = 72  # of a row; with a margin they fit a terminal of 80 columns
_TOKENS = 1 << 17  # masked a moment; the standard error of the realised rate is then some tenths of a point
_CANDIDATES = 64  # rows among which the example is looked for
_LEAST_SHARE = 0.05  # of the batches, for a part of a mixture to be shown in an example


@dataclass(frozen=True)
class Measured:
    """What a curriculum asks for at one step, and what is then hidden on real rows.

    Attributes:
        rate_asked: Fraction of the tokens.
        shares: Share of the batches that each strategy masks.
        npmi: Quantiles of the NPMI of the masked tokens, at `PROBABILITIES`; NaN where none is masked.
        bases_hidden: Fraction of the nucleotides that no visible token covers.
    """

    step: int
    asked: Asked
    rate_asked: float
    shares: dict[str, float]
    tally: Tally
    npmi: tuple[float, ...]
    bases_hidden: float


@dataclass(frozen=True)
class Example:
    """One stretch of DNA under one masking.

    Attributes:
        weight: Share of the batches at this step that are masked so.
        letters: The bases.
        states: `SHOWN`, `READABLE` (a masked token covers it, and a visible one) or `HIDDEN`, for each base.
    """

    step: int
    weight: float
    masking: Masking
    letters: str
    states: NDArray[np.uint8]


class Source:
    """Rows as the first seed of a study reads them, and the masker that it hides them with."""

    def __init__(self, spec: StudySpec, corpus: Corpus) -> None:
        """Count the k-mers of the corpus and find its training windows; nothing is written.

        Raises:
            InputError: the corpus has no room for a window.
        """
        settings = data_settings(spec)
        self._windows = data.windows(corpus, settings)[0].windows
        self._kmers = KmerTokenizer(settings.k)
        self.difficulty = data.difficulty_of(corpus, settings)
        self.k, self.length, self.batch = settings.k, settings.length, spec.pretraining.batch
        self._seed = default_run(spec, CONTROL, "control").settings(spec, 1, "").seed  # all runs of a seed share it
        is_learnt = settings.tokens == "bpe"
        reading = data.trained_on(self._windows) if is_learnt else tokenizer(settings.tokens, settings.k)
        self._masker = row_masker(reading, self.difficulty, spec.pretraining.masking, self._seed, self._windows)
        self._cached: dict[int, tuple[torch.Tensor, NDArray[np.int64], torch.Tensor]] = {}

    def rows(self, seed: int, samples_B: torch.Tensor) -> torch.Tensor:
        """Return base codes of these samples, shape (B, L)."""
        return self._windows.sample(seed, samples_B)

    def example_rows(self) -> torch.Tensor:
        """Return the base codes of the rows among which the example is looked for, shape (B, L)."""
        return self.rows(self._seed, torch.arange(_CANDIDATES))

    def masks(self, schedule: Schedule, step: int, masking: Masking, samples_B: torch.Tensor) -> NDArray[np.bool_]:
        """Return which overlapping k-mers of these samples are masked, shape (B, T).

        Raises:
            InputError: the masker refuses what the curriculum asks for; says at which step.
        """
        rows = self._masked(schedule, step, masking, self.rows(self._seed, samples_B), samples_B)
        mask_BT: NDArray[np.bool_] = (rows.mask_BT if rows.track_BT is None else rows.track_BT).numpy()
        return mask_BT

    def _masked(
        self, schedule: Schedule, step: int, masking: Masking, bases_BL: torch.Tensor, samples_B: torch.Tensor
    ) -> Rows:
        try:
            return self._masker(bases_BL, masking, samples_B, None)
        except InputError as error:
            raise InputError(f"curriculum `{schedule.name}` at step {step} of {schedule.horizon}: {error}") from error

    def tally(self, schedule: Schedule, step: int, asked: Asked) -> Tally:
        """Mask the rows that the training reads from this step on, and count."""
        if step not in self._cached:
            rows = max(1, _TOKENS // self.length)
            samples_B = torch.arange(rows) + step * self.batch
            bases_BL = self.rows(self._seed, samples_B)
            self._cached[step] = bases_BL, self._kmers.ids(bases_BL).numpy() - len(SPECIAL_TOKENS), samples_B
        bases_BL, kmers_BT, samples_B = self._cached[step]
        parts = [(weight, masking) for weight, masking in asked.parts if weight]
        masked = [self._masked(schedule, step, masking, bases_BL, samples_B) for _, masking in parts]
        counted = [count_rows(rows, kmers_BT, self.k) for rows in masked]
        return mixed([(weight, tally) for (weight, _), tally in zip(parts, counted, strict=True)])

    def measure(self, schedule: Schedule, step: int) -> Measured:
        """Say what is asked for at a step, and what is then hidden."""
        asked = schedule.at(step)
        tally = self.tally(schedule, step, asked)
        hidden = float(tally.run_bases @ np.arange(len(tally.run_bases)))  # a token
        return Measured(
            step=step,
            asked=asked,
            rate_asked=rate(asked),
            shares=shares(asked),
            tally=tally,
            npmi=weighted_quantiles(self.difficulty.npmi, tally.kmers_V, PROBABILITIES),
            bases_hidden=hidden * self.length / (self.length + self.k - 1),
        )

    def npmi_of_all(self) -> tuple[float, ...]:
        """Return the NPMI quantiles of all tokens of the corpus."""
        counts = self.difficulty.counts.astype(np.float64)
        return weighted_quantiles(self.difficulty.npmi, counts, PROBABILITIES)


def moments(schedule: Schedule) -> list[int]:
    """Return the steps at which rows are masked."""
    return even_steps(schedule, MOMENTS)


def examples(source: Source, schedules: list[Schedule]) -> dict[str, list[Example]]:
    """Show one stretch of DNA at start, middle and end of every schedule, by its name.

    The stretch and its random numbers are the same everywhere, so that only the curricula make a difference. It
    is the one, of some rows, of which every masking hides most nearly as much as it does on average.
    """
    samples_B = torch.arange(_CANDIDATES)
    cases: list[tuple[str, int, float, Masking, NDArray[np.uint8]]] = []
    for schedule in schedules:
        for step in even_steps(schedule, 2):
            first, *others = sorted(schedule.at(step).parts, key=lambda part: -part[0])
            for weight, masking in (first, *(part for part in others if part[0] >= _LEAST_SHARE)):
                mask_BT = source.masks(schedule, step, masking, samples_B)
                cases.append((schedule.name, step, weight, masking, base_states(mask_BT, source.k)))
    row, start = _typical([states_BL > SHOWN for *_, states_BL in cases])
    end = start + EXAMPLE_BASES
    letters = bases.decode(source.example_rows()[row].numpy())[start:end]
    shown: dict[str, list[Example]] = {schedule.name: [] for schedule in schedules}
    for name, step, weight, masking, states_BL in cases:
        shown[name].append(Example(step, weight, masking, letters, states_BL[row, start:end]))
    return shown


def _typical(touched: list[NDArray[np.bool_]]) -> tuple[int, int]:
    """Return row and first base of the stretch whose masked shares are, in sum, closest to their averages."""
    width = min(EXAMPLE_BASES, touched[0].shape[1])
    starts = np.arange(0, touched[0].shape[1] - width + 1, width)
    deviation_BS = np.zeros((len(touched[0]), len(starts)))
    for touched_BL in touched:
        before = np.pad(touched_BL.cumsum(axis=1), ((0, 0), (1, 0)))
        deviation_BS += np.abs((before[:, starts + width] - before[:, starts]) / width - touched_BL.mean())
    row, place = np.unravel_index(deviation_BS.argmin(), deviation_BS.shape)
    return int(row), int(starts[place])

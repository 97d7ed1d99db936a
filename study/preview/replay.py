"""Replays curricula on real rows of the corpus and counts what is hidden. Numbers only; nothing is drawn here."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError, Masking
from study.runs import data_settings, default_run
from study.schedule import Asked, Schedule, even_steps, rate, shares
from study.spec import CONTROL, StudySpec
from trainers import data
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.masking.masker import Masker
from trainers.masking.rates import calibration_rows
from trainers.tokens.kmers import SPECIAL_TOKENS, KmerTokenizer

PROBABILITIES = (0.1, 0.5, 0.9)
MOMENTS = 24  # intervals between masked moments: quarters of the horizon are among them
EXAMPLE_BASES = 72  # of a row; with a margin they fit a terminal of 80 columns
SHOWN, READABLE, HIDDEN = 0, 1, 2  # what masks do to a base
_TOKENS = 1 << 17  # masked a moment; the standard error of the realised rate is then some tenths of a point
_CANDIDATES = 64  # rows among which the example is looked for
_LEAST_SHARE = 0.05  # of the batches, for a part of a mixture to be shown in an example


@dataclass(frozen=True)
class Tally:
    """What the masks of one moment hide, a token; a mixture is the weighted sum of its parts.

    Attributes:
        by_position_T: Masked fraction of the rows at each token position.
        kmers_V: Masked tokens of each k-mer.
        run_tokens: At index t, runs of t masked tokens.
        run_bases: At index n, runs of masked tokens that hide n nucleotides completely.
        error: Standard error of `rate`, from the spread between the rows.
    """

    by_position_T: NDArray[np.float64]
    kmers_V: NDArray[np.float64]
    run_tokens: NDArray[np.float64]
    run_bases: NDArray[np.float64]
    error: float

    @property
    def rate(self) -> float:
        """Masked fraction of the tokens."""
        return float(self.by_position_T.mean())


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


def runs_of(mask_BT: NDArray[np.bool_], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the length in tokens of every run of masked tokens, and the nucleotides that it hides completely.

    Inside a row a run of t tokens hides t - k + 1. A base near the edge of a row is covered by fewer tokens, so
    a run that touches the edge hides t.
    """
    edges = np.diff(np.pad(mask_BT.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
    tokens = ends - starts
    at_edges = (starts == 0).astype(np.int64) + (ends == mask_BT.shape[1])
    return tokens, np.maximum(0, tokens + (k - 1) * (at_edges - 1))


def base_states(mask_BT: NDArray[np.bool_], k: int) -> NDArray[np.uint8]:
    """Return what the masks do to each base, shape (B, T + k - 1)."""
    length = mask_BT.shape[1]
    before = np.pad(mask_BT.cumsum(axis=1), ((0, 0), (1, 0)))
    base_pos = np.arange(length + k - 1)
    first, end = np.maximum(0, base_pos - k + 1), np.minimum(base_pos + 1, length)
    masked = before[:, end] - before[:, first]
    return np.where(masked == end - first, HIDDEN, np.where(masked > 0, READABLE, SHOWN)).astype(np.uint8)


def count(mask_BT: NDArray[np.bool_], kmers_BT: NDArray[np.int64], k: int) -> Tally:
    """Count what these masks hide; `kmers_BT` are k-mers in vocabulary order, from 0."""
    length = mask_BT.shape[1]
    tokens, hidden = runs_of(mask_BT, k)
    return Tally(
        by_position_T=mask_BT.mean(axis=0),
        kmers_V=np.bincount(kmers_BT[mask_BT], minlength=4**k) / mask_BT.size,
        run_tokens=np.bincount(tokens, minlength=length + 1) / mask_BT.size,
        run_bases=np.bincount(hidden, minlength=length + k) / mask_BT.size,
        error=float(mask_BT.mean(axis=1).std()) / math.sqrt(len(mask_BT)),
    )


def mixed(parts: Sequence[tuple[float, Tally]]) -> Tally:
    """Return what a mixture hides, given the weight of each part and what it hides alone."""

    def mean(counted: Callable[[Tally], NDArray[np.float64]]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.sum([weight * counted(tally) for weight, tally in parts], axis=0)
        return total

    return Tally(
        by_position_T=mean(lambda tally: tally.by_position_T),
        kmers_V=mean(lambda tally: tally.kmers_V),
        run_tokens=mean(lambda tally: tally.run_tokens),
        run_bases=mean(lambda tally: tally.run_bases),
        error=math.hypot(*(weight * tally.error for weight, tally in parts)),
    )


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], probabilities: Iterable[float]
) -> tuple[float, ...]:
    """Return for each probability the smallest value that at least this share of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    cumulative = weights[order].cumsum()
    if not len(cumulative) or cumulative[-1] <= 0:
        return tuple(float("nan") for _ in probabilities)
    targets = np.array(list(probabilities)) * cumulative[-1]
    places = np.searchsorted(cumulative, targets * (1 - 1e-12))
    return tuple(float(value) for value in values[order][places])


class Source:
    """Rows as the first seed of a study reads them, and the masker that it hides them with."""

    def __init__(self, spec: StudySpec, corpus: Corpus) -> None:
        """Count the k-mers of the corpus and find its training windows; nothing is written.

        Raises:
            InputError: the corpus has no room for a window.
        """
        settings = data_settings(spec)
        self._windows = data.windows(corpus, settings)[0].windows
        self._tokenizer = KmerTokenizer(settings.k)
        self.difficulty = data.difficulty_of(corpus, settings)
        self.k, self.length, self.batch = settings.k, settings.length, spec.pretraining.batch
        self._seed = default_run(spec, CONTROL, "control").settings(spec, 1, "").seed  # all runs of a seed share it
        calibration_BT = calibration_rows(self._windows, settings.k)
        self._masker = Masker(self.difficulty, spec.pretraining.masking, self._seed, calibration_BT)
        self._cached: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def rows(self, seed: int, samples_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return base codes, shape (B, L), and k-mer ids, shape (B, T), of these samples."""
        bases_BL = self._windows.sample(seed, samples_B)
        return bases_BL, self._tokenizer.ids(bases_BL)

    def example_rows(self) -> torch.Tensor:
        """Return the base codes of the rows among which the example is looked for, shape (B, L)."""
        return self.rows(self._seed, torch.arange(_CANDIDATES))[0]

    def masks(self, schedule: Schedule, step: int, masking: Masking, samples_B: torch.Tensor) -> NDArray[np.bool_]:
        """Return which tokens of these samples are masked, shape (B, T).

        Raises:
            InputError: the masker refuses what the curriculum asks for; says at which step.
        """
        ids_BT = self.rows(self._seed, samples_B)[1]
        return self._masked(schedule, step, masking, ids_BT, samples_B)

    def _masked(
        self, schedule: Schedule, step: int, masking: Masking, ids_BT: torch.Tensor, samples_B: torch.Tensor
    ) -> NDArray[np.bool_]:
        try:
            mask_BT: NDArray[np.bool_] = self._masker(ids_BT, masking, samples_B).mask_BT.numpy()
        except InputError as error:
            raise InputError(f"curriculum `{schedule.name}` at step {step} of {schedule.horizon}: {error}") from error
        return mask_BT

    def tally(self, schedule: Schedule, step: int, asked: Asked) -> Tally:
        """Mask the rows that the training reads from this step on, and count."""
        if step not in self._cached:
            rows = max(1, _TOKENS // self.length)
            samples_B = torch.arange(rows) + step * self.batch
            self._cached[step] = (self.rows(self._seed, samples_B)[1], samples_B)
        ids_BT, samples_B = self._cached[step]
        kmers_BT = ids_BT.numpy() - len(SPECIAL_TOKENS)
        parts = [(weight, masking) for weight, masking in asked.parts if weight]
        masks = [self._masked(schedule, step, masking, ids_BT, samples_B) for _, masking in parts]
        return mixed([(weight, count(mask, kmers_BT, self.k)) for (weight, _), mask in zip(parts, masks, strict=True)])

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

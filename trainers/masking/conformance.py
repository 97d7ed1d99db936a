"""Whether the masks of a curriculum are what a study takes them for; `python -m curricula.check` asks.

The masks are made of the embedded genome by the masker that trains, with matched budgets and k = 6.
"""

import functools
from collections.abc import Iterator

import numpy as np
import torch

from curricula import Curriculum, Masking, Strategy
from curricula.answer import Answer
from curricula.replay import histories, places
from trainers import embedded
from trainers.genome.split import Split
from trainers.genome.windows import Windows
from trainers.masking.difficulty import Difficulty
from trainers.masking.masker import Masker
from trainers.masking.rates import calibration_rows
from trainers.settings import Budget
from trainers.tokens.kmers import CLS, PAD, SEP, KmerTokenizer

_K = 6
_LENGTHS = (64, 128, 256, 510)  # tokens
_TOKENS = 1 << 20  # whose masked share is compared with the rate: one standard error is a tenth of a point
_ROWS = 4096  # at which the share of a position has a standard error of 4 % of itself
_HORIZON = 100
_SEED = 11


class _Bench:
    """Rows of the embedded genome and the masker that the loop would use."""

    def __init__(self) -> None:
        genome = embedded.genome()
        training, _ = Split(block=20_000, validation_share=0.1, seed=0).intervals(genome)
        longest = max(_LENGTHS)
        self._tokenizer = KmerTokenizer(_K)
        self._windows = Windows(genome, training, longest + _K - 1, "training")
        calibration_BT = calibration_rows(self._windows, _K)
        self._masker = Masker(Difficulty.of(genome, _K), Budget.MATCHED, _SEED, calibration_BT)

    def rows(self, count: int, length: int, seed: int) -> torch.Tensor:
        """Return k-mer ids, shape (count, length)."""
        return self._tokenizer.ids(self._windows.sample(seed, torch.arange(count)))[:, :length]

    def spread(self, count: int, length: int) -> torch.Tensor:
        """Return k-mer ids of evenly spaced rows, others than the centre probabilities were solved on."""
        return self._tokenizer.ids(self._windows.spread(count, phase=0.0))[:, :length]

    def mask(self, ids_BT: torch.Tensor, masking: Masking, first: int = 0) -> torch.Tensor:
        """Return the mask of rows that are the samples first, first + 1, ..., bool, shape (B, T)."""
        samples_B = torch.arange(first, first + len(ids_BT))
        parts = zip(torch.split(ids_BT, 256), torch.split(samples_B, 256), strict=True)
        return torch.cat([self._masker(ids, masking, samples).mask_BT for ids, samples in parts])

    def padded(self, ids_BT: torch.Tensor, masking: Masking, lengths: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the model's input and the mask over it of rows that end in padding, both shape (B, T + 2)."""
        inside_BT = torch.arange(ids_BT.shape[1]) < torch.from_numpy(lengths)[:, None]
        ids_BT = torch.where(inside_BT, ids_BT, PAD)
        masked = self._masker(ids_BT, masking, torch.arange(len(ids_BT)), lengths)
        return self._tokenizer.wrap(masked.inputs_BT), torch.nn.functional.pad(masked.mask_BT, (1, 1))


@functools.cache
def _bench() -> _Bench:
    return _Bench()


def checks(built: Curriculum) -> Iterator[Answer]:
    """Answer the questions about masks, one after another; some seconds in all."""
    bench = _bench()
    maskings = _maskings(built)
    yield _depends_on_dna(bench, maskings)
    yield _positions_are_even(bench, maskings)
    yield _rates_are_met(bench, maskings)
    yield _workers_agree(bench, maskings)
    yield _padding_stays(bench, maskings)


def _maskings(built: Curriculum) -> list[Masking]:
    """Return what the curriculum asks for at five places of its horizon: without evaluations, falling, and flat."""
    found = []
    for history in histories(_HORIZON):
        for at in places(_HORIZON, history, points=5):
            found += [masking for weight, masking in built(at).parts if weight > 0]
    return list(dict.fromkeys(found))


def _one_a_strategy(maskings: list[Masking]) -> list[Masking]:
    """Return one masking for each strategy and span: the one that is most particular about its centres."""
    ascending = sorted(maskings, key=lambda masking: masking.min_quantile)
    return list({(m.strategy, m.span, m.placebo): m for m in ascending}.values())


def _looks_at_npmi(masking: Masking) -> bool:
    return masking.strategy.uses_npmi and (masking.strategy is not Strategy.PMI_THRESHOLD or masking.min_quantile > 0)


def _depends_on_dna(bench: _Bench, maskings: list[Masking]) -> Answer:
    question = "does the mask depend on the DNA?"
    ranked = [masking for masking in _one_a_strategy(maskings) if _looks_at_npmi(masking)]
    if not ranked:
        return Answer(question, True, "random masks need not, and the curriculum asks for no others")
    for masking in ranked:
        one, other = (bench.mask(bench.rows(256, 128, seed), masking) for seed in (1, 2))
        drawn_B = one.any(dim=1) & other.any(dim=1)
        differ = float((one[drawn_B] != other[drawn_B]).any(dim=1).double().mean()) if drawn_B.any() else 0.0
        if differ < 0.5:
            reason = f"under the same random numbers, {differ:.0%} of the rows get other masks for other DNA"
            return Answer(question, False, f"{masking.strategy}: {reason}")
    return Answer(question, True, "other rows get other masks under the same random numbers")


def _positions_are_even(bench: _Bench, maskings: list[Masking]) -> Answer:
    question = "is every position reachable?"
    ids_BT = bench.rows(_ROWS, max(_LENGTHS), seed=3)
    lowest, highest = 1.0, 1.0
    for masking in _one_a_strategy(maskings):
        share_T = bench.mask(ids_BT, masking).double().mean(dim=0)
        never = int((share_T == 0).sum())
        if never:
            return Answer(question, False, f"{masking.strategy}: {never} of {len(share_T)} positions are never masked")
        edge = 2 * _K + masking.span  # spans are cut off at the edges of a row
        inner_T = share_T[edge:-edge] / share_T[edge:-edge].mean()
        lowest, highest = min(lowest, float(inner_T.min())), max(highest, float(inner_T.max()))
        if lowest < 0.6 or highest > 1.5:
            reason = f"positions are masked {lowest:.2f} to {highest:.2f} times as often as the mean, whatever the DNA"
            return Answer(question, False, f"{masking.strategy}: {reason}")
    return Answer(question, True, f"away from the edges, {lowest:.2f} to {highest:.2f} times as often as the mean")


def _rates_are_met(bench: _Bench, maskings: list[Masking]) -> Answer:
    question = f"is the rate within 0.5 points of the asked one at {_LENGTHS[0]}..{_LENGTHS[-1]} tokens?"
    worst, where = 0.0, ""
    for length in _LENGTHS:
        ids_BT = bench.spread(_TOKENS // length, length)
        for masking in maskings:
            missed = float(bench.mask(ids_BT, masking).double().mean()) - masking.rate
            if abs(missed) >= abs(worst):
                worst, where = missed, f"{masking.strategy} at rate {masking.rate:.3f} and {length} tokens"
    return Answer(question, abs(worst) <= 0.005, f"at most {100 * worst:+.2f} points off, {where}")


def _workers_agree(bench: _Bench, maskings: list[Masking]) -> Answer:
    question = "is the mask the same on 1, 2 and 4 workers?"
    ids_BT = bench.rows(32, 128, seed=5)
    for masking in maskings:
        whole_BT = bench.mask(ids_BT, masking)
        for workers in (2, 4):
            share = len(ids_BT) // workers
            parts = [bench.mask(ids_BT[first : first + share], masking, first) for first in range(0, 32, share)]
            if not torch.equal(torch.cat(parts), whole_BT):
                return Answer(question, False, f"{masking.strategy}: {workers} workers mask other tokens than one")
    return Answer(question, True, "equal, token by token")


def _padding_stays(bench: _Bench, maskings: list[Masking]) -> Answer:
    question = "are special tokens and padding never touched?"
    ids_BT = bench.rows(64, 128, seed=6)
    lengths = np.linspace(32, 128, 64).astype(np.int64)
    position_T = torch.arange(130)
    padding_BT = position_T > torch.from_numpy(lengths)[:, None]  # [SEP] closes the batch's longest row only
    for masking in maskings:
        inputs_BT, mask_BT = bench.padded(ids_BT, masking, lengths)
        kept = bool((inputs_BT[:, 0] == CLS).all() and (inputs_BT[:, -1] == SEP).all())
        kept &= bool((inputs_BT[:, 1:-1][padding_BT[:, 1:-1]] == PAD).all())
        if mask_BT[:, 0].any() or mask_BT[padding_BT].any() or not kept:
            return Answer(question, False, f"{masking.strategy}: a special token or padding was masked or replaced")
        alone = bench.mask(ids_BT[:1, : lengths[0]], masking)
        if not torch.equal(alone[0], mask_BT[0, 1 : lengths[0] + 1]):
            return Answer(question, False, f"{masking.strategy}: padding changes the mask of the row before it")
    return Answer(question, True, "and rows before padding keep the masks that they have without it")

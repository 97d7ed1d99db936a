"""Centre probabilities against the definition: the expected masked fraction, added up token by token."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curricula import Masking, Strategy
from tests.dna import difficulty_by_hand, ids_of, random_letters
from trainers.genome.split import Split
from trainers.genome.windows import Windows
from trainers.masking.rates import CALIBRATION_TOKENS, Rates, calibration_rows
from trainers.masking.spans import reach
from trainers.masking.strategies import Strategies
from trainers.settings import Budget


def rates_of(k: int, budget: Budget, rows: int = 8, tokens: int = 60) -> Rates:
    ids_BT = ids_of(k, *(random_letters(tokens + k - 1, seed=row) for row in range(rows)))
    return Rates(Strategies(difficulty_by_hand(k)), budget, ids_BT)


def expected_fraction(length: int, width: int, p: float) -> float:
    """Every token may be a centre: a token stays visible if none of the positions that would cover it is drawn."""
    left, right = reach(width)
    covering = [min(length, at + left + 1) - max(0, at - right) for at in range(length)]
    return float(np.mean([1 - (1 - p) ** count for count in covering]))


@given(st.integers(1, 6), st.integers(1, 9), st.floats(0.02, 0.9), st.data())
def test_random_masks_as_much_as_asked_at_every_length(k, span, rate, data):
    width = k + span - 1
    lengths = np.array(data.draw(st.lists(st.integers(width, 300), min_size=1, max_size=5)))
    found = rates_of(k, Budget.MATCHED).p(Masking(Strategy.RANDOM, rate, span), lengths)
    for length, p in zip(lengths, found, strict=True):
        assert expected_fraction(length, width, p) == pytest.approx(rate, abs=2e-4)


@pytest.mark.parametrize("budget", Budget)
@pytest.mark.parametrize("strategy", Strategy)
def test_a_rows_probability_depends_on_its_own_length_only(strategy, budget):
    rates, masking = rates_of(3, budget), Masking(strategy, 0.2, span=2, min_quantile=0.3)
    lengths = np.array([60, 12, 33, 12, 59])
    together = rates.p(masking, lengths)
    assert together.tolist() == [float(rates.p(masking, np.array([length]))[0]) for length in lengths]
    assert together[1] == together[3]


def test_paper_divides_by_the_mean_width():
    rates, lengths = rates_of(6, Budget.PAPER), np.array([60])
    published = {
        Masking(Strategy.RANDOM, 0.15): 0.15 / 6,
        Masking(Strategy.RANDOM, 0.15, span=6): 0.15 / 11,
        Masking(Strategy.GENEMASK, 0.15): 0.15 / 8.5,
        Masking(Strategy.GLOBAL, 0.15, span=6): 0.15 / 11,
    }
    for masking, p in published.items():
        assert float(rates.p(masking, lengths)[0]) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize("quantile", [0.0, 0.01, 0.33, 0.5, 0.777, 0.9])
def test_a_threshold_between_two_of_the_grid_is_solved_as_if_it_were_one_of_them(quantile, genome, difficulty_6):
    training, _ = Split(20_000, 0.1, 0).intervals(genome)
    rows_BT = calibration_rows(Windows(genome, training, 133, "training"), 6)
    assert rows_BT.numel() == pytest.approx(CALIBRATION_TOKENS, rel=0.01)
    rates = Rates(Strategies(difficulty_6), Budget.MATCHED, rows_BT)
    masking, lengths = Masking(Strategy.PMI_THRESHOLD, 0.15, min_quantile=quantile), np.array([128])
    exactly = float(rates._of_threshold(masking, 6, lengths)[0])
    assert float(rates.p(masking, lengths)[0]) == pytest.approx(exactly, rel=0.01)


def test_rates_move_probabilities_the_same_way():
    rates, lengths = rates_of(3, Budget.MATCHED, rows=64), np.array([40])
    for strategy in Strategy:
        rising = [float(rates.p(Masking(strategy, rate, span=2), lengths)[0]) for rate in (0.05, 0.1, 0.2, 0.4, 0.6)]
        assert rising == sorted(rising), strategy
        assert rising[0] < rising[-1]


def test_nothing_is_solved_twice():
    rates, masking, calls = rates_of(3, Budget.MATCHED), Masking(Strategy.GENEMASK, 0.2), []
    strategies = rates._strategies
    masked_at = strategies.mask_at
    strategies.mask_at = lambda *given: calls.append(1) or masked_at(*given)
    first = rates.p(masking, np.array([60]))
    so_far = len(calls)
    assert so_far > 0
    assert torch.equal(torch.from_numpy(rates.p(masking, np.array([60]))), torch.from_numpy(first))
    assert len(calls) == so_far

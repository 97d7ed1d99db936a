"""Centre probabilities for whole tokens: what is realised on other rows than those they are solved on."""

import numpy as np
import pytest
import torch

from curricula import InputError, Masking, Strategy
from tests.dna import difficulty_by_hand, random_letters
from trainers import data
from trainers.genome.split import Split
from trainers.genome.windows import Windows
from trainers.masking.rates import calibration_bases
from trainers.masking.strategies import Strategies
from trainers.masking.token_rates import TokenRates
from trainers.masking.whole_tokens import WholeTokenMasker
from trainers.settings import Budget
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.tokenizer import Tokenizer

MASKINGS = [
    Masking(Strategy.RANDOM, 0.15),
    Masking(Strategy.PMI_THRESHOLD, 0.15, span=6, min_quantile=0.5),
    Masking(Strategy.GENEMASK, 0.3),
]
_BASES = 300_000  # bases of the rows that are masked


@pytest.fixture(scope="module")
def training(genome) -> Windows:
    intervals, _ = Split(20_000, 0.1, 0).intervals(genome)
    return Windows(genome, intervals, 135, "training")


@pytest.fixture(scope="module", params=["blocks", "bpe"])
def tokenizer(request, training) -> Tokenizer:
    return BlockTokenizer(6) if request.param == "blocks" else data.trained_on(training)


@pytest.fixture(scope="module")
def masker(tokenizer, training, difficulty_6) -> WholeTokenMasker:
    return WholeTokenMasker(tokenizer, difficulty_6, Budget.MATCHED, 3, training)


def realised(masker: WholeTokenMasker, bases_BL: torch.Tensor, masking: Masking) -> float:
    masked, tokens = 0, 0
    for samples_B in torch.split(torch.arange(len(bases_BL)), 512):
        rows = masker(bases_BL[samples_B], masking, samples_B, None)
        masked += int(rows.mask_BT.sum())
        tokens += rows.mask_BT.numel() if rows.lengths is None else int(rows.lengths.sum())
    return masked / tokens


@pytest.mark.parametrize("width", [135, 71, 64])  # 3, 5 and 4 bases are in no block
def test_matched_budgets_mask_the_asked_share_of_the_models_tokens(width, masker, training):
    bases_BL = training.spread(_BASES // width, phase=0.1)[:, :width]
    missed = {one: realised(masker, bases_BL, one) - one.rate for one in MASKINGS}
    assert {one: off for one, off in missed.items() if abs(off) >= 0.005} == {}


def rates_of(budget: Budget, rows: int = 40, width: int = 62) -> TokenRates:
    letters = np.stack([np.frombuffer(random_letters(width, row).encode(), np.uint8) for row in range(rows)])
    codes = np.searchsorted([65, 67, 71, 84], letters).astype(np.uint8)
    return TokenRates(Strategies(difficulty_by_hand(3)), budget, BlockTokenizer(3), torch.from_numpy(codes))


@pytest.mark.parametrize("budget", Budget)
@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.PMI_THRESHOLD, Strategy.GLOBAL, Strategy.GENEMASK])
def test_a_rows_probability_depends_on_its_own_length_only(strategy, budget):
    rates, masking = rates_of(budget), Masking(strategy, 0.2, span=2, min_quantile=0.3)
    lengths = np.array([60, 12, 33, 12, 59, 5])
    together = rates.p(masking, lengths)
    again = rates_of(budget)
    assert together.tolist() == [float(again.p(masking, np.array([length]))[0]) for length in lengths]


def test_paper_divides_by_the_mean_width():
    rates = rates_of(Budget.PAPER)
    assert rates.p(Masking(Strategy.RANDOM, 0.15, span=2), np.array([60, 9])).tolist() == [0.15 / 4] * 2
    assert rates.p(Masking(Strategy.GENEMASK, 0.15), np.array([60])).tolist() == [0.15 / 4]


def test_a_rate_that_cannot_be_had_is_approached_as_far_as_it_goes():
    masking = Masking(Strategy.PMI_THRESHOLD, 0.9, min_quantile=0.95)
    assert rates_of(Budget.MATCHED).p(masking, np.array([60])).tolist() == [1.0]


def test_rows_wider_than_those_to_calibrate_with_are_refused():
    with pytest.raises(InputError, match=r"calibration rows must be as wide .* have 62 bases, and the rows 63"):
        rates_of(Budget.MATCHED).p(Masking(Strategy.RANDOM, 0.15), np.array([61]))


def test_calibration_rows_are_spread_over_the_windows(training):
    rows_BL = calibration_bases(training, 6)
    assert rows_BL.shape == (-(-(1 << 20) // 130), 135)

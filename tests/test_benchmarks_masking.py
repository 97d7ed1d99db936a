"""The plain loop that masking is timed against masks the same tokens, given the same draws."""

import pytest
import torch

from curricula import Masking, Strategy
from tests.benchmarks.masking import PLAIN, RATE, K, plain_batch
from tests.dna import ids_of, random_letters
from trainers.masking.masker import Masker
from trainers.rng import Stream, uniforms
from trainers.settings import Budget
from trainers.tokens.kmers import MASK


@pytest.mark.parametrize("strategy", PLAIN)
def test_the_baseline_is_the_same_rule(strategy, difficulty_6):
    ids_BT = ids_of(K, *(random_letters(200, seed=row) for row in range(40)))
    u_BT = uniforms(0, Stream.MASK, torch.arange(40), ids_BT.shape[1])
    masker = Masker(difficulty_6, Budget.PAPER, 0, ids_BT)
    mask_BT = masker.choose(ids_BT, Masking(Strategy(strategy), RATE, span=6), u_BT)
    draws = iter(u_BT.flatten().tolist())
    rank = [4**K] * 5 + difficulty_6.rank.tolist()
    inputs_BT, labels_BT = plain_batch(ids_BT, rank, strategy, lambda: next(draws))
    assert torch.equal(labels_BT != -100, mask_BT)
    assert torch.equal(labels_BT[mask_BT], ids_BT[mask_BT])
    assert torch.equal(inputs_BT[~mask_BT], ids_BT[~mask_BT])
    assert float((inputs_BT[mask_BT] == MASK).double().mean()) == pytest.approx(0.8, abs=0.05)

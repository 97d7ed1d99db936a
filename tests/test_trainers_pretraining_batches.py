"""Batches as a model reads them."""

import torch

from curricula import Masking, Strategy
from tests.dna import difficulty_by_hand, ids_of, random_letters
from trainers.masking.masker import Masker
from trainers.pretraining.batches import VALIDATION_MASKING, masked_batch
from trainers.settings import Budget
from trainers.tokens.kmers import CLS, SEP, KmerTokenizer


def test_a_batch_has_a_frame_that_is_never_masked_and_the_hidden_tokens_as_labels():
    ids_BT = ids_of(3, *(random_letters(40, seed=row) for row in range(16)))
    masker = Masker(difficulty_by_hand(3), Budget.MATCHED, 0, ids_BT)
    masking, samples_B = Masking(Strategy.RANDOM, rate=0.4), torch.arange(16)
    batch = masked_batch(KmerTokenizer(3), masker, ids_BT, masking, samples_B)
    masked = masker(ids_BT, masking, samples_B)
    assert batch.inputs_BT.shape == batch.mask_BT.shape == (16, 38 + 2)
    assert (batch.inputs_BT[:, 0] == CLS).all()
    assert (batch.inputs_BT[:, -1] == SEP).all()
    assert not batch.mask_BT[:, [0, -1]].any()
    assert torch.equal(batch.mask_BT[:, 1:-1], masked.mask_BT)
    assert torch.equal(batch.inputs_BT[:, 1:-1], masked.inputs_BT)
    assert torch.equal(batch.labels_M, ids_BT[masked.mask_BT])
    assert int(batch.labels_M.min()) >= 5


def test_validation_is_dnaberts_masking_for_every_curriculum():
    assert Masking(Strategy.RANDOM, rate=0.15, span=1) == VALIDATION_MASKING

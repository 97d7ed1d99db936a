"""The rows of a step, framed by special tokens and cut into passes."""

import numpy as np
import pytest
import torch

from curricula import Masking, Strategy
from tests.dna import difficulty_by_hand, ids_of, random_letters
from trainers.masking.masker import Masker
from trainers.masking.rows import Rows
from trainers.pretraining.batches import Share
from trainers.settings import Budget
from trainers.tokens.kmers import CLS, PAD, SEP, KmerTokenizer

LENGTHS = np.array([38, 10, 38, 25, 3, 38, 12, 30])


def rows(lengths: np.ndarray | None) -> Rows:
    ids_BT = ids_of(3, *(random_letters(40, seed=row) for row in range(8)))
    if lengths is not None:
        ids_BT = torch.where(torch.arange(38) < torch.from_numpy(lengths)[:, None], ids_BT, PAD)
    masker = Masker(difficulty_by_hand(3), Budget.PAPER, 0, ids_BT)
    masked = masker(ids_BT, Masking(Strategy.RANDOM, rate=0.4), torch.arange(8), lengths)
    return Rows(ids_BT, masked.inputs_BT, masked.mask_BT, lengths)


def test_a_whole_share_is_one_batch_with_a_frame_that_is_never_asked_about():
    own = rows(None)
    (batch,) = Share(KmerTokenizer(3), own).passes([np.arange(8)])
    assert batch.inputs_BT.shape == (8, 38 + 2)
    assert (batch.inputs_BT[:, 0] == CLS).all()
    assert (batch.inputs_BT[:, -1] == SEP).all()
    assert torch.equal(batch.inputs_BT[:, 1:-1], own.inputs_BT)
    assert batch.real_BT is None
    assert torch.equal(batch.labels_M, own.ids_BT[own.mask_BT])
    asked = torch.zeros(8 * 40, dtype=torch.bool)
    asked[batch.masked_M] = True
    assert torch.equal(asked.view(8, 40)[:, 1:-1], own.mask_BT)
    assert int(batch.labels_M.min()) >= 5


@pytest.mark.parametrize("groups", [[[0, 2, 5], [7], [3, 6, 1], [4]], [list(range(8))], [[n] for n in range(8)]])
def test_passes_ask_about_every_masked_token_once_and_have_no_more_padding_than_their_longest_row(groups):
    own = rows(LENGTHS)
    share = Share(KmerTokenizer(3), own)
    passes = list(share.passes([np.array(group) for group in groups]))
    for group, batch in zip(groups, passes, strict=True):
        longest = LENGTHS[group].max() + 2
        assert batch.inputs_BT.shape == (len(group), longest)
        labels_BT = torch.full((len(group), longest), -1)
        labels_BT.view(-1)[batch.masked_M] = batch.labels_M
        for at, row in enumerate(group):
            tokens = LENGTHS[row]
            assert batch.inputs_BT[at, : tokens + 2].tolist() == [CLS, *own.inputs_BT[row, :tokens].tolist(), SEP]
            assert (batch.inputs_BT[at, tokens + 2 :] == PAD).all()
            assert (
                labels_BT[at, 1 : tokens + 1].tolist()
                == [
                    token if hidden else -1
                    for token, hidden in zip(own.ids_BT[row].tolist(), own.mask_BT[row].tolist(), strict=True)
                ][:tokens]
            )
            if batch.real_BT is not None:
                assert batch.real_BT[at].tolist() == [place < tokens + 2 for place in range(longest)]
    assert sum(len(batch.labels_M) for batch in passes) == int(own.mask_BT.sum())


def test_a_share_counts_its_tokens():
    share = Share(KmerTokenizer(3), rows(LENGTHS))
    masked, tokens, read, squared = share.counts().tolist()
    assert masked == int(share.rows.mask_BT.sum())
    assert tokens == share.tokens == LENGTHS.sum()
    assert read == (LENGTHS + 2).sum()
    assert squared == ((LENGTHS + 2) ** 2).sum()

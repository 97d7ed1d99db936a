"""From base codes to masked tokens, for every kind of token."""

import numpy as np
import pytest
import torch

from curricula import Masking, Strategy
from tests import bpe
from tests.dna import corpus_of, difficulty_by_hand, random_letters
from trainers.genome import bases
from trainers.genome.windows import Windows
from trainers.masking.masker import Masker
from trainers.masking.rates import calibration_rows
from trainers.masking.rows import row_masker
from trainers.masking.whole_tokens import WholeTokenMasker
from trainers.settings import Budget
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.kmers import PAD, KmerTokenizer

MASKING = Masking(Strategy.GENEMASK, 0.2)
TABLE = difficulty_by_hand(3, "ACG", "TTT")


@pytest.fixture(scope="module")
def windows() -> Windows:
    return Windows(corpus_of(random_letters(9_000)), np.array([[0, 9_000]]), 62, "training")


@pytest.mark.parametrize("budget", Budget)
def test_overlapping_kmers_are_masked_by_the_masker(budget, windows):
    bases_BL, samples_B = windows.sample(1, torch.arange(20)), torch.arange(20)
    rows = row_masker(KmerTokenizer(3), TABLE, budget, 4, windows)(bases_BL, MASKING, samples_B, None)
    ids_BT = KmerTokenizer(3).ids(bases_BL)
    masked = Masker(TABLE, budget, 4, calibration_rows(windows, 3))(ids_BT, MASKING, samples_B)
    assert torch.equal(rows.ids_BT, ids_BT)
    assert torch.equal(rows.inputs_BT, masked.inputs_BT)
    assert torch.equal(rows.mask_BT, masked.mask_BT)
    assert rows.lengths is None
    assert rows.track_BT is None


def test_shorter_rows_of_overlapping_kmers_end_in_padding(windows):
    bases_BL, samples_B = windows.sample(1, torch.arange(20)), torch.arange(20)
    widths = np.linspace(10, 62, 20).astype(np.int64)
    bases_BL[torch.arange(62) >= torch.from_numpy(widths)[:, None]] = bases.OTHER
    rows = row_masker(KmerTokenizer(3), TABLE, Budget.PAPER, 4, windows)(bases_BL, MASKING, samples_B, widths)
    assert rows.lengths.tolist() == (widths - 2).tolist()
    behind_BT = torch.arange(60) >= torch.from_numpy(rows.lengths)[:, None]
    assert (rows.inputs_BT[behind_BT] == PAD).all()
    assert not rows.mask_BT[behind_BT].any()
    masker = Masker(TABLE, Budget.PAPER, 4, calibration_rows(windows, 3))
    masked = masker(KmerTokenizer(3).ids(bases_BL), MASKING, samples_B, widths - 2)
    assert torch.equal(rows.mask_BT, masked.mask_BT)
    assert torch.equal(rows.inputs_BT[~behind_BT], masked.inputs_BT[~behind_BT])


def test_other_tokens_are_masked_whole(windows):
    for tokenizer in (BlockTokenizer(3), bpe.by_hand("A C", "T T")):
        assert isinstance(row_masker(tokenizer, TABLE, Budget.MATCHED, 4, windows), WholeTokenMasker)


@pytest.mark.parametrize(
    "tokenizer", [KmerTokenizer(3), BlockTokenizer(3), bpe.by_hand("A C")], ids=lambda one: one.kind
)
def test_a_worker_may_have_no_rows(tokenizer, windows):
    none_B = torch.arange(0)
    masker = row_masker(tokenizer, TABLE, Budget.PAPER, 4, windows)
    rows = masker(torch.zeros(0, 62, dtype=torch.uint8), MASKING, none_B, None)
    assert [len(part) for part in (rows.ids_BT, rows.inputs_BT, rows.mask_BT)] == [0, 0, 0]


@pytest.mark.parametrize("tokenizer", [KmerTokenizer(3), BlockTokenizer(3)], ids=lambda one: one.kind)
@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.PMI_THRESHOLD, Strategy.GLOBAL, Strategy.GENEMASK])
def test_nothing_is_asked_of_the_device(tokenizer, strategy, windows):
    """A tensor on the meta device has no numbers, so looking at one, which would stop a GPU, is an error."""
    masker, masking = row_masker(tokenizer, TABLE, Budget.PAPER, 4, windows), Masking(strategy, 0.2, min_quantile=0.3)
    on_host_BL = windows.sample(1, torch.arange(20))
    samples_B = torch.arange(20, device="meta")
    for widths in (None, np.linspace(10, 62, 20).astype(np.int64)):
        for bases_BL in (on_host_BL, on_host_BL.to("meta")):
            rows = masker(bases_BL, masking, samples_B, widths)
            assert (rows.mask_BT.device.type, len(rows.inputs_BT)) == ("meta", 20)
    with pytest.raises(RuntimeError, match="meta"):
        bool(rows.mask_BT.any())  # so this test can fail

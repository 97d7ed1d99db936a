"""Whole tokens that hold hidden bases: two rows worked out by hand, and what masks of them depend on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError, Masking, Strategy
from tests import bpe
from tests.dna import acgt, corpus_of, difficulty_by_hand, ids_of, random_letters
from trainers.genome import bases
from trainers.genome.windows import Windows
from trainers.masking.masker import Masker
from trainers.masking.rows import row_masker
from trainers.masking.spans import hidden_bases
from trainers.masking.token_rates import whole_tokens
from trainers.masking.whole_tokens import WholeTokenMasker
from trainers.settings import Budget
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.bpe import BpeTokenizer
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer

# Fourteen bases: twelve overlapping 3-mers; four blocks of three and two letters; or nine tokens by merges.
ROW = "ACGTTTTACCAGGA"
BLOCKS = "000111222333" + "45"
MERGED = "000" + "11" + "22" + "33" + "4" + "5" + "6" + "7" + "8"  # ACG TT TT AC C A G G A
MERGES = ("A C", "T T", "AC G")

# the span in nucleotides, the 3-mers that are centres (C) and those masked then (M), the bases that no visible 3-mer
# shows (x), and the tokens that hold one
TABLE = {
    "one base": (1, "....C.......", "...MMM......", ".....x........", "1", "2"),
    "two bases of two blocks": (2, "....C.......", "...MMMM.....", ".....xx.......", "12", "2"),
    "two bases of one block": (2, "..C.........", ".MMMM.......", "...xx.........", "1", "1"),
    "two bases of two tokens": (2, ".C..........", "MMMM........", "xxxx..........", "01", "01"),
    "nothing": (1, "............", "............", "..............", "", ""),
    "at the left edge, fewer 3-mers show a base": (1, "C...........", "MM..........", "xx............", "0", "0"),
    "at the right edge too, and there are letters": (1, "...........C", "..........MM", "............xx", "45", "78"),
    "two centres": (1, "..C.....C...", ".MMM...MMM..", "...x.....x....", "13", "14"),
    "two centres hide what is between them": (1, "..C..C......", ".MMMMMM.....", "...xxxx.......", "12", "12"),
}


def codes(*rows: str) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.stack([torch.from_numpy(bases.encode(row.ljust(longest, "N").encode()).copy()) for row in rows])


@pytest.mark.parametrize("case", TABLE)
def test_by_hand(case):
    span, centres, masked, hidden, blocks, merged = TABLE[case]
    masker = Masker(difficulty_by_hand(3), Budget.PAPER, 0, ids_of(3, ROW * 5))
    u_BT = torch.tensor([[0.0 if letter == "C" else 0.9999 for letter in centres]])
    track_BT = masker.choose(ids_of(3, ROW), Masking(Strategy.RANDOM, 0.15, span=span), u_BT)
    hidden_BL = hidden_bases(track_BT, 3)
    found = "".join(".M"[int(flag)] for flag in track_BT[0]), "".join(".x"[int(flag)] for flag in hidden_BL[0])
    assert f"\n{ROW}\n{centres}\n{found[0]}\n{found[1]}" == f"\n{ROW}\n{centres}\n{masked}\n{hidden}"
    for tokenizer, owners, expected in ((BlockTokenizer(3), BLOCKS, blocks), (bpe.by_hand(*MERGES), MERGED, merged)):
        tokens = tokenizer.tokens(codes(ROW))
        assert tokens.of_base_BL.tolist() == [[int(owner) for owner in owners]]
        mask_BT = whole_tokens(hidden_BL, tokens.of_base_BL, tokens.ids_BT.shape[1])
        assert "".join(str(int(at)) for at in mask_BT[0].nonzero()) == expected


@given(st.integers(2, 6), st.lists(acgt, min_size=1, max_size=4), st.data())
def test_a_token_is_masked_if_one_of_its_bases_is_hidden(k, rows, data):
    rows = [row.ljust(k, "A") for row in rows]
    widths, longest = np.array([len(row) for row in rows]), max(map(len, rows))
    flags = st.lists(st.booleans(), min_size=longest - k + 1, max_size=longest - k + 1)
    track = [data.draw(flags) for _ in rows]
    inside_BT = torch.arange(longest - k + 1) < torch.from_numpy(widths - k + 1)[:, None]
    hidden_BL = hidden_bases(torch.tensor(track), k, inside_BT)
    for tokenizer in (BlockTokenizer(k), bpe.by_hand(*MERGES)):
        found = tokenizer.tokens(codes(*rows), widths)
        mask_BT = whole_tokens(hidden_BL, found.of_base_BL, found.ids_BT.shape[1])
        for row, masked, owners, width, mask in zip(
            rows, track, found.of_base_BL.tolist(), widths.tolist(), mask_BT.tolist(), strict=True
        ):
            hidden = [
                all(masked[at] for at in range(max(0, base - k + 1), min(base, width - k) + 1)) for base in range(width)
            ]
            assert {at for at, flag in enumerate(mask) if flag} == {owners[at] for at in range(len(row)) if hidden[at]}


@pytest.fixture(scope="module")
def windows() -> Windows:
    corpus = corpus_of(random_letters(40_000))
    return Windows(corpus, np.array([[0, 40_000]]), 127, "training")


@pytest.fixture(scope="module")
def learnt() -> BpeTokenizer:
    return BpeTokenizer.trained([random_letters(500, seed) for seed in range(40)], 300)


@pytest.fixture(scope="module", params=["blocks", "bpe"])
def tokenizer(request, learnt) -> Tokenizer:
    return BlockTokenizer(4) if request.param == "blocks" else learnt


@pytest.fixture(scope="module")
def masker(tokenizer, windows) -> WholeTokenMasker:
    return WholeTokenMasker(tokenizer, TABLE_4, Budget.PAPER, 5, windows)


TABLE_4 = difficulty_by_hand(4, "ACGT", "GGCA")
MASKINGS = [
    Masking(Strategy.RANDOM, 0.15),
    Masking(Strategy.RANDOM, 0.3, span=6),
    Masking(Strategy.GENEMASK, 0.3),
    Masking(Strategy.GLOBAL, 0.15, span=4),
    Masking(Strategy.PMI_THRESHOLD, 0.15, span=2, min_quantile=0.4),
]
every_masking = pytest.mark.parametrize("masking", MASKINGS, ids=lambda m: f"{m.strategy}-{m.span}")


@every_masking
def test_a_rows_mask_depends_neither_on_its_companions_nor_on_padding(masking, masker, windows, tokenizer):
    bases_BL, samples_B = windows.sample(1, torch.arange(48)), torch.arange(100, 148)
    widths = np.linspace(20, 127, 48).astype(np.int64)
    bases_BL[torch.arange(127) >= torch.from_numpy(widths)[:, None]] = bases.OTHER
    whole = masker(bases_BL, masking, samples_B, widths)
    behind_BT = torch.arange(whole.ids_BT.shape[1]) >= torch.from_numpy(whole.lengths)[:, None]
    assert whole.mask_BT.any()
    assert not whole.mask_BT[behind_BT].any()
    assert (whole.inputs_BT[behind_BT] == tokenizer.specials.pad).all()
    for row in (0, 17, 47):
        own = bases_BL[row : row + 1, : widths[row]]
        alone = masker(own, masking, samples_B[row : row + 1], None)
        length = whole.lengths[row]
        assert alone.ids_BT.shape == (1, length)
        assert torch.equal(alone.mask_BT[0], whole.mask_BT[row, :length])
        assert torch.equal(alone.inputs_BT[0], whole.inputs_BT[row, :length])
    share = masker(bases_BL[24:], masking, samples_B[24:], widths[24:])
    assert torch.equal(share.inputs_BT, whole.inputs_BT[24:, : share.inputs_BT.shape[1]])
    assert not torch.equal(masker(bases_BL, masking, samples_B + 48, widths).mask_BT, whole.mask_BT)


def test_a_matched_row_does_not_depend_on_its_companions_either(tokenizer, windows):
    masker = WholeTokenMasker(tokenizer, TABLE_4, Budget.MATCHED, 5, windows)
    bases_BL, samples_B, widths = windows.sample(1, torch.arange(9)), torch.arange(9), np.array([20, 47, 127] * 3)
    whole = masker(bases_BL, MASKINGS[1], samples_B, widths)
    assert whole.mask_BT.any()
    for row in range(3):
        alone = masker(bases_BL[row, : widths[row]][None], MASKINGS[1], samples_B[row : row + 1], None)
        assert torch.equal(alone.inputs_BT[0], whole.inputs_BT[row, : whole.lengths[row]])


@every_masking
def test_the_kmers_are_masked_by_the_same_rules(masking, masker, windows):
    bases_BL, samples_B = windows.sample(1, torch.arange(16)), torch.arange(16)
    rows = masker(bases_BL, masking, samples_B, None)
    hidden_BL = hidden_bases(rows.track_BT, 4)
    tokens = masker._tokenizer.tokens(bases_BL)
    assert torch.equal(rows.ids_BT, tokens.ids_BT)
    assert torch.equal(rows.mask_BT, whole_tokens(hidden_BL, tokens.of_base_BL, rows.ids_BT.shape[1]))


def test_paper_draws_the_centres_of_overlapping_kmers(masker, windows):
    bases_BL, samples_B = windows.sample(1, torch.arange(16)), torch.arange(16)
    for masking in MASKINGS:
        own = masker(bases_BL, masking, samples_B, None)
        overlapping = row_masker(KmerTokenizer(4), TABLE_4, Budget.PAPER, 5, windows)
        assert torch.equal(own.track_BT, overlapping(bases_BL, masking, samples_B, None).mask_BT)


def test_four_fifths_become_mask_a_tenth_another_token_and_a_tenth_stay(masker, windows, tokenizer):
    bases_BL = windows.sample(2, torch.arange(2048))
    rows = masker(bases_BL, Masking(Strategy.RANDOM, 0.5), torch.arange(2048), None)
    assert torch.equal(rows.inputs_BT[~rows.mask_BT], rows.ids_BT[~rows.mask_BT])
    before, after = rows.ids_BT[rows.mask_BT], rows.inputs_BT[rows.mask_BT]
    replaced = after[(after != tokenizer.specials.mask) & (after != before)]
    assert float((after == tokenizer.specials.mask).double().mean()) == pytest.approx(0.8, abs=0.01)
    assert float((after == before).double().mean()) == pytest.approx(0.1, abs=0.01)
    first, number = tokenizer.replacements
    counts = torch.bincount(replaced, minlength=first + number)
    assert not counts[:first].any()
    assert len(counts) == first + number
    expected = len(replaced) / number
    chi_squared = float(((counts[first:] - expected) ** 2 / expected).sum())
    assert abs(chi_squared - number) < 5 * (2 * number) ** 0.5


def test_a_span_wider_than_the_row_is_refused(masker, windows):
    masking = Masking(Strategy.RANDOM, 0.15, span=30)
    with pytest.raises(InputError, match="a span of 33 tokens must fit into a row, but rows have 17 tokens"):
        masker(windows.sample(1, torch.arange(2))[:, :20], masking, torch.arange(2), None)

"""Blocks and the letters behind them, against the words themselves."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from trainers.genome import bases
from trainers.tokens.blocks import CLS, MASK, PAD, UNK, BlockTokenizer
from trainers.tokens.tokenizer import Specials

K = st.integers(2, 8)


def codes(*rows: str) -> torch.Tensor:
    """Base codes of rows, N behind the end of shorter ones."""
    longest = max(map(len, rows))
    return torch.stack([torch.from_numpy(bases.encode(row.ljust(longest, "N").encode()).copy()) for row in rows])


def words(tokenizer: BlockTokenizer, ids: list[int]) -> list[str]:
    vocabulary = tokenizer.vocabulary()
    return [vocabulary[token] for token in ids]


def cut(k: int, letters: str) -> list[str]:
    """Blocks from the start, then letters."""
    whole = len(letters) // k * k
    return [letters[at : at + k] for at in range(0, whole, k)] + list(letters[whole:])


def test_the_vocabulary_is_that_of_the_nucleotide_transformer():
    tokenizer = BlockTokenizer(6)
    vocabulary = tokenizer.vocabulary()
    assert len(vocabulary) == len(set(vocabulary)) == tokenizer.vocabulary_size == 4105 == 4 + 4**6 + 5
    assert vocabulary[:6] == ["<unk>", "<pad>", "<mask>", "<cls>", "AAAAAA", "AAAAAT"]
    assert vocabulary[-6:] == ["GGGGGG", "A", "T", "C", "G", "N"]
    assert (UNK, PAD, MASK, CLS) == (0, 1, 2, 3)
    assert tokenizer.specials == Specials(pad=1, unk=0, cls=3, mask=2, sep=None)
    assert tokenizer.replacements == (4, 4096)
    assert tokenizer.kind == "blocks"
    assert tokenizer.files()["vocab.txt"].splitlines() == vocabulary


@given(K, st.integers(1, 40).flatmap(lambda n: st.lists(st.text("ACGT", min_size=n, max_size=n), min_size=1)))
def test_a_row_is_blocks_and_then_letters(k, rows):
    tokenizer = BlockTokenizer(k)
    found = tokenizer.tokens(codes(*rows))
    assert [words(tokenizer, ids) for ids in found.ids_BT.tolist()] == [cut(k, row) for row in rows]
    assert found.lengths is None
    owner = [at for at, word in enumerate(cut(k, rows[0])) for _ in word]
    assert found.of_base_BL.tolist() == [owner] * len(rows)


@given(K, st.lists(st.text("ACGT", min_size=1, max_size=40), min_size=1, max_size=5))
def test_shorter_rows_end_in_padding(k, rows):
    tokenizer, widths = BlockTokenizer(k), np.array([len(row) for row in rows])
    found = tokenizer.tokens(codes(*rows), widths)
    expected = [cut(k, row) for row in rows]
    longest = max(map(len, expected))
    assert found.lengths.tolist() == [len(row) for row in expected]
    assert [words(tokenizer, ids) for ids in found.ids_BT.tolist()] == [
        row + ["<pad>"] * (longest - len(row)) for row in expected
    ]
    owners = [[at for at, word in enumerate(row) for _ in word] for row in expected]
    assert found.of_base_BL.tolist() == [row + [longest] * (int(widths.max()) - len(row)) for row in owners]


def test_an_n_in_a_window_makes_its_block_unknown():
    tokenizer = BlockTokenizer(3)
    assert words(tokenizer, tokenizer.tokens(codes("ACNGTTAN")).ids_BT[0].tolist()) == ["<unk>", "GTT", "A", "N"]


@given(K, st.lists(st.text("ACGTNacgtn", min_size=1, max_size=40), min_size=1, max_size=5))
def test_a_sequence_is_cut_anew_behind_every_n(k, sequences):
    tokenizer = BlockTokenizer(k)
    pieces = [re.findall("N|[^N]+", sequence.upper()) for sequence in sequences]
    expected = [["<cls>", *(word for piece in row for word in cut(k, piece))] for row in pieces]
    longest = max(map(len, expected))
    encoded = tokenizer.encode(sequences)
    assert encoded.dtype == torch.int64
    assert [words(tokenizer, ids) for ids in encoded.tolist()] == [
        row + ["<pad>"] * (longest - len(row)) for row in expected
    ]


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [("ATCGAATGGCGATGCAC", "ATCGA ATGGC GATGC A C"), ("ATCGAATNGGCGATGCAC", "ATCGA A T N GGCGA TGCAC")],
)
def test_encode_as_the_nucleotide_transformer_does(sequence, expected):
    tokenizer = BlockTokenizer(5)
    assert words(tokenizer, tokenizer.encode([sequence])[0].tolist()) == ["<cls>", *expected.split()]


def test_wrap_opens_a_row_and_closes_none():
    wrapped = BlockTokenizer(2).wrap(torch.tensor([[5, 6], [7, 8]]), torch.tensor([2, 1]))
    assert wrapped.tolist() == [[CLS, 5, 6], [CLS, 7, PAD]]


@given(K, st.lists(st.text("ACGT", min_size=1, max_size=40), min_size=1, max_size=5))
def test_no_row_is_longer_than_the_longest(k, rows):
    assert BlockTokenizer(k).encode(rows).shape[1] <= BlockTokenizer(k).longest(max(map(len, rows)))


@pytest.mark.parametrize("k", [0, 1, 9])
def test_other_k_are_refused(k):
    with pytest.raises(InputError, match=rf"blocks must have k in 2\.\.8 bases, but got k={k}"):
        BlockTokenizer(k)


@pytest.mark.parametrize(("sequences", "row"), [(["ACGT", ""], "row 2 is ''"), (["AC-T"], "row 1 is 'AC-T'")])
def test_what_cannot_be_encoded_is_refused_by_row(sequences, row):
    with pytest.raises(InputError, match=f"a sequence must be at least 1 nucleotide letter, but {row}"):
        BlockTokenizer(3).encode(sequences)

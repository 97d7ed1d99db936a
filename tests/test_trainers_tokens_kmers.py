"""k-mers and their ids, against the words themselves."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from tests.dna import ids_of, with_gaps
from trainers.genome import bases
from trainers.tokens.kmers import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, KmerTokenizer
from trainers.tokens.tokenizer import Specials


@pytest.mark.parametrize("k", range(1, 9))
def test_the_vocabulary_is_five_special_tokens_and_all_kmers(k):
    tokenizer = KmerTokenizer(k)
    vocabulary = tokenizer.vocabulary()
    assert vocabulary[:5] == list(SPECIAL_TOKENS) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert (PAD, UNK, CLS, SEP, MASK) == (0, 1, 2, 3, 4)
    assert len(vocabulary) == tokenizer.vocabulary_size == 5 + 4**k
    assert set(vocabulary[5:]) == {"".join(word) for word in itertools.product("ACGT", repeat=k)}
    assert (vocabulary[5], vocabulary[-1]) == ("A" * k, "G" * k)


@pytest.mark.parametrize(
    ("kmer", "kmer_id"),
    [("AAAAAA", 5), ("AAAAAT", 6), ("AAAAAC", 7), ("AAAAAG", 8), ("AAAATA", 9), ("TAAAAA", 1029), ("GGGGGG", 4100)],
)
def test_ids_are_those_of_dnabert(kmer, kmer_id):
    assert KmerTokenizer(6).vocabulary()[kmer_id] == kmer
    assert ids_of(6, kmer).tolist() == [[kmer_id]]


@given(st.integers(1, 8), with_gaps)
def test_ids_are_the_places_of_the_words_in_the_vocabulary(k, letters):
    letters = letters.ljust(k, "A")
    place = {word: at for at, word in enumerate(KmerTokenizer(k).vocabulary())}
    words = [letters[at : at + k] for at in range(len(letters) - k + 1)]
    assert ids_of(k, letters).tolist() == [[place.get(word, UNK) for word in words]]


@given(st.integers(1, 4), st.lists(st.text("ACGTNacgtn", min_size=4, max_size=20), min_size=1, max_size=5))
def test_encode_frames_every_sequence_and_pads_to_the_longest(k, sequences):
    tokenizer = KmerTokenizer(k)
    encoded = tokenizer.encode(sequences)
    longest = max(map(len, sequences)) - k + 3
    assert encoded.shape == (len(sequences), longest)
    for row, letters in zip(encoded.tolist(), sequences, strict=True):
        tokens = ids_of(k, letters.upper())[0].tolist()
        assert row == [CLS, *tokens, SEP] + [PAD] * (longest - len(tokens) - 2)


def test_encode_by_hand():
    assert KmerTokenizer(2).encode(["AATNG", "gg"]).tolist() == [
        [CLS, 5, 6, UNK, UNK, SEP],
        [CLS, 20, SEP, PAD, PAD, PAD],
    ]


def test_wrap_adds_the_frame():
    assert KmerTokenizer(1).wrap(torch.tensor([[5, 6], [7, 8]])).tolist() == [[CLS, 5, 6, SEP], [CLS, 7, 8, SEP]]


@given(st.integers(1, 4), st.lists(st.text("ACGT", min_size=4, max_size=20), min_size=1, max_size=5))
def test_tokens_are_ids_and_padding_behind_shorter_rows(k, sequences):
    tokenizer = KmerTokenizer(k)
    widths, longest = np.array([len(row) for row in sequences]), max(map(len, sequences))
    codes = [bases.encode(row.ljust(longest, "N").encode()).copy() for row in sequences]
    found = tokenizer.tokens(torch.from_numpy(np.stack(codes)), widths)
    assert found.lengths.tolist() == (widths - k + 1).tolist()
    assert torch.equal(tokenizer.wrap(found.ids_BT, torch.from_numpy(found.lengths)), tokenizer.encode(sequences))
    assert found.ids_BT.tolist() == [ids_of(k, row)[0].tolist() + [PAD] * (longest - len(row)) for row in sequences]
    assert found.of_base_BL is None
    whole = tokenizer.tokens(torch.from_numpy(codes[0])[None])
    assert whole.lengths is None
    assert torch.equal(whole.ids_BT, tokenizer.ids(torch.from_numpy(codes[0])[None]))


def test_what_maskers_and_models_ask():
    tokenizer = KmerTokenizer(6)
    assert tokenizer.specials == Specials(pad=0, unk=1, cls=2, mask=4, sep=3)
    assert (tokenizer.kind, tokenizer.replacements, tokenizer.longest(515)) == ("overlapping", (5, 4096), 512)
    assert tokenizer.files()["vocab.txt"].splitlines() == tokenizer.vocabulary()


@given(st.integers(1, 8), st.text("ACGT", min_size=8, max_size=30))
def test_decode_gives_the_words_back(k, letters):
    tokenizer = KmerTokenizer(k)
    words = " ".join(letters[at : at + k] for at in range(len(letters) - k + 1))
    assert tokenizer.decode(tokenizer.encode([letters])[0].tolist()) == f"[CLS] {words} [SEP]"


@pytest.mark.parametrize("k", [-1, 0, 9])
def test_other_k_are_refused(k):
    with pytest.raises(InputError, match=rf"k must lie in 1\.\.8, but got k={k}"):
        KmerTokenizer(k)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (["ACGT", "AC"], "at least k=3 nucleotide letters, but row 2 is 'AC'"),
        (["", "ACGT"], "but row 1 is ''"),
        (["ACGT", "ACGT", "ACXT"], "but row 3 is 'ACXT'"),
        (["ACGT", "AC GT"], "but row 2 is 'AC GT'"),
    ],
)
def test_what_cannot_be_encoded_is_refused_by_row(sequences, message):
    with pytest.raises(InputError, match=message):
        KmerTokenizer(3).encode(sequences)

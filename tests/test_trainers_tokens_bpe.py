"""Byte-pair encoding: merges by hand, a tokenizer learnt from DNA, and files that are none."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from tests import bpe
from tests.dna import random_letters
from trainers.genome import bases
from trainers.tokens.bpe import CLS, PAD, SEP, SPECIAL_TOKENS, UNK, BpeTokenizer
from trainers.tokens.tokenizer import Specials

# A 5, C 6, G 7, T 8, AC 9, TT 10, ACG 11, TTA 12
BY_HAND = ("A C", "T T", "AC G", "TT A")


def codes(*rows: str) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.stack([torch.from_numpy(bases.encode(row.ljust(longest, "N").encode()).copy()) for row in rows])


@pytest.fixture(scope="module")
def learnt() -> BpeTokenizer:
    return BpeTokenizer.trained([random_letters(500, seed) for seed in range(40)], 300)


def test_rows_by_hand():
    found = bpe.by_hand(*BY_HAND).tokens(codes("ACGTTTTACC", "ACGTTAG"), np.array([10, 7]))
    assert found.ids_BT.tolist() == [[11, 10, 10, 9, 6], [11, 12, 7, PAD, PAD]]  # ACG TT TT AC C; ACG TTA G
    assert found.lengths.tolist() == [5, 3]
    assert found.of_base_BL.tolist() == [[0, 0, 0, 1, 1, 2, 2, 3, 3, 4], [0, 0, 0, 1, 1, 1, 2, 5, 5, 5]]


def test_an_n_is_one_unknown_token_wherever_it_stands():
    tokenizer = bpe.by_hand(*BY_HAND)
    found = tokenizer.tokens(codes("ACNNACGN"))
    assert found.ids_BT.tolist() == [[9, UNK, UNK, 11, UNK]]
    assert found.of_base_BL.tolist() == [[0, 0, 1, 2, 3, 3, 3, 4]]
    assert tokenizer.encode(["acR", "ACGTT"]).tolist() == [[CLS, 9, UNK, SEP], [CLS, 11, 10, SEP]]


def test_no_rows_have_no_tokens():
    found = bpe.by_hand().tokens(torch.zeros(0, 8, dtype=torch.uint8))
    assert (found.ids_BT.shape, found.lengths.tolist(), found.of_base_BL.shape) == ((0, 0), [], (0, 8))


def test_special_tokens_are_those_of_dnabert_2():
    tokenizer = bpe.by_hand(*BY_HAND)
    assert tokenizer.specials == Specials(pad=3, unk=0, cls=1, mask=4, sep=2)
    assert (tokenizer.kind, tokenizer.vocabulary_size, tokenizer.replacements) == ("bpe", 13, (5, 8))
    assert tokenizer.wrap(torch.tensor([[5, 6], [7, 8]]), torch.tensor([2, 1])).tolist() == [
        [CLS, 5, 6, SEP],
        [CLS, 7, SEP, PAD],
    ]
    assert tokenizer.longest(10) == 12 == tokenizer.encode(["AG" * 5]).shape[1]


@given(st.lists(st.text("ACGTN", min_size=1, max_size=80), min_size=1, max_size=5))
def test_the_bases_of_a_row_are_those_of_its_tokens(learnt, rows):
    widths = np.array([len(row) for row in rows])
    found = learnt.tokens(codes(*rows), widths)
    word_of = {at: word for word, at in json.loads(learnt.text)["model"]["vocab"].items()} | {UNK: "N"}
    longest = found.ids_BT.shape[1]
    for row, ids, length, owners in zip(
        rows, found.ids_BT.tolist(), found.lengths.tolist(), found.of_base_BL.tolist(), strict=True
    ):
        tokens = [word_of[token] for token in ids[:length]]
        assert "".join(tokens) == row
        assert ids[length:] == [PAD] * (longest - length)
        expected = [at for at, token in enumerate(tokens) for _ in token]
        assert owners == expected + [longest] * (int(widths.max()) - len(row))


@given(st.lists(st.text("ACGT", min_size=1, max_size=80), min_size=1, max_size=5))
def test_a_sequence_is_encoded_as_the_library_does_it(learnt, rows):
    library = tokenizers.Tokenizer.from_str(learnt.text)
    expected = [encoding.ids for encoding in library.encode_batch(rows)]  # its post-processor adds [CLS] and [SEP]
    longest = max(map(len, expected))
    assert learnt.encode(rows).tolist() == [row + [PAD] * (longest - len(row)) for row in expected]


def test_the_same_dna_teaches_the_same_tokens_and_a_file_keeps_them(learnt, tmp_path):
    again = BpeTokenizer.trained([random_letters(500, seed) for seed in range(40)], 300)
    assert again == learnt
    assert learnt.vocabulary_size == 300
    vocabulary = json.loads(learnt.text)["model"]["vocab"]
    assert [vocabulary[token] for token in (*SPECIAL_TOKENS, *"ACGT")] == list(range(9))
    learnt.save(tmp_path / "tokenizer.json")
    opened = BpeTokenizer.open(tmp_path / "tokenizer.json")
    assert opened == learnt
    assert opened.files() == {"tokenizer.json": learnt.text}
    assert torch.equal(opened.encode(["ACGTTGCA" * 9]), learnt.encode(["ACGTTGCA" * 9]))


def test_few_pairs_teach_few_tokens():
    assert BpeTokenizer.trained(["ACGT"], 50).vocabulary_size == 5 + 4 + 3  # AC, GT and ACGT


def test_a_vocabulary_without_room_for_the_letters_is_refused():
    with pytest.raises(InputError, match="a BPE vocabulary must have at least 9 tokens, but got 8"):
        BpeTokenizer.trained(["ACGT"], 8)


def changed(**model: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["model"].update(model)


def without_t(content: dict[str, Any]) -> None:
    content["model"]["vocab"] = {**dict.fromkeys(SPECIAL_TOKENS), "A": 5, "C": 6, "G": 7} | {
        token: at for at, token in enumerate(SPECIAL_TOKENS)
    }


FLAWS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another model": (changed(type="WordPiece"), "must have a BPE model, but"),
    "no special tokens": (lambda content: content.update(added_tokens=[]), r"\[UNK\] \[CLS\] .* as 0\.\.4, but"),
    "others in their place": (
        lambda content: content["added_tokens"][3].update(content="<pad>"),
        r"\[PAD\] \[MASK\] as 0\.\.4",
    ),
    "unknown letters are dropped": (changed(unk_token=None), r"must have \[UNK\] for unknown letters, but"),
    "a gap in the ids": (lambda content: content["model"]["vocab"].update(GG=99), "are numbered 0, 1, 2"),
    "a letter is missing": (without_t, "must have A, C, G and T, and tokens of these letters and N, but"),
    "words": (lambda content: content["model"]["vocab"].update(the=9), "must have A, C, G and T, and tokens of these"),
    "chance": (changed(dropout=0.1), "must have none of dropout, "),
    "prefixes": (changed(continuing_subword_prefix="##"), "must have none of dropout, continuing_subword_prefix"),
    "unknown letters in one": (changed(fuse_unk=True), "none of .*, fuse_unk, but"),
    "lower case": (lambda content: content.update(normalizer={"type": "Lowercase"}), "no normalizer, and no pre-tok"),
    "bytes": (lambda content: content.update(pre_tokenizer={"type": "ByteLevel"}), "no pre-tokenizer but Whitespace"),
    "no model": (lambda content: content.pop("model"), "must be a tokenizer.json with a BPE model, but"),
    "merges of nothing": (changed(merges=["AA CC"]), "must be one of `tokenizers`, but"),
}


@pytest.mark.parametrize("case", FLAWS)
def test_a_file_that_is_no_bpe_of_dna_is_refused(case, tmp_path):
    change, message = FLAWS[case]
    content = bpe.content()
    change(content)
    (tmp_path / "own.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as refused:
        BpeTokenizer.open(tmp_path / "own.json")
    assert "own.json" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff\xfe", "own.json cannot be read"),
        (b"{", "must be a tokenizer.json"),
        (b"[1]", "must be a tokenizer.json"),
    ],
)
def test_a_file_that_is_no_json_is_refused(text, message, tmp_path):
    (tmp_path / "own.json").write_bytes(text)
    with pytest.raises(InputError, match=message):
        BpeTokenizer.open(tmp_path / "own.json")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.json cannot be read"):
        BpeTokenizer.open(tmp_path / "none.json")

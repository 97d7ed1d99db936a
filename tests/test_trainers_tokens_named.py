"""Tokenizers by kind."""

import pytest

from curricula import InputError
from tests import bpe
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.named import tokenizer


def test_every_kind_has_its_tokenizer(tmp_path):
    learnt = bpe.by_hand("A C")
    learnt.save(tmp_path / "tokenizer.json")
    assert tokenizer("overlapping", 4) == KmerTokenizer(4)
    assert tokenizer("blocks", 4) == BlockTokenizer(4)
    assert tokenizer("bpe", 4, tmp_path / "tokenizer.json") == learnt
    assert [tokenizer(kind, 4, tmp_path / "tokenizer.json").kind for kind in ("overlapping", "blocks", "bpe")] == [
        "overlapping",
        "blocks",
        "bpe",
    ]


def test_bpe_without_a_file_is_refused():
    with pytest.raises(InputError, match=r"tokens of kind bpe must have a tokenizer\.json, but got none"):
        tokenizer("bpe", 6)

"""Byte-pair encodings by hand."""

import json
from typing import Any

from trainers.tokens.bpe import SPECIAL_TOKENS, BpeTokenizer


def content(*merges: str) -> dict[str, Any]:
    """A tokenizer.json whose merges are written as `AC G`, in the order in which they are made."""
    words = [*SPECIAL_TOKENS, *"ACGT", *(merge.replace(" ", "") for merge in merges)]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": at, "content": token, **special} for at, token in enumerate(SPECIAL_TOKENS)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "[UNK]",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {word: at for at, word in enumerate(words)},
            "merges": list(merges),
        },
    }


def by_hand(*merges: str) -> BpeTokenizer:
    """As `content`, ready to use."""
    return BpeTokenizer(json.dumps(content(*merges)))

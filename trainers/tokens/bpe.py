"""Byte-pair encoding of DNA, as in DNABERT-2 (arXiv 2306.15006, section 3.1): frequent stretches become tokens."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from numpy.typing import NDArray
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

from curricula import InputError
from trainers.files import written
from trainers.genome import bases
from trainers.tokens.kinds import BPE_VOCABULARY, Kind, most_tokens
from trainers.tokens.sequences import codes_of, framed, in_rows
from trainers.tokens.tokenizer import Specials, Tokens

UNK, CLS, SEP, PAD, MASK = range(5)
SPECIAL_TOKENS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
FILE = "tokenizer.json"
_ALPHABET = "ACGT"


@dataclass(frozen=True)
class BpeTokenizer:
    """Turns bases into tokens of differing length, by merges learnt from DNA. A `Tokenizer`.

    Attributes:
        text: A tokenizer.json of the `tokenizers` library.
        source: Where it is from, in the words of an error.

    Raises:
        InputError: the text is no BPE of DNA with DNABERT-2's five special tokens.
    """

    text: str = field(repr=False)
    source: str = field(default="this one", compare=False)

    def __post_init__(self) -> None:
        _check(self.text, self.source)
        _ = self._library

    @classmethod
    def open(cls, path: Path) -> "BpeTokenizer":
        """Read a tokenizer.json.

        Raises:
            InputError: it cannot be read, or is not what this class takes.
        """
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the tokenizer {path} cannot be read: {error}") from error
        return cls(text, str(path))

    @classmethod
    def trained(cls, texts: Iterable[str], vocabulary: int = BPE_VOCABULARY) -> "BpeTokenizer":
        """Learn merges from DNA in upper case; the same texts give the same tokenizer.

        Args:
            texts: Stretches of DNA; tokens never reach from one into another.
            vocabulary: Tokens, special ones included; fewer, where the texts hold no more pairs.

        Raises:
            InputError: the vocabulary has no room for the special tokens and four letters.
        """
        least = len(SPECIAL_TOKENS) + len(_ALPHABET)
        if vocabulary < least:
            raise InputError(f"a BPE vocabulary must have at least {least} tokens, but got {vocabulary}")
        library = tokenizers.Tokenizer(BPE(unk_token=SPECIAL_TOKENS[UNK]))
        trainer = BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=list(_ALPHABET),
            limit_alphabet=len(_ALPHABET),
            show_progress=False,
        )
        library.train_from_iterator(texts, trainer)
        ends = [(SPECIAL_TOKENS[at], at) for at in (CLS, SEP)]
        library.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
        return cls(library.to_str(pretty=True))

    def save(self, path: Path) -> None:
        """Write the tokenizer.json, whole or not at all."""
        written(path, self.text)

    @cached_property
    def _library(self) -> tokenizers.Tokenizer:
        try:
            library = tokenizers.Tokenizer.from_str(self.text)
        except Exception as error:  # the library knows no other
            raise InputError(
                f"a tokenizer.json must be one of `tokenizers`, but {self.source} is not: {error}"
            ) from error
        library.no_truncation()
        library.no_padding()
        return library

    @cached_property
    def _bases_of(self) -> NDArray[np.int64]:
        """Bases of every token; an unknown letter is one, the other special tokens have none."""
        bases_V = np.zeros(self.vocabulary_size, np.int64)
        for token, at in self._library.get_vocab().items():
            bases_V[at] = len(token)
        bases_V[: len(SPECIAL_TOKENS)] = 0
        bases_V[UNK] = 1
        return bases_V

    @property
    def kind(self) -> Kind:
        """`bpe`."""
        return "bpe"

    @property
    def specials(self) -> Specials:
        """DNABERT-2's."""
        return Specials(pad=PAD, unk=UNK, cls=CLS, mask=MASK, sep=SEP)

    @property
    def vocabulary_size(self) -> int:
        """Special tokens and all others."""
        return int(self._library.get_vocab_size())

    @property
    def replacements(self) -> tuple[int, int]:
        """First id and number of the tokens that are DNA."""
        return len(SPECIAL_TOKENS), self.vocabulary_size - len(SPECIAL_TOKENS)

    def tokens(self, bases_BL: torch.Tensor, widths: NDArray[np.int64] | None = None) -> Tokens:
        """Return the tokens of rows, encoded on the host: bases on a GPU are waited for, so hand in those of the host.

        N is [UNK]. `lengths` are always given, since tokens have no fixed length.
        """
        rows, columns = bases_BL.shape
        own = np.full(rows, columns) if widths is None else widths
        letters = bases.decode(bases_BL.cpu().numpy().ravel())
        ids, lengths = self._encoded([letters[at * columns : at * columns + own[at]] for at in range(rows)])
        tokens = int(lengths.max(initial=0))
        places = np.arange(len(ids)) - np.repeat(lengths.cumsum() - lengths, lengths)
        of_base = np.repeat(places, self._bases_of[ids])
        of_base_BL = torch.from_numpy(in_rows(of_base, own, columns, tokens))
        ids_BT = torch.from_numpy(in_rows(ids, lengths, tokens, PAD))
        device = bases_BL.device
        return Tokens(ids_BT.to(device), lengths, of_base_BL.to(device))

    def _encoded(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids of all texts end to end, and the tokens of each."""
        encodings = self._library.encode_batch_fast(texts, add_special_tokens=False)
        ids = np.fromiter(itertools.chain.from_iterable(encoding.ids for encoding in encodings), np.int64)
        return ids, np.array([len(encoding) for encoding in encodings], dtype=np.int64)

    def wrap(self, ids_BT: torch.Tensor, lengths_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return [CLS] + tokens + [SEP], shape (B, T + 2); with `lengths_B`, tokens from there on become [PAD]."""
        return framed(ids_BT, self.specials, lengths_B)

    def encode(self, sequences: Sequence[str]) -> torch.Tensor:
        """Return padded model input, int64, shape (sequences, longest + 2): [CLS] tokens [SEP] [PAD] ...

        Raises:
            InputError: a sequence is empty or holds a letter that is no nucleotide.
        """
        codes, widths = codes_of(sequences, 1, "at least 1 nucleotide letter")
        letters, ends = bases.decode(codes), widths.cumsum()
        ids, lengths = self._encoded([letters[end - width : end] for end, width in zip(ends, widths, strict=True)])
        ids_BT = torch.from_numpy(in_rows(ids, lengths, int(lengths.max()), PAD))
        return self.wrap(ids_BT, torch.from_numpy(lengths))

    def longest(self, bases: int) -> int:
        """Most tokens that a model reads of so many bases, [CLS] and [SEP] included: one a base."""
        return most_tokens(self.kind, 1, bases)

    def files(self) -> Mapping[str, str]:
        """Return the tokenizer.json."""
        return {FILE: self.text}


def _check(text: str, source: str) -> None:
    """Refuse what would not give every base of a row one token, the same whenever it is asked."""
    try:
        content = json.loads(text)
        model, added = content["model"], {token["content"]: token["id"] for token in content["added_tokens"]}
        ids = {**model["vocab"], **added}
        rules = _rules(content, model, added, ids)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"a tokenizer must be a tokenizer.json with a BPE model, but {source} is not") from error
    for rule, is_kept in rules.items():
        if not is_kept:
            raise InputError(f"a tokenizer.json must have {rule}, but {source} has not")


def _rules(content: Any, model: Any, added: dict[str, int], ids: dict[str, int]) -> dict[str, bool]:
    specials = {token: at for at, token in enumerate(SPECIAL_TOKENS)}
    words = ids.keys() - specials.keys()
    before = content.get("pre_tokenizer") or {"type": "Whitespace"}
    changing = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "fuse_unk")
    return {
        "a BPE model": model["type"] == "BPE",
        f"the special tokens {' '.join(SPECIAL_TOKENS)} as 0..4": added == specials,
        "[UNK] for unknown letters": model["unk_token"] == SPECIAL_TOKENS[UNK],
        "tokens that are numbered 0, 1, 2 ...": sorted(ids.values()) == list(range(len(ids))),
        "A, C, G and T, and tokens of these letters and N": set(_ALPHABET) <= words
        and all(word and set(word) <= set(_ALPHABET + "N") for word in words),
        f"none of {', '.join(changing)}": not any(model.get(name) for name in changing),
        "no normalizer, and no pre-tokenizer but Whitespace": content.get("normalizer") is None
        and before["type"] in ("Whitespace", "WhitespaceSplit"),
    }

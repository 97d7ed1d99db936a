"""Folders that transformers loads: weights, configuration, a tokenizer that gives our ids, and a model card."""

import json
import os
import shutil
from pathlib import Path

import tokenizers
from tokenizers import Regex
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import PreTokenizer, Split, WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from curricula import InputError
from trainers.models.pretrained import Pretrained, read_json
from trainers.pretraining import checkpoint
from trainers.tokens import bpe
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer


def export(pretrained: Pretrained, folder: Path, card: str) -> None:
    """Write a folder that AutoModelForMaskedLM and AutoTokenizer load; it appears whole or not at all.

    Args:
        pretrained: Model and tokenizer.
        folder: Where; it must not exist, or be empty.
        card: The README.md.

    Raises:
        InputError: the folder holds something already, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"a model must go to a new or an empty folder, but {folder} is neither")
    target = folder.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        transformers_logging.disable_progress_bar()  # of one file
        pretrained.model.save_pretrained(temporary)
        fast_tokenizer(pretrained.tokenizer).save_pretrained(temporary)
        (temporary / "README.md").write_text(card, "utf-8")
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def fast_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Return transformers' tokenizer with the same ids.

    It reads DNA in upper case; for overlapping k-mers it reads k-mers with blanks between them, as DNABERT's does.
    """
    library = _library(tokenizer)
    specials = tokenizer.specials
    named = {"pad": specials.pad, "unk": specials.unk, "cls": specials.cls, "mask": specials.mask, "sep": specials.sep}
    return PreTrainedTokenizerFast(
        tokenizer_object=library,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": library.id_to_token(at) for name, at in named.items() if at is not None},
    )


def _library(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    if isinstance(tokenizer, bpe.BpeTokenizer):
        library = tokenizers.Tokenizer.from_str(tokenizer.text)
        library.no_truncation()
        library.no_padding()
        return library
    if isinstance(tokenizer, KmerTokenizer):
        return _of_words(tokenizer.vocabulary(), tokenizer, WhitespaceSplit())
    assert isinstance(tokenizer, BlockTokenizer)
    block_or_letter = Regex(f"[ACGT]{{{tokenizer.k}}}|.")  # an N is a letter, so blocks begin anew behind it
    return _of_words(tokenizer.vocabulary(), tokenizer, Split(block_or_letter, "isolated"))


def _of_words(vocabulary: list[str], tokenizer: Tokenizer, words: PreTokenizer) -> tokenizers.Tokenizer:
    specials = tokenizer.specials
    unk, edges = vocabulary[specials.unk], [specials.cls] + [specials.sep] * (specials.sep is not None)
    library = tokenizers.Tokenizer(WordLevel({token: at for at, token in enumerate(vocabulary)}, unk_token=unk))
    library.pre_tokenizer = words
    around = [vocabulary[at] for at in edges if at is not None]
    library.post_processor = TemplateProcessing(
        single=" ".join([around[0], "$A", *around[1:]]),
        special_tokens=[(token, vocabulary.index(token)) for token in around],
    )
    return library


def card_of_checkpoint(folder: Path, pretrained: Pretrained) -> str:
    """Return the card of a checkpoint of ours, from its settings and its state.

    Raises:
        InputError: one of them cannot be read, or lacks a fact.
    """
    settings, state = read_json(folder / checkpoint.SETTINGS), read_json(folder / checkpoint.STATE)
    try:
        facts = {
            "preset": settings["preset"],
            "tokens": _tokens(pretrained.tokenizer),
            "k": settings["k"],
            "curriculum": settings["curriculum"],
            "its arguments": f"`{json.dumps(settings['arguments'], sort_keys=True)}`",
            "step": state["step"],
            "horizon": f"{settings['horizon']} steps",
            "learning rate": settings["learning_rate"],
            "SHA-256 of the data": settings["data_sha256"],
        }
    except KeyError as error:
        raise InputError(f"a checkpoint must say what it is, but {folder} does not name {error}") from error
    head = "---\nlicense: apache-2.0\nlibrary_name: transformers\npipeline_tag: fill-mask\n---\n\n"
    return head + _text(f"{facts['preset']} under {facts['curriculum']}", facts, pretrained)


def card_of_published(place: str, pretrained: Pretrained) -> str:
    """Return the card of a published model in our form; its licence is its authors' to name."""
    facts = {
        "source": place,
        "licence": "that of the source",
        "architecture": pretrained.model.config.model_type,
        "tokens": _tokens(pretrained.tokenizer),
    }
    return "---\nlibrary_name: transformers\npipeline_tag: fill-mask\n---\n\n" + _text(place, facts, pretrained)


def loading(pretrained: Pretrained, folder: str) -> str:
    """Return the Python that loads the model from a folder."""
    is_ours = pretrained.model.config.model_type == "alibi_bert"
    own = "import trainers.models.alibi_bert  # makes transformers know the architecture\n" if is_ours else ""
    return (
        f"from transformers import AutoModelForMaskedLM, AutoTokenizer\n{own}"
        f"model = AutoModelForMaskedLM.from_pretrained({folder!r})\n"
        f"tokenizer = AutoTokenizer.from_pretrained({folder!r})\n"
    )


def _tokens(tokenizer: Tokenizer) -> str:
    number = f" ({tokenizer.vocabulary_size:,} tokens)"
    if isinstance(tokenizer, KmerTokenizer):
        return f"overlapping {tokenizer.k}-mers{number}"
    if isinstance(tokenizer, BlockTokenizer):
        return f"non-overlapping {tokenizer.k}-mers, single letters where none fits{number}"
    return f"byte pairs{number}"


def _text(title: str, facts: dict[str, object], pretrained: Pretrained) -> str:
    table = "".join(f"| {name} | {value} |\n" for name, value in facts.items())
    reads, tokenizer = "dna = 'ACGTTGCAACGTTGCA'\n", pretrained.tokenizer
    if isinstance(tokenizer, KmerTokenizer):
        k = tokenizer.k
        reads += f"dna = ' '.join(dna[at : at + {k}] for at in range(len(dna) - {k} + 1))\n"
    return (
        f"# {title}\n\nA masked language model of DNA, read in upper case.\n\n| | |\n|---|---|\n{table}\n"
        f"## Loading\n\n```python\n{loading(pretrained, 'path/to/this/folder')}{reads}"
        "logits = model(**tokenizer(dna, return_tensors='pt')).logits\n```\n"
    )

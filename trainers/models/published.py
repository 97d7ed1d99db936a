"""Opens published models of DNA: DNABERT, DNABERT-2, the Nucleotide Transformer's first version, and our exports.

A model is recognised by its config.json and its vocabulary. None of its code runs and nothing is unpickled.
"""

import logging
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import torch
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError, StrictDataclassError
from huggingface_hub.utils.tqdm import disable_progress_bars
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    EsmConfig,
    EsmForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
)

from curricula import InputError
from curricula.errors import one_line
from trainers.models.alibi_bert import AlibiBertConfig, AlibiBertForMaskedLM
from trainers.models.pretrained import Pretrained, read_json
from trainers.tasks.hub import client
from trainers.tokens import bpe
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.bpe import BpeTokenizer
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_WANTED = ["config.json", "*.safetensors", "vocab.txt", "tokenizer*.json", "special_tokens_map.json"]
_MODELS = {
    "bert": (BertConfig, BertForMaskedLM),
    "esm": (EsmConfig, EsmForMaskedLM),
    "alibi_bert": (AlibiBertConfig, AlibiBertForMaskedLM),
    "modernbert": (ModernBertConfig, ModernBertForMaskedLM),
}
_NO_SHAPE = {"architectures", "auto_map", "dtype", "model_type", "torch_dtype", "transformers_version"}
_LEFT_OVER = re.compile(  # heads of other trainings, and counters that are made anew
    r"bert\.pooler\..*|cls\.seq_relationship\..*|.*\.position_ids"
)
_OLD_NAMES = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
Tensors = dict[str, torch.Tensor]


def published(place: str) -> Pretrained:
    """Return a published model, on the CPU, in float32.

    Args:
        place: A folder, or a name on the Hugging Face hub.

    Raises:
        InputError: there is no such place, the hub cannot be reached, or the model is none of those that are known.
    """
    folder = Path(place)
    if not folder.is_dir():
        if folder.exists() or not _HUB_NAME.fullmatch(place):
            raise InputError(f"a model must be a folder or a hub name like owner/name, but got {place}")
        folder = _from_hub(place)
    config, tokenizer = read_json(folder / "config.json"), _tokenizer_of(folder)
    model = _model_of(config, tokenizer, place)
    _fill(model, _tensors_of(folder, place), place)
    return Pretrained(model.eval(), tokenizer)


def _from_hub(name: str) -> Path:
    huggingface_hub.set_client_factory(client)
    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    constants.HF_HUB_DISABLE_XET = True  # its transfers know no time limit
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=_WANTED))
    except RepositoryNotFoundError as error:
        raise InputError(f"{name} is no folder, and the hub has no public model of this name") from error
    except (HfHubHTTPError, HFValidationError, httpx2.HTTPError, OSError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, OSError) and cause.errno is not None:
            raise  # a full disk or a folder without permission, not the network
        raise InputError(
            f"the hub at {constants.ENDPOINT} must give the model {name}, which is no folder here, but: "
            f"{one_line(cause)[:200]}"
        ) from error


def _tokenizer_of(folder: Path) -> Tokenizer:
    """Recognise the tokens by their order."""
    content: dict[str, Any] = {}
    if (folder / bpe.FILE).exists():
        content = read_json(folder / bpe.FILE).get("model") or {}
        if content.get("type") == "BPE":
            return BpeTokenizer.open(folder / bpe.FILE)
    lines = folder / "vocab.txt"
    try:
        ids = content.get("vocab", {})
        words = lines.read_text("utf-8").split() if lines.exists() else sorted(ids, key=ids.__getitem__)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"the vocabulary of {folder} cannot be read: {one_line(error)[:200]}") from error
    k = len(words[5]) if len(words) > 5 else 0  # the first or second word behind the special tokens
    if 1 <= k <= 8 and words == (overlapping := KmerTokenizer(k)).vocabulary():
        return overlapping
    if 2 <= k <= 8 and words[: (blocks := BlockTokenizer(k)).vocabulary_size] == blocks.vocabulary():
        return blocks  # what may follow are names that no DNA turns into
    raise InputError(
        "a vocabulary must be DNABERT's k-mers or the Nucleotide Transformer's blocks in their order (vocab.txt or "
        f"tokenizer.json), or byte pairs, but {folder} has {len(words)} tokens: {' '.join(words[:7])} ..."
    )


def _model_of(config: dict[str, Any], tokenizer: Tokenizer, place: str) -> PreTrainedModel:
    """Return a model of this shape, with whatever weights."""
    name = str(config.get("model_type"))
    is_own_code = not config.keys().isdisjoint({"auto_map", "alibi_starting_size"})
    if name == "bert" and tokenizer.kind == "bpe" and is_own_code:  # DNABERT-2, which is no plain BERT
        name, config = "alibi_bert", {**config, "pad_token_id": tokenizer.specials.pad}
        if config.get("hidden_act", "gelu") != "gelu":
            raise InputError(
                f"feed-forward blocks of DNABERT-2 must have GELU, but got {config['hidden_act']} in {place}"
            )
    if name not in _MODELS:
        raise InputError(f"`model_type` must be one of {', '.join(_MODELS)}, but got {name} in {place}")
    if name == "esm":
        _check_first_version(config, place)
    kind, architecture = _MODELS[name]
    known = kind().to_dict().keys() - _NO_SHAPE
    try:
        shape = kind(**{key: value for key, value in config.items() if key in known})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # every weight is overwritten
            model = architecture(shape)
    except (StrictDataclassError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"config.json must describe a {name} model, but {place}: {one_line(error)[:200]}") from error
    expected = {"vocab_size": tokenizer.vocabulary_size, "pad_token_id": tokenizer.specials.pad}
    for key, value in expected.items():
        if getattr(shape, key) != value:
            raise InputError(
                f"config.json must have the vocabulary's {key} {value}, but got {getattr(shape, key)} in {place}"
            )
    return model


def _check_first_version(config: dict[str, Any], place: str) -> None:
    positions = config.get("position_embedding_type", "absolute")
    own = sorted({"auto_map", "add_bias_fnn"} & config.keys())
    if own or positions != "absolute":
        raise InputError(
            "an ESM model must have absolute positions and plain feed-forward blocks, as the Nucleotide Transformer's "
            f"first version; the second has rotary positions, gated blocks and code of its own, which is not run, but "
            f"{place} has position_embedding_type {positions}" + "".join(f" and {name}" for name in own)
        )


def _tensors_of(folder: Path, place: str) -> Tensors:
    paths = sorted(folder.glob("model*.safetensors"))
    if not paths:
        raise InputError(
            f"weights must be in model.safetensors, but {place} has none; nothing is unpickled, so pytorch_model.bin "
            "is not read: the hub's converter (huggingface.co/spaces/safetensors/convert) or the library "
            "`safetensors` makes one of it"
        )
    found: Tensors = {}
    for path in paths:
        try:
            found.update(load_file(path))
        except (OSError, SafetensorError) as error:
            raise InputError(f"the weights {path} cannot be read: {error}") from error
    return found


def _fill(model: PreTrainedModel, tensors: Tensors, place: str) -> None:
    """Copy every tensor to its place; one that is tied to another need not be there."""
    for old, new in _OLD_NAMES:
        tensors = {name.replace(old, new): tensor for name, tensor in tensors.items()}
    names_of: dict[torch.nn.Parameter, list[str]] = defaultdict(list)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names_of[parameter].append(name)
    for parameter, names in names_of.items():
        present = [name for name in names if name in tensors]
        if not present:
            raise InputError(f"a model must have the tensor `{names[0]}`, but {place} lacks it")
        for name in present:
            if tensors[name].shape != parameter.shape:
                raise InputError(
                    f"the tensor `{name}` must have shape {tuple(parameter.shape)}, but got "
                    f"{tuple(tensors[name].shape)} in {place}"
                )
            if not torch.equal(tensors[name], tensors[present[0]]):
                raise InputError(f"`{name}` and `{present[0]}` must be the same tensor, but they differ in {place}")
        with torch.no_grad():
            parameter.copy_(tensors[present[0]])
    known = {name for names in names_of.values() for name in names}
    for name in sorted(tensors.keys() - known):
        if not _LEFT_OVER.fullmatch(name):
            raise InputError(f"a model of this kind must have no tensor `{name}`, but {place} has")

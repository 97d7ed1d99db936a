"""Builds the models of the presets: BERT, ESM and ModernBERT are transformers' own, AlibiBert is ours."""

import math
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    EsmConfig,
    EsmForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
)

from trainers.models.alibi_bert import AlibiBertConfig, AlibiBertForMaskedLM
from trainers.models.presets import ModelPreset, preset
from trainers.rng import Stream, derived_seed
from trainers.tokens.tokenizer import Tokenizer

_ROTARY_BASE = 10_000.0  # ModernBERT's own 160,000 is for contexts of 8,192 tokens


def initial_model(name: str, tokenizer: Tokenizer, seed: int) -> PreTrainedModel:
    """Return the model that every run of this seed starts from, on the CPU."""
    shape = preset(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, Stream.INITIALISATION, 0))
        model = model_of(name, tokenizer)
    if shape.sinusoidal:
        _start_as_sinusoids(model.base_model.embeddings.position_embeddings.weight, shape.spread)
    return model


def model_of(name: str, tokenizer: Tokenizer) -> PreTrainedModel:
    """Return a model of a preset's shape, with whatever weights."""
    shape = preset(name)
    return _BUILDERS[shape.architecture](shape, tokenizer)


def _common(shape: ModelPreset, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return what every architecture calls by the same name."""
    return {
        "vocab_size": tokenizer.vocabulary_size,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "initializer_range": shape.spread,
        "pad_token_id": tokenizer.specials.pad,
    }


def _bert(shape: ModelPreset, tokenizer: Tokenizer) -> BertForMaskedLM:
    return BertForMaskedLM(
        BertConfig(
            max_position_embeddings=shape.positions,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
            **_common(shape, tokenizer),
        )
    )


def _esm(shape: ModelPreset, tokenizer: Tokenizer) -> EsmForMaskedLM:
    assert shape.positions is not None
    model = EsmForMaskedLM(
        EsmConfig(
            mask_token_id=tokenizer.specials.mask,
            # ESM counts positions from behind the padding's id
            max_position_embeddings=shape.positions + tokenizer.specials.pad + 1,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
            position_embedding_type="absolute",
            emb_layer_norm_before=False,
            token_dropout=False,
            **_common(shape, tokenizer),
        )
    )
    model.esm.contact_head.requires_grad_(False)  # no loss reaches it, and workers would wait for its gradient
    return model


def _alibi_bert(shape: ModelPreset, tokenizer: Tokenizer) -> AlibiBertForMaskedLM:
    return AlibiBertForMaskedLM(AlibiBertConfig(hidden_dropout_prob=shape.dropout, **_common(shape, tokenizer)))


def _modernbert(shape: ModelPreset, tokenizer: Tokenizer) -> ModernBertForMaskedLM:
    specials, rotary = tokenizer.specials, {"rope_type": "default", "rope_theta": _ROTARY_BASE}
    return ModernBertForMaskedLM(
        ModernBertConfig(
            max_position_embeddings=shape.positions,
            layer_types=["full_attention"] * shape.layers,
            rope_parameters={"full_attention": rotary, "sliding_attention": rotary},
            decoder_bias=False,
            bos_token_id=specials.cls,
            cls_token_id=specials.cls,
            eos_token_id=specials.sep,
            sep_token_id=specials.sep,
            **_common(shape, tokenizer),
        )
    )


_BUILDERS = {"bert": _bert, "esm": _esm, "alibi_bert": _alibi_bert, "modernbert": _modernbert}


@torch.no_grad()
def _start_as_sinusoids(weight_PH: torch.Tensor, spread: float) -> None:
    """Wavelengths from 2 pi to 200 pi tokens: the span of a short DNA window, not of a book."""
    positions, hidden = weight_PH.shape
    frequency = torch.exp(torch.arange(0, hidden, 2) * (-math.log(100.0) / hidden))
    angle = torch.arange(positions)[:, None] * frequency
    weight_PH[:, 0::2] = angle.sin() * spread * math.sqrt(2)
    weight_PH[:, 1::2] = angle.cos() * spread * math.sqrt(2)

"""Builds the models of the presets with transformers' BERT."""

import math

import torch
from transformers import BertConfig, BertForMaskedLM

from trainers.models.presets import preset
from trainers.rng import Stream, derived_seed
from trainers.tokens.kmers import PAD, KmerTokenizer


def bert_config(name: str, k: int) -> BertConfig:
    """Return transformers' configuration of a preset over overlapping k-mers."""
    shape = preset(name)
    return BertConfig(
        vocab_size=KmerTokenizer(k).vocabulary_size,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
        initializer_range=shape.spread,
        pad_token_id=PAD,
    )


def initial_model(name: str, k: int, seed: int) -> BertForMaskedLM:
    """Return the model that every run of this seed starts from, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, Stream.INITIALISATION, 0))
        model = BertForMaskedLM(bert_config(name, k))
    if preset(name).sinusoidal:
        _start_as_sinusoids(model.bert.embeddings.position_embeddings.weight, preset(name).spread)
    return model


@torch.no_grad()
def _start_as_sinusoids(weight_PH: torch.Tensor, spread: float) -> None:
    """Wavelengths from 2 pi to 200 pi tokens: the span of a short DNA window, not of a book."""
    positions, hidden = weight_PH.shape
    frequency = torch.exp(torch.arange(0, hidden, 2) * (-math.log(100.0) / hidden))
    angle = torch.arange(positions)[:, None] * frequency
    weight_PH[:, 0::2] = angle.sin() * spread * math.sqrt(2)
    weight_PH[:, 1::2] = angle.cos() * spread * math.sqrt(2)

"""The two halves of a masked language model, whatever its architecture: the encoder, and the head over a vocabulary."""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel


def encoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return the encoder: called with token ids, it gives `last_hidden_state`, shape (B, T, H)."""
    encoder: PreTrainedModel = model.base_model
    return encoder


def head_of(model: PreTrainedModel) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what turns hidden states, shape (..., H), into logits over the vocabulary, shape (..., V)."""
    if model.config.model_type == "modernbert":
        return lambda hidden: model.decoder(model.head(hidden))
    head: Callable[[torch.Tensor], torch.Tensor] = model.lm_head if model.config.model_type == "esm" else model.cls
    return head

"""The two halves of a masked language model, whatever its architecture: the encoder, and the head over a vocabulary."""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel


def encoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return the encoder: called with token ids, it gives `last_hidden_state`, shape (B, T, H)."""
    encoder: PreTrainedModel = model.base_model
    return encoder


def encode(model: PreTrainedModel, inputs_BT: torch.Tensor, real_BT: torch.Tensor | None) -> torch.Tensor:
    """Return the last hidden states, shape (B, T, H).

    Args:
        model: Of any architecture, or its encoder alone.
        inputs_BT: Token ids, special ones included.
        real_BT: False in padding, which is not attended to; None where there is none. A ready mask over attention is
            given where it is taken: transformers would ask a GPU whether one of two dimensions hides anything.
    """
    encoder, name = encoder_of(model), model.config.model_type
    mask, read = real_BT, {"input_ids": inputs_BT}
    if real_BT is not None and name == "esm":  # its embeddings want the mask of two dimensions, its attention not
        read = {"inputs_embeds": encoder.embeddings(inputs_BT, attention_mask=real_BT)}
    if real_BT is not None and name in ("bert", "esm", "modernbert"):
        mask = real_BT[:, None, None, :]
    hidden_BTH: torch.Tensor = encoder(**read, attention_mask=mask).last_hidden_state
    return hidden_BTH


def head_of(model: PreTrainedModel) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what turns hidden states, shape (..., H), into logits over the vocabulary, shape (..., V)."""
    if model.config.model_type == "modernbert":
        return lambda hidden: model.decoder(model.head(hidden))
    head: Callable[[torch.Tensor], torch.Tensor] = model.lm_head if model.config.model_type == "esm" else model.cls
    return head

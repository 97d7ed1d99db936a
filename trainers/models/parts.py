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


def encode_first(model: PreTrainedModel, inputs_BT: torch.Tensor, real_BT: torch.Tensor | None) -> torch.Tensor:
    """Return the last hidden state of each row's first token, shape (B, H): `encode(...)[:, 0]` but for rounding.

    BERT's last layer is computed at that token alone: nobody reads what it would make of the others, which in a model
    of two layers is almost half of all work.

    Args:
        model: As for `encode`.
        inputs_BT: As for `encode`.
        real_BT: As for `encode`.
    """
    if model.config.model_type != "bert":
        return encode(model, inputs_BT, real_BT)[:, 0]
    encoder = encoder_of(model)
    mask = None if real_BT is None else real_BT[:, None, None, :]
    hidden_BTH = encoder.embeddings(input_ids=inputs_BT)
    *before, last = encoder.encoder.layer
    for layer in before:
        hidden_BTH = layer(hidden_BTH, mask)
    attention, first_B1H = last.attention.self, hidden_BTH[:, :1]
    query, key, value = (
        part(hidden).unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
        for part, hidden in ((attention.query, first_B1H), (attention.key, hidden_BTH), (attention.value, hidden_BTH))
    )
    dropout = attention.dropout.p if attention.training else 0.0
    seen = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    attended_B1H = last.attention.output(seen.transpose(1, 2).flatten(-2), first_B1H)
    found_BH: torch.Tensor = last.feed_forward_chunk(attended_B1H)[:, 0]
    return found_BH


def head_of(model: PreTrainedModel) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what turns hidden states, shape (..., H), into logits over the vocabulary, shape (..., V)."""
    if model.config.model_type == "modernbert":
        return lambda hidden: model.decoder(model.head(hidden))
    head: Callable[[torch.Tensor], torch.Tensor] = model.lm_head if model.config.model_type == "esm" else model.cls
    return head

"""A pretrained encoder with a head that tells classes apart."""

import copy

import torch
from transformers import PreTrainedModel

from trainers.evaluation.protocol import Pooling
from trainers.models.parts import encode, encode_first, encoder_of


def pooled(
    encoder: PreTrainedModel, tokens_BT: torch.Tensor, pad: int, is_padded: bool, pooling: Pooling
) -> torch.Tensor:
    """Return what a head reads of a row, shape (B, H): its first token, or the mean over its tokens.

    Args:
        encoder: On the device of the tokens.
        tokens_BT: Token ids.
        pad: Id of padding.
        is_padded: Whether any row has padding; a GPU is not asked.
        pooling: Which of the two.
    """
    real_BT = tokens_BT != pad
    attended_BT = real_BT if is_padded else None
    if pooling == "cls":
        return encode_first(encoder, tokens_BT, attended_BT)
    hidden_BTH = encode(encoder, tokens_BT, attended_BT)
    weight_BT1 = real_BT[:, :, None].to(hidden_BTH.dtype)
    return (hidden_BTH * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1)


class Head(torch.nn.Module):
    """BERT's pooler over [CLS] where that is what is read; dropout; one linear layer."""

    def __init__(self, model: PreTrainedModel, classes: int, pooling: Pooling) -> None:
        super().__init__()
        config = model.config
        hidden = int(config.hidden_size)
        self.pooler = torch.nn.Linear(hidden, hidden) if pooling == "cls" else None
        self.dropout = torch.nn.Dropout(
            float(getattr(config, "hidden_dropout_prob", 0.0))
        )  # ModernBERT's has another name
        self.linear = torch.nn.Linear(hidden, classes)

    def forward(self, features_BH: torch.Tensor, is_padded: bool = False) -> torch.Tensor:
        """Return logits, shape (B, classes)."""
        if self.pooler is not None:
            features_BH = torch.tanh(self.pooler(features_BH))
        logits_BC: torch.Tensor = self.linear(self.dropout(features_BH))
        return logits_BC


class Classifier(torch.nn.Module):
    """A copy of the pretrained encoder, pooling, and a head."""

    def __init__(self, model: PreTrainedModel, pad: int, classes: int, pooling: Pooling) -> None:
        super().__init__()
        self.pad, self.pooling = pad, pooling
        self.encoder = copy.deepcopy(encoder_of(model))
        self.head = Head(model, classes, pooling)

    def forward(self, tokens_BT: torch.Tensor, is_padded: bool = True) -> torch.Tensor:
        """Return logits, shape (B, classes); a GPU is not waited for where the caller knows of no padding."""
        logits_BC: torch.Tensor = self.head(pooled(self.encoder, tokens_BT, self.pad, is_padded, self.pooling))
        return logits_BC

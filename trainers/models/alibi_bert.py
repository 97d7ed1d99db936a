"""DNABERT-2's architecture in plain torch: BERT with ALiBi instead of positions and with gated feed-forward blocks.

Parameters have the names of the published checkpoint (arXiv 2306.15006; its layers are MosaicBERT's, arXiv 2312.17482),
so that its weights can be loaded without its code. Importing this module makes transformers' Auto classes know it.
"""

import math
from typing import Any, ClassVar

import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput, MaskedLMOutput


class AlibiBertConfig(PreTrainedConfig):  # type: ignore[misc]
    """Shape of the model; names as in BERT's configuration."""

    model_type = "alibi_bert"
    vocab_size: int = 4096
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 3
    tie_word_embeddings: bool = True


def slopes_of(heads: int) -> list[float]:
    """Return how steeply each head's attention falls with distance (arXiv 2108.12409, section 3).

    2^(-8/n), 2^(-16/n), ... for n heads, a power of two; for other numbers those of the next smaller power of two,
    followed by every second one of the next larger.
    """
    power = 2 ** math.floor(math.log2(heads))
    found = [2.0 ** (-8 * (at + 1) / power) for at in range(power)]
    if power < heads:
        found += slopes_of(2 * power)[0::2][: heads - power]
    return found


class _Embeddings(torch.nn.Module):
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.word_embeddings = torch.nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.token_type_embeddings = torch.nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = torch.nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)

    def forward(self, ids_BT: torch.Tensor) -> torch.Tensor:
        embedded_BTH = self.word_embeddings(ids_BT) + self.token_type_embeddings.weight[0]
        found: torch.Tensor = self.dropout(self.LayerNorm(embedded_BTH))
        return found


class _SelfAttention(torch.nn.Module):
    """Attention of all heads, at once."""

    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self._heads = config.num_attention_heads
        self.Wqkv = torch.nn.Linear(config.hidden_size, 3 * config.hidden_size)

    def forward(self, hidden_BTH: torch.Tensor, bias_BNTT: torch.Tensor) -> torch.Tensor:
        rows, tokens, hidden = hidden_BTH.shape
        qkv = self.Wqkv(hidden_BTH).view(rows, tokens, 3, self._heads, hidden // self._heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias_BNTT)
        return mixed.transpose(1, 2).reshape(rows, tokens, hidden)


class _SelfOutput(torch.nn.Module):
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = torch.nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)

    def forward(self, mixed_BTH: torch.Tensor, before_BTH: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.LayerNorm(self.dropout(self.dense(mixed_BTH)) + before_BTH)
        return found


class _Attention(torch.nn.Module):
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.self = _SelfAttention(config)
        self.output = _SelfOutput(config)

    def forward(self, hidden_BTH: torch.Tensor, bias_BNTT: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.output(self.self(hidden_BTH, bias_BNTT), hidden_BTH)
        return found


class _GatedBlock(torch.nn.Module):
    """GELU of one half gates the other."""

    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.gated_layers = torch.nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.wo = torch.nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)
        self.layernorm = torch.nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_BTH: torch.Tensor) -> torch.Tensor:
        gate, passed = self.gated_layers(hidden_BTH).chunk(2, dim=-1)
        found: torch.Tensor = self.layernorm(self.wo(self.dropout(functional.gelu(gate) * passed)) + hidden_BTH)
        return found


class _Layer(GradientCheckpointingLayer):  # type: ignore[misc]
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.mlp = _GatedBlock(config)

    def forward(self, hidden_BTH: torch.Tensor, bias_BNTT: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.mlp(self.attention(hidden_BTH, bias_BNTT))
        return found


class _Encoder(torch.nn.Module):
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.layer = torch.nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, hidden_BTH: torch.Tensor, bias_BNTT: torch.Tensor) -> torch.Tensor:
        for layer in self.layer:
            hidden_BTH = layer(hidden_BTH, bias_BNTT)
        return hidden_BTH


class AlibiBertPreTrainedModel(PreTrainedModel):  # type: ignore[misc]
    """What both models share."""

    config_class = AlibiBertConfig
    base_model_prefix = "bert"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ("_Layer",)


class AlibiBertModel(AlibiBertPreTrainedModel):
    """The encoder."""

    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__(config)
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)
        self.post_init()

    def get_input_embeddings(self) -> torch.nn.Module:
        """Return the table of the tokens."""
        return self.embeddings.word_embeddings

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any) -> BaseModelOutput:
        """Encode token ids, shape (B, T); where `attention_mask`, of the same shape, is 0, nothing is attended to."""
        hidden_BTH, device = self.embeddings(input_ids), input_ids.device
        is_autocast = torch.is_autocast_enabled(device.type)
        kind = torch.get_autocast_dtype(device.type) if is_autocast else hidden_BTH.dtype
        bias = _bias(self.config.num_attention_heads, input_ids.shape[1], device).to(kind)  # once for all layers
        if attention_mask is not None:
            bias = bias.masked_fill(attention_mask[:, None, None, :] == 0, -torch.inf)
        return BaseModelOutput(last_hidden_state=self.encoder(hidden_BTH, bias))


def _bias(heads: int, tokens: int, device: torch.device) -> torch.Tensor:
    """Return what is added to attention scores, shape (1, heads, T, T): the distance, times minus the head's slope."""
    slopes_N = torch.tensor(slopes_of(heads)).to(device, non_blocking=True)
    at_T = torch.arange(tokens, device=device)
    distance_TT = (at_T[:, None] - at_T).abs()
    return (-slopes_N[:, None, None] * distance_TT)[None]


class _Transform(torch.nn.Module):
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = torch.nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.LayerNorm(functional.gelu(self.dense(hidden)))
        return found


class _Predictions(torch.nn.Module):
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.transform = _Transform(config)
        self.decoder = torch.nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.decoder(self.transform(hidden))
        return logits


class _Head(torch.nn.Module):
    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__()
        self.predictions = _Predictions(config)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.predictions(hidden)
        return logits


class AlibiBertForMaskedLM(AlibiBertPreTrainedModel):
    """The encoder and a head over the vocabulary, whose weights are those of the embeddings."""

    _tied_weights_keys: ClassVar = {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"}

    def __init__(self, config: AlibiBertConfig) -> None:
        super().__init__(config)
        self.bert = AlibiBertModel(config)
        self.cls = _Head(config)
        self.post_init()

    def get_output_embeddings(self) -> torch.nn.Module:
        """Return the last layer of the head."""
        return self.cls.predictions.decoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any) -> MaskedLMOutput:
        """Return logits at every position, shape (B, T, V)."""
        hidden_BTH = self.bert(input_ids, attention_mask).last_hidden_state
        return MaskedLMOutput(logits=self.cls(hidden_BTH))


AutoConfig.register(AlibiBertConfig.model_type, AlibiBertConfig)
AutoModelForMaskedLM.register(AlibiBertConfig, AlibiBertForMaskedLM)

"""A masked language model whose vocabulary head runs over the masked positions only."""

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from trainers.models.parts import encode, head_of
from trainers.pretraining.batches import Batch


class MaskedLanguageModel(torch.nn.Module):
    """Any of the presets' models, asked about the masked tokens alone (about 15 % of all)."""

    def __init__(self, model: PreTrainedModel, autocast: torch.dtype | None = None) -> None:
        """Wrap a model; with `autocast`, matrix products are computed in that type."""
        super().__init__()
        self.model = model
        self._autocast = autocast

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the sum of -ln p(label) over the masked tokens."""
        return functional.cross_entropy(self.logits(batch), batch.labels_M, reduction="sum")

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return float32 logits at the masked tokens, shape (M, V); padding is not attended to."""
        with torch.autocast(batch.inputs_BT.device.type, self._autocast, enabled=self._autocast is not None):
            hidden_BTH = encode(self.model, batch.inputs_BT, batch.real_BT)
            hidden_MH = hidden_BTH.flatten(0, 1).index_select(0, batch.masked_M)
            logits_MV: torch.Tensor = head_of(self.model)(hidden_MH)
        return logits_MV.float()

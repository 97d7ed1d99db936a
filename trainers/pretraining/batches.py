"""Masked batches as a model reads them, and the fixed masks on which every curriculum is validated."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from curricula import Masking, Strategy
from trainers.masking.masker import Lengths, Masker
from trainers.tokens.kmers import PAD, KmerTokenizer

VALIDATION_MASKING = Masking(Strategy.RANDOM, rate=0.15)
VALIDATION_SEED = 7919  # the same masks in every study, so that losses can be compared


@dataclass(frozen=True)
class Batch:
    """One masked batch of this rank, ready for the model; `real_BT` is False in padding, None where there is none."""

    inputs_BT: torch.Tensor
    mask_BT: torch.Tensor
    labels_M: torch.Tensor
    real_BT: torch.Tensor | None = None


def masked_batch(
    tokenizer: KmerTokenizer,
    masker: Masker,
    ids_BT: torch.Tensor,
    masking: Masking,
    samples_B: torch.Tensor,
    tokens: Lengths | None = None,
) -> Batch:
    """Mask k-mer ids and add [CLS] and [SEP]; where rows have `tokens` of their own, what is behind is padding."""
    masked = masker(ids_BT, masking, samples_B, tokens)
    mask_BT = functional.pad(masked.mask_BT, (1, 1))
    labels_M = ids_BT[masked.mask_BT]
    if tokens is None:
        return Batch(tokenizer.wrap(masked.inputs_BT), mask_BT, labels_M)
    inputs_BT = tokenizer.wrap(masked.inputs_BT, torch.from_numpy(tokens).to(ids_BT.device, non_blocking=True))
    return Batch(inputs_BT, mask_BT, labels_M, inputs_BT != PAD)

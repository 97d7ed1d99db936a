"""Operations that a model needs, and those that a device could do: their ratio is model FLOPs utilisation.

As in PaLM (arXiv 2204.02311, appendix B): what the mathematics asks for, two operations a multiply-add, matrix
products only, the backward pass twice the forward pass, nothing for what is computed again or for padding. The
vocabulary head is counted at the masked positions alone, where ours runs.
"""

import functools
import re
import time
from dataclasses import dataclass
from typing import Literal

import torch
from transformers import PreTrainedModel

from trainers.models.parts import encoder_of

_PUBLISHED = {  # dense operations a second in bf16 and in fp32 with TF32 off, by words of the device's name
    "H100 PCIe": (756e12, 51e12),
    "H100 NVL": (835e12, 60e12),
    "H100": (989e12, 67e12),
    "H200 NVL": (835e12, 60e12),
    "H200": (989e12, 67e12),
    "A100": (312e12, 19.5e12),
    "L40S": (362e12, 91.6e12),
    "L4": (121e12, 30.3e12),
    "A10G": (70e12, 31.5e12),
    "RTX 4090": (165e12, 82.6e12),
    "RTX 3090": (71e12, 35.6e12),
    "V100-PCIE": (112e12, 14e12),  # half precision of V100 and T4 is fp16
    "V100": (125e12, 15.7e12),
    "T4": (65e12, 8.1e12),
}
_LESS_OR_MORE = re.compile(r"\b(MIG|Laptop|Max-Q|Ti|D)\b")  # a part of such a device, or a kin of it
_LARGEST = 4096  # rows and columns of the matrices that a device without a published figure multiplies
_LONG = 0.02  # seconds after which a product is large enough


@dataclass(frozen=True)
class Peak:
    """Operations a second that a device could do, and how that is known."""

    flops_per_second: float
    source: Literal["published", "measured"]


class Flops:
    """Counts the operations of training steps of one model."""

    def __init__(self, model: PreTrainedModel) -> None:
        """Count the weights of its matrix products, in the encoder and in the head."""
        encoder = encoder_of(model)
        inside = {id(module) for module in encoder.modules()}
        products = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
        self._encoder = sum(linear.weight.numel() for linear in products if id(linear) in inside)
        self._head = sum(linear.weight.numel() for linear in products if id(linear) not in inside)
        self._attention = 2 * int(model.config.num_hidden_layers) * int(model.config.hidden_size)

    def step(self, tokens: int, squared: int, masked: int) -> float:
        """Return the operations, forward and backward.

        Args:
            tokens: Tokens that the model reads, special ones included and padding not.
            squared: Sum of the squares of the rows' lengths: each token attends to its whole row.
            masked: Tokens that it is asked about.
        """
        forward = 2.0 * (self._encoder * tokens + self._attention * squared + self._head * masked)
        return 3 * forward


def published(name: str, precision: Literal["fp32", "bf16"]) -> float | None:
    """Return the published dense peak of a GPU by its name, operations a second; None where we know of none."""
    if _LESS_OR_MORE.search(name):
        return None
    for words, (bf16, fp32) in _PUBLISHED.items():
        if re.search(rf"\b{words}\b", name):
            return bf16 if precision == "bf16" else fp32
    return None


@functools.cache
def peak(device: torch.device, precision: Literal["fp32", "bf16"]) -> Peak:
    """Return what a device could do: published for common GPUs, else measured by matrix products, once, in a second."""
    if device.type == "cuda":
        known = published(torch.cuda.get_device_name(device), precision)
        if known is not None:
            return Peak(known, "published")
    return Peak(_measured(device, torch.bfloat16 if precision == "bf16" else torch.float32), "measured")


def _measured(device: torch.device, kind: torch.dtype) -> float:
    best, size, seconds = 0.0, 128, 0.0
    while seconds < _LONG and size < _LARGEST:
        size *= 2
        matrix = torch.linspace(-1, 1, size**2, device=device).view(size, size).to(kind)
        for _ in range(4):
            started_at = time.perf_counter()
            float((matrix @ matrix)[0, 0])  # asks for a number, so that the device has finished
            seconds = time.perf_counter() - started_at
            best = max(best, 2 * size**3 / seconds)
    return best

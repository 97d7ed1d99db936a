"""Classifiers of one shape that learn side by side: their parameters are stacked, so that one kernel serves all."""

from collections.abc import Sequence

import torch
from torch.func import functional_call

from trainers.evaluation.rows import Rows


class Members:
    """M classifiers. One alone is called as it is; several through `torch.vmap`.

    Attributes:
        parameters: What is trained, by name; shape (M, ...), or that of the module where M is 1.
        device: Of all of it.
    """

    def __init__(self, modules: Sequence[torch.nn.Module]) -> None:
        self._module = modules[0]
        self.count = len(modules)
        named = [dict(module.named_parameters()) for module in modules]
        self.device = next(iter(named[0].values())).device
        self.parameters: dict[str, torch.Tensor] = {
            name: parameter if self.count == 1 else _stacked([one[name] for one in named])
            for name, parameter in named[0].items()
            if parameter.requires_grad
        }
        self._best: dict[str, torch.Tensor] = {}

    def train(self) -> None:
        """Turn dropout on."""
        self._module.train()

    def logits(self, inputs: torch.Tensor, is_padded: bool, shared: bool = False) -> torch.Tensor:
        """Return logits, float32, shape (M, B, classes).

        Args:
            inputs: Rows of each member, shape (M, B, ...); with `shared` those of all, shape (B, ...).
            is_padded: Whether any row of token ids has padding.
            shared: Whether all members read the same rows.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            if self.count == 1:
                found: torch.Tensor = self._module(inputs if shared else inputs[0], is_padded)[None]
            else:

                def one(parameters: dict[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
                    result: torch.Tensor = functional_call(self._module, parameters, (rows, is_padded))
                    return result

                found = torch.vmap(one, in_dims=(0, None if shared else 0), randomness="different")(
                    self.parameters, inputs
                )
        return found.float()

    @torch.no_grad()
    def predict(self, rows: Rows) -> torch.Tensor:
        """Return logits of all rows, on the CPU, shape (M, N, classes)."""
        self._module.eval()
        groups = rows.passes(self.count)
        parts = []
        for rows_B in groups:
            longest, is_padded = rows.longest(rows_B)
            parts.append(self.logits(rows.take(rows_B, longest), is_padded, shared=True))
        sorted_MNC = torch.cat(parts, dim=1).cpu()
        found_MNC = torch.empty_like(sorted_MNC)
        order_N = torch.cat([torch.from_numpy(rows_B) for rows_B in groups])
        found_MNC[:, order_N] = sorted_MNC
        return found_MNC

    @torch.no_grad()
    def clip(self, largest: float) -> None:
        """Scale down the gradient of each member whose norm is above the largest."""
        gradients = [
            self._by_member(parameter.grad) for parameter in self.parameters.values() if parameter.grad is not None
        ]
        norms_M = torch.stack([gradient.norm(dim=1) for gradient in gradients]).norm(dim=0)
        scale_M1 = (largest / (norms_M + 1e-6)).clamp(max=1.0)[:, None]
        for gradient in gradients:
            gradient.mul_(scale_M1)

    @torch.no_grad()
    def keep(self, better_M: torch.Tensor) -> None:
        """Remember the state of these members (true where it is to be kept)."""
        better_M1 = better_M.to(self.device)[:, None]
        for name, parameter in self.parameters.items():
            now = self._by_member(parameter)
            self._best[name] = torch.where(better_M1, now, self._best[name]) if name in self._best else now.clone()

    @torch.no_grad()
    def restore(self) -> None:
        """Go back to the states that were kept last, if any."""
        for name, best in self._best.items():
            self._by_member(self.parameters[name]).copy_(best)

    def _by_member(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.view(self.count, -1)


def _stacked(parameters: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([parameter.detach() for parameter in parameters]).requires_grad_()

"""The numbers of a pretraining at one budget: what it learnt, how fast, and what it took."""

import torch

from study.spec.study import ClusterSpec
from trainers.pretraining.clock import peak_memory
from trainers.pretraining.flops import peak
from trainers.pretraining.loop import Reached
from trainers.workers import Workers


def measures(
    reached: Reached, workers: Workers, cluster: ClusterSpec, autocast: torch.dtype | None
) -> dict[str, float]:
    """Return the metrics of the task `pretraining` by name.

    Call it on one rank, outside of timed training: the first call on a CPU measures what it could do.

    Args:
        reached: The budget, of all workers; `parts` of the state and the memory are those of the first worker.
        workers: The group that reached the budget.
        cluster: How many GPUs a worker holds, and its price.
        autocast: Type of the matrix products where it is not fp32.

    Returns:
        `mfu` is model FLOPs utilisation (PaLM, arXiv 2204.02311, appendix B). Without a step of training there is no
        speed, and its metrics are left out; money is left out where no price is set.
    """
    state, narrow, wide = reached.state, reached.validation.narrow, reached.validation.wide
    worker_hours = state.worker_seconds / 3600
    values = {
        "validation_loss": narrow.loss,
        "validation_perplexity": narrow.perplexity,
        "validation_accuracy": narrow.accuracy,
        "validation_loss_wide": wide.loss,
        "validation_perplexity_wide": wide.perplexity,
        "validation_accuracy_wide": wide.accuracy,
        "train_seconds": state.seconds,
        "tokens": float(state.tokens),
        "masked_tokens": float(state.masked_tokens),
        "workers": float(workers.count),
        "flops": state.flops,
        "peak_memory_bytes": float(peak_memory(workers.device)),
        "worker_hours": worker_hours,
        "gpu_hours": worker_hours * cluster.gpus_per_worker,
    }
    if cluster.price_per_worker_hour is not None:
        values["money"] = worker_hours * cluster.price_per_worker_hour
    return values | (_speed(reached, workers, autocast) if state.step else {})


def _speed(reached: Reached, workers: Workers, autocast: torch.dtype | None) -> dict[str, float]:
    state = reached.state
    best = peak(workers.device, "bf16" if autocast is torch.bfloat16 else "fp32").flops_per_second
    return {
        "mfu": state.flops / (state.worker_seconds * best),
        "peak_flops": best,
        "tokens_per_second": state.tokens / state.seconds,
        "masked_tokens_per_second": state.masked_tokens / state.seconds,
        **{f"seconds_{part}": seconds for part, seconds in state.parts.items()},
    }

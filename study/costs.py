"""What the trials of a curriculum took, and where the time of its best run went."""

from dataclasses import dataclass

import pandas as pd

from study.spec import StudySpec
from study.store import PRETRAINING

_OVERLAPPING = "communication"  # goes on during the backward pass, so adding it up would count it twice
REST = "other"


@dataclass(frozen=True)
class Costs:
    """Training and scoring of all trials of a curriculum, failed attempts left out.

    Attributes:
        seconds: Wall time of training, and of each fine-tuning on the worker that ran it.
        worker_hours: Hours that a worker was in use: all of them while training, one for each fine-tuning.
        gpu_hours: The same for GPUs; 0 without.
        flops: Model FLOPs of training; see `trainers.pretraining.flops`.
        money: Price of the worker-hours; None where the spec names none.
    """

    seconds: float
    worker_hours: float
    gpu_hours: float
    flops: float
    money: float | None


@dataclass(frozen=True)
class Usage:
    """What a study as a whole took.

    Attributes:
        costs: Of all its runs.
        held: Worker-hours for which it had its workers, in use or not; 0 where that was not recorded.
    """

    costs: Costs
    held: float

    @property
    def idle(self) -> float | None:
        """Share of the held time in which a worker neither trained nor scored: starts, waiting, work that was lost.

        None where scores of another study were taken over, and more was used than this one held.
        """
        used = self.costs.worker_hours
        return None if self.held < used or not self.held else 1 - used / self.held

    def sentence(self) -> str:
        """Say it."""
        costs = self.costs
        money = "" if costs.money is None else f" ({costs.money:,.2f} in money)"
        text = f"all trials together used {costs.worker_hours:.3g} worker-hours{money}"
        if costs.gpu_hours:
            text += f", {costs.gpu_hours:.3g} GPU-hours"
        return text if self.idle is None else f"{text}; of {self.held:.3g} held, {self.idle:.0%} were idle"


@dataclass(frozen=True)
class Speed:
    """How one run trained up to its last budget.

    Attributes:
        tokens_per_second: Of all workers.
        mfu: Model FLOPs utilisation, a share of what the devices could do.
        communication: Seconds in which the first worker talked to others, most of them during its backward passes.
        parts: All its seconds, by part; they add up to the time of the training.
    """

    tokens_per_second: float
    mfu: float
    communication: float
    parts: dict[str, float]


def costs(spec: StudySpec, rows: pd.DataFrame) -> Costs:
    """Sum up the rows of one curriculum."""
    fine_tuning = rows[rows["task"] != PRETRAINING].drop_duplicates(["run", "budget", "task", "repetition"])
    scoring = float(fine_tuning["seconds"].sum())
    worker_hours = _trained(spec, rows, "worker_hours") + scoring / 3600
    price = spec.cluster.price_per_worker_hour
    return Costs(
        seconds=_trained(spec, rows, "train_seconds") + scoring,
        worker_hours=worker_hours,
        gpu_hours=worker_hours * spec.cluster.gpus_per_worker,
        flops=_trained(spec, rows, "flops"),
        money=None if price is None else worker_hours * price,
    )


def by_run(spec: StudySpec, rows: pd.DataFrame) -> dict[str, Costs]:
    """Return what each run took, by key."""
    return {str(run): costs(spec, own) for run, own in rows.groupby("run")}


def _trained(spec: StudySpec, rows: pd.DataFrame, metric: str) -> float:
    """Add up a cost that grows with the steps: each training to its last budget, and the branches on the way there."""
    own = rows[rows["metric"] == metric].sort_values("budget")
    is_earlier = own.duplicated(["run", "horizon"], keep="last")
    branches = own[is_earlier & (own["branch"] == "cooldown")]["value"]
    return float(own[~is_earlier]["value"].sum() + spec.pretraining.cooldown * branches.sum())


def speed(rows: pd.DataFrame, run: str) -> Speed | None:
    """Return the speed of one run at its last budget; None where nothing was trained."""
    own = rows[(rows["run"] == run) & (rows["task"] == PRETRAINING)]
    at = own[own["budget"] == own["budget"].max()].set_index("metric")["value"]
    if "mfu" not in at.index:
        return None
    parts = {str(name).removeprefix("seconds_"): float(at[name]) for name in at.index if name.startswith("seconds_")}
    communication = parts.pop(_OVERLAPPING, 0.0)
    rest = max(0.0, float(at["train_seconds"]) - sum(parts.values()))
    return Speed(float(at["tokens_per_second"]), float(at["mfu"]), communication, {**parts, REST: rest})

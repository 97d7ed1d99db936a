"""What the trials of a curriculum took, and where the time of its best run went."""

from dataclasses import dataclass

import pandas as pd

from study.spec.study import StudySpec
from study.store import PRETRAINING

_OVERLAPPING = "communication"  # goes on during the backward pass, so adding it up would count it twice
_GROWING = ["worker_hours", "train_seconds", "flops"]
_FINE_TUNING = ["run", "budget", "fidelity", "task", "repetition"]
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
    """Sum up rows."""
    return next(iter(costs_by(spec, rows.assign(all="all"), "all").values()), Costs(0.0, 0.0, 0.0, 0.0, None))


def costs_by(spec: StudySpec, rows: pd.DataFrame, column: str) -> dict[str, Costs]:
    """Sum up the rows of each run, each curriculum, or whatever else a column tells apart."""
    fine_tuning = rows[rows["task"] != PRETRAINING].drop_duplicates(_FINE_TUNING)
    scoring = fine_tuning.groupby(column)["seconds"].sum()
    trained = _trained(spec, rows, column).reindex(rows[column].unique(), fill_value=0.0)
    price, gpus = spec.cluster.price_per_worker_hour, spec.cluster.gpus_per_worker
    found = {}
    for name, (hours, seconds, flops) in zip(trained.index, trained.to_numpy(), strict=True):
        scored = float(scoring.get(name, 0.0))
        used = float(hours) + scored / 3600
        found[str(name)] = Costs(
            seconds=float(seconds) + scored,
            worker_hours=used,
            gpu_hours=used * gpus,
            flops=float(flops),
            money=None if price is None else used * price,
        )
    return found


def _trained(spec: StudySpec, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Add up what grows with the steps: each training to its last budget, and the branches on the way there.

    Returns a table with a column for each of `_GROWING`, and a line for each value of the column that tells apart.
    """
    own = rows[rows["metric"].isin(_GROWING)].sort_values("budget")
    is_earlier = own.duplicated(["run", "horizon", "metric"], keep="last")
    share = (~is_earlier).astype(float) + spec.pretraining.cooldown * (is_earlier & (own["branch"] == "cooldown"))
    counted = own.assign(value=own["value"] * share)
    added = counted.pivot_table(values="value", index=column, columns="metric", aggfunc="sum", fill_value=0.0)
    return added.reindex(columns=_GROWING, fill_value=0.0)


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

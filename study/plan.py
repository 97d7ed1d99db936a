"""What a study will take, before anything starts: runs, tokens, operations, device-hours, money, disk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

from curricula import InputError
from study.evidence.verdict import in_reach, most_comparisons
from study.runs import Run, baselines, controls, default_run, repetitions
from study.spec.study import CONTROL, StudySpec
from study.tasks import applies
from trainers.evaluation.protocol import Protocol
from trainers.models.presets import preset
from trainers.tasks.task import EvaluationTask
from trainers.tokens.kinds import bases_a_token

_RATE = 0.15  # tokens masked, for the cost of the head; curricula move about it
_BYTES = 12  # a weight and the two moments that AdamW keeps of it


@dataclass(frozen=True)
class Part:
    """What one part of a study takes.

    Attributes:
        runs: Trials.
        steps: Optimiser steps of pretraining, branches for a cool-down included.
        tokens: That the model reads while pretraining, special ones left out.
        training: Operations of pretraining.
        scores: Fine-tunings and probes.
        scoring: Operations of these.
        disk: Bytes of checkpoints that stay.
    """

    name: str
    runs: float
    steps: float = 0.0
    tokens: float = 0.0
    training: float = 0.0
    scores: float = 0.0
    scoring: float = 0.0
    disk: float = 0.0

    def times(self, count: float) -> "Part":
        """Return so many of it."""
        numbers = {name: count * value for name, value in vars(self).items() if name != "name"}
        return Part(self.name, **numbers)


def plan(spec: StudySpec, tasks: Sequence[EvaluationTask] | None, stops: bool = True) -> list[Part]:
    """Return the parts of a study.

    Args:
        spec: The study.
        tasks: Its tasks; None where scores are not asked for.
        stops: Whether the search stops as many trials at each budget as its reduction factor says; or else none.
    """
    run = _Costs(spec, tasks)
    fixed = [run.of(one, "controls") for one in controls(spec)]
    parts = [Part("baselines", float(len(baselines(spec)))), _sum(fixed)]
    if spec.search.trials:
        searched = default_run(spec, CONTROL, "search")
        tried = spec.search.trials - len(spec.every_seed())
        parts.append(run.of(searched, "search", spec.search.reduction_factor if stops else 1.0).times(tried))
        parts.append(run.of(default_run(spec, CONTROL, "replicate"), "repeats").times(repetitions(spec)))
    if spec.replication.most_seeds and not stops:
        compared = len(spec.every_seed()) + (spec.replication.promising if spec.search.trials else 0)
        further = compared * (spec.replication.most_seeds - spec.seeds)
        parts.append(run.of(default_run(spec, CONTROL, "replicate"), "more seeds").times(further))
    return [part for part in parts if part.runs]


def _sum(parts: Sequence[Part], name: str | None = None) -> Part:
    names = [field for field in vars(parts[0]) if field != "name"]
    return Part(name or parts[0].name, **{field: sum(getattr(part, field) for part in parts) for field in names})


class _Costs:
    """What single runs take."""

    def __init__(self, spec: StudySpec, tasks: Sequence[EvaluationTask] | None) -> None:
        self._spec, self._tasks = spec, tasks
        shape = preset(spec.model.preset)
        self._bases_a_token = bases_a_token(shape.tokens, spec.model.k)
        self._encoder, self._head = shape.matrix_weights(spec.model.k)
        self._attention = 2 * shape.layers * shape.hidden

    def of(self, run: Run, name: str, reduction: float = 1.0) -> Part:
        """Return what one run takes, where of `reduction` runs one passes each budget."""
        part, steps, tokens, training, scores, scoring = self._spec.pretraining, 0.0, 0.0, 0.0, 0.0, 0.0
        budgets = run.budgets(self._spec)
        before = 0
        for number, budget in enumerate(budgets):
            arrives = reduction**-number
            branch = part.cooldown * budget if budget < budgets[-1] else 0.0
            here = arrives * (budget - (before if part.horizon == "longest" else 0) + branch)
            steps += here
            length = self._row()
            tokens += here * part.batch * length
            training += here * part.batch * 3 * self._forward(length, _RATE * length)
            for fidelity in run.fidelities(self._spec, budget):
                count, operations = self._scored(fidelity)
                scores += arrives * count
                scoring += arrives * operations
            before = budget
        kept = len(budgets) + (part.keep_last if part.checkpoint_every else 0)
        disk = _BYTES * (self._encoder + self._head) * kept
        return Part(name, 1.0, steps, tokens, training, scores, scoring, disk)

    def _row(self) -> float:
        """Return the mean tokens of a sample."""
        longest, shortest = self._spec.pretraining.length, self._spec.data.sampling.shortest
        is_mixed = self._spec.data.sampling.lengths == "mixed"
        return (longest / 2 + (shortest + longest) / 4 if is_mixed else longest) / self._bases_a_token

    def _forward(self, tokens: float, masked: float) -> float:
        return 2.0 * (self._encoder * tokens + self._attention * tokens**2 + self._head * masked)

    def _scored(self, name: str) -> tuple[float, float]:
        """Return fine-tunings and operations of scoring a checkpoint in one way."""
        evaluation = self._spec.evaluation
        fidelity = evaluation.fidelities.get(name)
        count, operations = 0.0, 0.0
        if self._tasks is None:
            return count, operations
        for entry, task in zip(evaluation.tasks, self._tasks, strict=True):
            if fidelity is not None and not applies(fidelity, entry):
                continue
            protocol = entry.protocol() if fidelity is None else fidelity.protocol(entry.protocol())
            repetitions = (fidelity.repetitions if fidelity is not None else None) or entry.repetitions
            count += repetitions
            operations += repetitions * self._once(task, protocol)
        return count, operations

    def _once(self, task: EvaluationTask, protocol: Protocol) -> float:
        rows = {name: float(len(split)) for name, split in task.splits.items()}
        train = protocol.shots * task.classes if protocol.shots else rows["train"] * protocol.share
        tokens = sum(map(len, task.splits["test"].sequences)) / max(1.0, rows["test"]) / self._bases_a_token
        read = self._forward(tokens, 0.0)
        if protocol.method != "finetune":
            return read * (train + rows["dev"] + rows["test"])
        steps = protocol.steps(math.ceil(train))
        looks = max(1, steps // protocol.dev_every if protocol.dev_every else 1)
        return read * (3 * steps * protocol.batch + looks * rows["dev"] + rows["test"])


@dataclass(frozen=True)
class Device:
    """What a worker computes on, and which share of it is used.

    Attributes:
        name: For people.
        peak: Operations a second.
        mfu: Model FLOPs utilisation that is assumed.
    """

    name: str
    peak: float
    mfu: float

    def hours(self, operations: float) -> float:
        """Return how long one such device takes."""
        return operations / (self.peak * self.mfu) / 3600


def device_of(spec: StudySpec, name: str | None, mfu: float) -> Device | None:
    """Return what a worker computes on: as named, or what this machine has; None where that is no GPU and it must be.

    Raises:
        InputError: there is no published peak of this name, or the share is none.
    """
    if not 0 < mfu <= 1:
        raise InputError(f"--mfu must lie in (0, 1], but got {mfu:g}")
    import torch

    from study.trials.scorer import set_threads
    from trainers.pretraining import flops

    on_gpu = bool(spec.cluster.gpus_per_worker)
    precision: Literal["bf16", "fp32"] = "fp32" if spec.pretraining.precision == "fp32" or not on_gpu else "bf16"
    if name is not None:
        peak = flops.published(name, precision)
        if peak is None:
            raise InputError(f"--device must name a GPU whose peak is published, as H100 or RTX 4090, but got `{name}`")
        return Device(name, peak, mfu)
    if not on_gpu:
        set_threads(spec)
        return Device("worker on this CPU", flops.peak(torch.device("cpu"), precision).flops_per_second, mfu)
    if not torch.cuda.is_available():
        return None
    return Device(torch.cuda.get_device_name(), flops.peak(torch.device("cuda"), precision).flops_per_second, mfu)


def show(spec: StudySpec, tasks: Sequence[EvaluationTask], device: Device | None) -> None:
    """Print what a study will take; without a device, neither hours nor money."""
    parts = plan(spec, tasks)
    total, most = _sum(parts, "all"), _sum(plan(spec, tasks, stops=False), "at most")
    shown = [*parts, total, *([most] if most.steps > total.steps else [])]
    columns = [_numbers(part, device, spec) for part in shown]
    table = Table(title=f"{spec.name}: what it will take")
    table.add_column()
    for part in shown:
        table.add_column(part.name, justify="right")
    for row in columns[0]:
        table.add_row(row, *(column[row] for column in columns))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print("controls: random initialisation, `constant` and what else `grid` names, under every seed.")
    if spec.search.trials:
        console.print("search: of the trials at a budget one in `search.reduction_factor` goes on; at most: all do.")
    console.print(_verdict(spec))
    console.print("Scores: fine-tunings and probes, as if none were known already. Nothing was started.")
    if device is None:
        console.print("For hours and money name the device of a worker, such as --device H100.")
    else:
        console.print(f"Hours: one {device.name}, {device.mfu:.0%} of its {device.peak / 1e12:,.3g} TFLOP/s (--mfu).")


def _verdict(spec: StudySpec) -> str:
    """Say what the report will be able to show: how many comparisons there are is known from the scores alone."""
    tasks, seeds = len(spec.evaluation.tasks), max(spec.seeds, spec.replication.most_seeds or 0)
    most, of = most_comparisons(tasks, seeds), f"{tasks} task(s) and {seeds} seed(s)"
    if not most:
        return f"Verdict: of {of} no difference can be shown, however large; for a single one {in_reach(1)}."
    return f"Verdict: of {of} a difference can be shown where at most {most} comparison(s) are made."


def _numbers(part: Part, device: Device | None, spec: StudySpec) -> dict[str, str]:
    found = {
        "runs": f"{part.runs:,.0f}",
        "steps": f"{part.steps:,.0f}",
        "tokens": _short(part.tokens),
        "FLOPs": _short(part.training),
        "scores": f"{part.scores:,.0f}",
        "FLOPs of scoring": _short(part.scoring),
        "checkpoints": f"{_short(part.disk)}B",
    }
    if device is not None:
        hours = device.hours(part.training + part.scoring)
        found["GPU-hours" if spec.cluster.gpus_per_worker else "worker-hours"] = f"{hours:,.2f}"
        if spec.cluster.price_per_worker_hour is not None:
            found["money"] = f"{hours * spec.cluster.price_per_worker_hour:,.2f}"
    return found


def _short(value: float) -> str:
    """Return a number with a prefix of the SI."""
    power = min(6, int(math.log10(value) // 3)) if value >= 1 else 0
    return f"{value / 1000**power:,.3g} {' kMGTPE'[power].strip()}"

"""The verdict as tables of a report."""

import math
from collections.abc import Sequence

from study.evidence.findings import Apart, Findings
from study.evidence.time_to_target import COSTS, SpeedUp, TimeToTarget, speed_up
from study.evidence.verdict import Verdict
from study.spec.study import CONTROL

_OPEN = "?"


def verdict_table(found: Findings) -> list[dict[str, str]]:
    """Return a line for each comparison, by column."""
    return [_verdict(verdict) for verdict in found.verdicts]


def _verdict(verdict: Verdict) -> dict[str, str]:
    found = verdict.effect
    return {
        "compared": f"{verdict.a} against {verdict.b}".replace("`", "").replace(" steps", ""),
        "verdict": verdict.outcome.value,
        "difference": f"{found.mean:+.3f}",
        "95 % interval": "none" if math.isinf(found.low) else f"{found.low:+.3f} to {found.high:+.3f}",
        "p": f"{verdict.p_holm:.2g}",
        "in SDs": _number(verdict.standardised, "+.2f"),
        "pairs won": f"{verdict.superiority:.0%}",
        "detectable": _number(verdict.detectable, ".3f"),
        "more seeds": "∞" if math.isinf(verdict.more_seeds) else _number(verdict.more_seeds, ".0f"),
        "tasks x seeds": f"{found.tasks} x {found.seeds}"
        + (f" (without {verdict.left_out})" if verdict.left_out else ""),
    }


def _number(value: float, form: str) -> str:
    return _OPEN if not math.isfinite(value) else f"{value:{form}}"


def time_tables(found: Findings) -> list[tuple[str, list[dict[str, tuple[str, str]]]]]:
    """Return every target, and by column what each curriculum needs to reach it, with the interval."""
    targets = dict.fromkeys(time.target for time in found.times)
    return [(target, _time_table([time for time in found.times if time.target == target])) for target in targets]


def _time_table(found: Sequence[TimeToTarget]) -> list[dict[str, tuple[str, str]]]:
    times = {time.curriculum: time for time in found}
    costs = dict.fromkeys(cost for time in times.values() for cost in time.reached)
    if "gpu_hours" in costs:  # where there are GPUs their hours are what counts, as in the table of costs
        costs.pop("worker_hours", None)

    def fewer(name: str) -> tuple[str, str]:
        return _factor(speed_up(times[name], times[CONTROL])) if name != CONTROL and CONTROL in times else ("", "")

    return [
        {
            "curriculum": (name, ""),
            **{COSTS.get(cost, cost): _reach(time, cost) for cost in costs},
            "times fewer steps": fewer(name),
        }
        for name, time in times.items()
    ]


def _reach(time: TimeToTarget, cost: str) -> tuple[str, str]:
    if cost not in time.reached:
        return "", ""
    reached, low, high = time.reached[cost], time.earliest[cost], time.latest[cost]
    return _bounds(reached.at_least, reached.at_most), f"{_short(low.at_least)} to {_short(high.at_most)}"


def _factor(found: SpeedUp) -> tuple[str, str]:
    return _bounds(found.at_least, found.at_most), f"{_short(found.low)} to {_short(found.high)}"


def _bounds(least: float, most: float) -> str:
    """Return a number, or on which side of another it lies."""
    if least == most:
        return _short(least)
    if math.isinf(most):
        return f"> {_short(least)}" if least else _OPEN
    return f"≤ {_short(most)}"


def _short(value: float) -> str:
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if 1000 <= value < 1e6 else f"{value:.3g}"


def apart_table(found: Findings) -> list[dict[str, tuple[str, str]]]:
    """Return a line for each task and group of tasks: each curriculum's difference to the control and its interval."""
    lines: dict[str, dict[str, tuple[str, str]]] = {}
    for apart in found.apart:
        for name, cell in _cells(apart).items():
            lines.setdefault(name, {"task": (name, "")})[apart.arm.curriculum] = cell
    names = ["task", *(apart.arm.curriculum for apart in found.apart)]
    return [{name: line.get(name, ("", "")) for name in names} for line in lines.values()]


def _cells(apart: Apart) -> dict[str, tuple[str, str]]:
    tasks = apart.tasks
    columns = (tasks[name].tolist() for name in ("task", "difference", "low", "high"))
    own = {str(task): _with_limits(mean, low, high) for task, mean, low, high in zip(*columns, strict=True)}
    groups = {
        f"mean of {group.replace('_', '-')} tasks": _with_limits(effect.mean, effect.low, effect.high)
        for group, effect in apart.groups.items()
    }
    return own | groups


def _with_limits(mean: float, low: float, high: float) -> tuple[str, str]:
    return f"{mean:+.3f}", f"{low:+.3f} to {high:+.3f}" if math.isfinite(high - low) else ""

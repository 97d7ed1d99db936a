"""The loss curve that a preview feeds to its curricula: a table, a checkpoint's, or a finished study's."""

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curricula import Evaluation, InputError
from study.spec.study import CONTROL
from trainers.pretraining import checkpoint

HEADER = ["step", "perplexity"]
MOST = 5_000  # each evaluation is shown to a curriculum together with all before it: the work is quadratic


@dataclass(frozen=True)
class Curve:
    """Evaluations, oldest first, and where they come from; both are empty where nothing was measured."""

    evaluations: tuple[Evaluation, ...] = ()
    source: str = ""


def read_curve(path: Path) -> Curve:
    """Read a CSV with the header `step,perplexity`, or the `state.json` of a checkpoint folder.

    Raises:
        InputError: the file cannot be read, or is no loss curve; says in which line.
    """
    if path.is_dir():
        path = path / "state.json"
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"the loss curve {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the loss curve {path} is not UTF-8 text: {error.reason}") from error
    entries = _of_state(text, path) if path.suffix == ".json" else _of_csv(text, path)
    return Curve(_checked(entries, path), str(path))


def recorded_curve(name: str, results: str) -> Curve:
    """Return what a study measured while it trained its first `constant` control.

    Raises:
        InputError: there is no such study, or its control has no complete checkpoint.
    """
    from study.folder import saved_spec

    folder = saved_spec(name, results).folder()
    runs = [json.loads(path.read_text()) | {"key": path.parent.name} for path in folder.glob("runs/*/run.json")]
    controls = [run for run in runs if run["curriculum"] == CONTROL and run["role"] == "control"]
    for run in sorted(controls, key=lambda run: (run["seed"], run["key"])):
        found = [
            (step, checkpoint.folder_of(root, step))
            for root in (folder / "runs" / run["key"]).glob("checkpoints-*")
            for step in checkpoint.complete(root)
        ]
        if found:
            return read_curve(max(found)[1] / "state.json")
    raise InputError(
        f"a recorded loss curve is read from a checkpoint of the `{CONTROL}` control, but {folder} has none"
    )


def _of_csv(text: str, path: Path) -> list[tuple[str, Any, Any]]:
    """Return (place, step, perplexity) of every row, still as text."""
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise InputError(f"the loss curve {path} is not a CSV file: {error}") from error
    header = [column.strip() for column in rows[0]] if rows else []
    if header != HEADER:
        found = f"begins with `{','.join(header)}`" if header else "is empty"
        raise InputError(f"a loss curve must have the header `{','.join(HEADER)}`, but {path} {found}")
    entries = []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(HEADER):
            raise InputError(f"a row of a loss curve is step,perplexity, but {path}:{number} is `{','.join(row)}`")
        entries.append((f"{path}:{number}", row[0], row[1]))
    return entries


def _of_state(text: str, path: Path) -> list[tuple[str, Any, Any]]:
    try:
        evaluations = json.loads(text)["evaluations"]
        return [
            (f"evaluation {number} of {path}", entry["step"], entry["perplexity"])
            for number, entry in enumerate(evaluations, start=1)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not the state of a checkpoint: it has no list of evaluations") from error


def _checked(entries: list[tuple[str, Any, Any]], path: Path) -> tuple[Evaluation, ...]:
    """Turn entries into evaluations; perplexity is the exponential of a cross-entropy, so it is at least 1."""
    if not entries:
        raise InputError(f"a loss curve must hold at least one evaluation, but {path} has none")
    if len(entries) > MOST:
        raise InputError(
            f"a loss curve may hold at most {MOST:,} evaluations, but {path} has {len(entries):,}; "
            f"keep those that a study makes, one every `pretraining.validate_every` steps"
        )
    evaluations: list[Evaluation] = []
    for place, step_given, perplexity_given in entries:
        step, perplexity = _number(int, step_given), _number(float, perplexity_given)
        if step is None or step < 0:
            raise InputError(f"a step must be a whole number, at least 0, but {place} has `{step_given}`")
        if perplexity is None or not math.isfinite(perplexity) or perplexity < 1:
            raise InputError(f"a perplexity must be a number, at least 1, but {place} has `{perplexity_given}`")
        if evaluations and step <= evaluations[-1].step:
            raise InputError(f"steps must ascend, but {place} has step {step} after step {evaluations[-1].step}")
        evaluations.append(Evaluation(int(step), perplexity))
    return tuple(evaluations)


def _number(kind: type[int] | type[float], value: Any) -> float | None:
    try:
        return kind(str(value))  # as text, so that the step 2.5 of a JSON file is not cut to 2
    except ValueError:
        return None

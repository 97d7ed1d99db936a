"""A whole preview as plain data: what each curriculum asks for, and what is then hidden."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curricula import registry
from study.preview.curve import Curve
from study.preview.replay import Example, Measured, Source, examples, moments
from study.schedule import Asked, Firing, Schedule, firings, trace
from study.spec.study import StudySpec
from trainers import data


@dataclass(frozen=True)
class Line:
    """One curriculum, replayed.

    Attributes:
        arguments: All of its arguments.
        traced: What it asks for at some thousand steps.
        measured: What is hidden at the moments at which rows were masked.
        firings: Where the loss curve changes it.
        examples: DNA at start, middle and end.
    """

    schedule: Schedule
    arguments: Mapping[str, Any]
    traced: Mapping[int, Asked]
    measured: list[Measured]
    firings: list[Firing]
    examples: list[Example]


@dataclass(frozen=True)
class Preview:
    """What every curriculum of a study will hide.

    Attributes:
        genome: Where the DNA comes from.
        npmi_of_all: NPMI quantiles of all tokens of the corpus.
    """

    spec: StudySpec
    horizon: int
    genome: str
    npmi_of_all: tuple[float, ...]
    curve: Curve
    lines: list[Line]


def replay(spec: StudySpec, names: list[str], horizon: int, curve: Curve) -> Preview:
    """Replay these curricula over the horizon on the corpus of the study.

    Raises:
        InputError: the genome cannot be used, or a curriculum asks for what cannot be done.
    """
    made = {name: spec.make(name, {}) for name in names}
    schedules = [Schedule(name, curriculum, horizon, curve.evaluations) for name, curriculum in made.items()]
    arguments = {name: registry.arguments_of(curriculum) for name, curriculum in made.items()}
    return replay_schedules(spec, schedules, arguments, curve)


def replay_schedules(
    spec: StudySpec, schedules: list[Schedule], arguments: Mapping[str, Mapping[str, Any]], curve: Curve
) -> Preview:
    """Replay schedules that are made already, all of one horizon."""
    traces = {schedule.name: trace(schedule) for schedule in schedules}  # first: nonsense is found in no time
    corpus = data.open_genome(spec.data.genome)
    source = Source(spec, corpus)
    shown = examples(source, schedules)
    lines = [
        Line(
            schedule=schedule,
            arguments=arguments[schedule.name],
            traced=traces[schedule.name],
            measured=[source.measure(schedule, step) for step in moments(schedule)],
            firings=firings(schedule, traces[schedule.name]),
            examples=shown[schedule.name],
        )
        for schedule in schedules
    ]
    genome = str(corpus.card["source"])
    return Preview(spec, schedules[0].horizon, genome, source.npmi_of_all(), curve, lines)

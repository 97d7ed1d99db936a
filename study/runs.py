"""One run of a study: a curriculum with its arguments, the searched numbers and a seed."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from curricula import registry
from study.spec.evaluation import FULL
from study.spec.study import CONTROL, RANDOM_INIT, StudySpec
from trainers.models.presets import preset
from trainers.settings import DataSettings, Execution, NpmiFormula, PretrainSettings, Sampling

Role = Literal["control", "grid", "search", "replicate", "baseline"]


@dataclass(frozen=True)
class Run:
    """What distinguishes one run from the others of its study.

    Attributes:
        role: Why it runs: as a control, because `grid` names it, to search, to repeat the best with another seed, or
            as a baseline, which this study does not pretrain.
        curriculum: Name of a curriculum in this study; `random_init` for the model before any pretraining; or the name
            of a baseline.
        arguments: All arguments of the curriculum.
        numbers: Searched numbers of `pretraining`, such as the learning rate.
        seed: Number of the repetition, from 0.
    """

    role: Role
    curriculum: str
    arguments: Mapping[str, Any]
    numbers: Mapping[str, float]
    seed: int

    @property
    def key(self) -> str:
        """Short unique name; runs that would give the same numbers have the same key, whatever their role."""
        content = json.dumps([self.curriculum, self.arguments, self.numbers, self.seed], sort_keys=True)
        name = re.sub(r"[^\w.-]", "~", self.curriculum)  # a baseline may be a path
        return f"{name[-60:]}-s{self.seed}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def parameters(self) -> dict[str, Any]:
        """Return arguments and numbers as one flat dictionary."""
        return {**self.arguments, **self.numbers}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `Run(**data)` turns back."""
        return asdict(self)

    def budgets(self, spec: StudySpec) -> list[int]:
        """Return the step budgets at which this run is scored."""
        return [0] if self.role == "baseline" or self.curriculum == RANDOM_INIT else spec.pretraining.budgets

    def fidelities(self, spec: StudySpec, budget: int) -> list[str]:
        """Return how this run is scored at a budget: first that by which a search goes there; in full otherwise."""
        if self.role == "baseline":
            return [FULL]
        evaluation = spec.evaluation
        always = [] if self.role == "search" and budget != max(self.budgets(spec)) else [FULL]
        return list(dict.fromkeys([evaluation.fidelity_at(budget), *always, *evaluation.also]))

    def legs(self, spec: StudySpec) -> list[tuple[int, list[int]]]:
        """Return (horizon, budgets) of each training from scratch that this run consists of."""
        budgets = self.budgets(spec)
        if spec.pretraining.horizon == "longest":
            return [(max(spec.pretraining.budgets), budgets)]
        return [(max(budget, 1), [budget]) for budget in budgets]

    def settings(self, spec: StudySpec, horizon: int, data_sha256: str) -> PretrainSettings:
        """Return the settings of one leg."""
        part = spec.pretraining
        initial = self.curriculum == RANDOM_INIT
        return PretrainSettings(
            preset=spec.model.preset,
            k=spec.model.k,
            length=part.length,
            batch=part.batch,
            curriculum=CONTROL if initial else spec.behind(self.curriculum)[0],
            arguments={} if initial else self.arguments,
            learning_rate=self.numbers.get("learning_rate", part.learning_rate),
            warmup=part.warmup,
            weight_decay=self.numbers.get("weight_decay", part.weight_decay),
            clip=self.numbers.get("clip", part.clip),
            horizon=horizon,
            budget=part.masking,
            seed=spec.seed * 1000 + self.seed,
            validate_every=part.validate_every,
            data_sha256=data_sha256,
            npmi=_npmi(spec),
            schedule=part.schedule,
            decay=part.decay,
            cooldown=part.cooldown,
            precision=part.precision,
        )


def execution(spec: StudySpec) -> Execution:
    """Return how the runs of a study are computed."""
    part = spec.pretraining
    return Execution(
        part.micro_batch, part.compile, part.activation_checkpointing, part.checkpoint_every, part.keep_last
    )


def data_settings(spec: StudySpec) -> DataSettings:
    """Return which data a study reads; the same for all its runs."""
    return DataSettings(
        genome=spec.data.genome,
        k=spec.model.k,
        length=spec.pretraining.length,
        block=spec.data.block,
        validation_share=spec.data.validation_share,
        validation_rows=spec.data.validation_rows,
        seed=spec.seed,
        npmi=_npmi(spec),
        margin=spec.data.margin,
        validation_contigs=tuple(spec.data.validation_contigs),
        sampling=Sampling(**spec.data.sampling.model_dump()),
        repeats=spec.data.repeats,
        difficulty=spec.data.difficulty,
        tokens=preset(spec.model.preset).tokens,
    )


def _npmi(spec: StudySpec) -> NpmiFormula:
    return NpmiFormula(**spec.data.npmi.model_dump())


def default_run(spec: StudySpec, curriculum: str, role: Role, seed: int = 0) -> Run:
    """Return the run of a curriculum with the study's defaults."""
    arguments = registry.arguments_of(spec.make(curriculum, {}))
    numbers = {name: getattr(spec.pretraining, name) for name in spec.search.space}
    return Run(role, curriculum, arguments, numbers, seed)


def controls(spec: StudySpec) -> list[Run]:
    """Return the runs with every seed: random initialisation, the constant rate, and what else `grid` names."""
    initial = [Run("control", RANDOM_INIT, {}, {}, seed) for seed in range(spec.seeds)]
    return initial + [
        default_run(spec, name, "control" if name == CONTROL else "grid", seed)
        for name in spec.every_seed()
        for seed in range(spec.seeds)
    ]


def baselines(spec: StudySpec) -> list[Run]:
    """Return what is scored beside the curricula, one run each: their repetitions stand for seeds."""
    return [Run("baseline", name, {}, {}, 0) for name in spec.evaluation.baselines]


def expected(spec: StudySpec) -> int:
    """Return how many runs a study has if the search stops none early and its best is none that ran before.

    Those that `replication.most_seeds` adds are left out.
    """
    fixed = len(controls(spec)) + len(baselines(spec))
    if not spec.search.trials:
        return fixed
    return fixed + spec.search.trials - len(spec.every_seed()) + repetitions(spec)


def repeated_seeds(spec: StudySpec) -> range:
    """Return the seeds under which what a search found runs again.

    The first as well where the search went by cheaper scores: those in full are still missing.
    """
    return range(0 if spec.evaluation.rungs else 1, spec.seeds)


def repetitions(spec: StudySpec) -> int:
    """Return how many runs repeat what a search found; see `study.replication` for those beyond."""
    return spec.replication.promising * len(repeated_seeds(spec))


def run_of(config: Mapping[str, Any], spec: StudySpec) -> Run:
    """Turn a Tune configuration into the run it describes: a fixed run, or one that Optuna proposed."""
    if "run" in config:
        return Run(**config["run"])
    name = config["curriculum"]
    complete = registry.arguments_of(spec.make(name, config.get(name, {})))
    return Run("search", name, complete, {number: config[number] for number in spec.search.space}, seed=0)

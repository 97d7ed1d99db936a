"""The one description of a study, and the only place where user input is checked."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from curricula import Curriculum, Domain, Range, registry
from curricula.errors import nearest
from study.spec.data import DataSpec
from study.spec.evaluation import CONTROLS, EvaluationSpec
from study.spec.part import Part, Positive, absolute
from study.spec.search import ReplicationSpec, SearchSpec
from trainers.models.presets import PRESETS, preset
from trainers.settings import Budget, Precision, RateSchedule, check_spans, check_window

CONTROL = "constant"
RANDOM_INIT = "random_init"  # the model before any pretraining
_STANDS_FOR = "curriculum"  # key of a curriculum that has a name of the study's own
_TAKEN = (RANDOM_INIT, *CONTROLS)


class ModelSpec(Part):
    """The model to pretrain."""

    preset: str = Field("tiny", description=", ".join(PRESETS))
    k: Annotated[int, Field(ge=1, le=8)] = Field(6, description="nucleotides in a k-mer token")

    @field_validator("preset")
    @classmethod
    def _known(cls, name: str) -> str:
        preset(name)
        return name


class PretrainingSpec(Part):
    """How every trial is pretrained; a search may replace the numbers that `search.space` names."""

    length: Positive = Field(510, description="k-mer tokens a sample, without [CLS] and [SEP]")
    batch: Positive = Field(32, description="samples an optimiser step, over all workers")
    budgets: list[Positive] = Field(description="optimiser steps at which a trial is scored, ascending")
    horizon: Literal["longest", "budget"] = Field(
        "longest",
        description="what schedules span: the longest budget (smaller ones are prefixes), or each budget its own run",
    )
    masking: Budget = Field(
        Budget.MATCHED, strict=False, description="`matched`: strategies mask equal shares; `paper`: published rule"
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(8e-4, description="peak learning rate")
    warmup: Annotated[int, Field(ge=0)] = Field(500, description="steps of linear warm-up")
    schedule: RateSchedule = Field(
        "linear",
        description="how the learning rate falls after that: `linear`, `cosine`, or `wsd` (stays, falls at the end)",
    )
    decay: Annotated[float, Field(gt=0, le=1)] = Field(0.2, description="share of the horizon over which `wsd` falls")
    cooldown: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="with horizon `longest`: share of each budget spent on a branch whose learning rate falls to 0, so "
        "that its score is that of a run planned for the budget; 0 scores the trunk",
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW weight decay of matrices")
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest gradient norm")
    validate_every: Positive = Field(100, description="steps between evaluations on the fixed validation masks")
    checkpoint_every: Annotated[int, Field(ge=0)] = Field(
        1000, description="steps between checkpoints besides the budgets; 0 for none"
    )
    keep_last: Positive = Field(1, description="checkpoints to keep besides those of the budgets")
    precision: Precision = Field("auto", description="`bf16` or `fp32` matrix products; `auto`: bf16 on GPUs")
    micro_batch: Positive | Literal["auto"] = Field(
        "auto", description="rows of one pass of a worker, whose gradients add up; `auto`: as many as fit"
    )
    compile: bool = Field(False, description="compile the model first: minutes, worth it from thousands of steps")
    activation_checkpointing: bool = Field(False, description="compute activations twice: less memory, more time")

    @field_validator("budgets")
    @classmethod
    def _ascending(cls, budgets: list[int]) -> list[int]:
        if not budgets or budgets != sorted(set(budgets)):
            raise ValueError(f"budgets must be ascending, without repeats, at least one, but got {budgets}")
        return budgets

    @model_validator(mode="after")
    def _cools_down_on_a_trunk(self) -> "PretrainingSpec":
        if self.cooldown and self.horizon == "budget":
            raise ValueError(
                f"cooldown needs horizon `longest`: with `budget` each budget is a run of its own whose learning rate "
                f"ends at 0, but got cooldown={self.cooldown}"
            )
        return self


class ClusterSpec(Part):
    """What one trial occupies. A local Ray cluster is started unless RAY_ADDRESS names one."""

    workers: Positive = Field(2, description="DDP processes a trial")
    min_workers: Positive | None = Field(
        None,
        description="DDP processes with which a trial starts, or goes on after a node is lost, where there is no room "
        "for `workers`; more join when there is; none: it waits for room for all",
    )
    cpus_per_worker: Annotated[float, Field(gt=0)] = Field(1.0, description="CPU cores a worker")
    gpus_per_worker: Annotated[float, Field(ge=0)] = Field(0.0, description="GPUs a worker; 0 trains on CPUs")
    concurrent_trials: Annotated[int, Field(ge=0)] = Field(
        1, description="trials at once; 0 for as many as fit. With more than 1 the search depends on their timing"
    )
    max_failures: Annotated[int, Field(ge=0)] = Field(
        2, description="restarts of a trial from its last checkpoint, besides one for each node that is lost"
    )
    hang_timeout_s: Annotated[float, Field(ge=0)] = Field(
        600.0,
        description="seconds without a sign of life, or without a step between two steps of a training, after which a "
        "worker counts as hung and its trial goes on from its last checkpoint; 0: never",
    )
    price_per_worker_hour: Annotated[float, Field(ge=0)] | None = Field(
        None, description="price of one worker for an hour, in any currency; none: no money is reported"
    )

    @model_validator(mode="after")
    def _fewest_are_not_most(self) -> "ClusterSpec":
        if self.fewest > self.workers:
            raise ValueError(
                f"min_workers must not exceed workers, but got min_workers={self.min_workers} and "
                f"workers={self.workers}"
            )
        return self

    @property
    def fewest(self) -> int:
        """Workers without which a trial does not start."""
        return self.workers if self.min_workers is None else self.min_workers

    @property
    def is_elastic(self) -> bool:
        """Whether the workers of a trial may be fewer for a while."""
        return self.fewest < self.workers


def _behind(name: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    arguments = dict(given)
    return str(arguments.pop(_STANDS_FOR, name)), arguments


def _check_own_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z]\w*", name) or name in _TAKEN:
        raise ValueError(f"a name of your own must be a word other than {', '.join(_TAKEN)}, but got `{name}`")
    if name in registry.names():
        raise ValueError(f"`{name}` is a curriculum, so it cannot stand for another one")


def _extremes(space: dict[str, Domain]) -> list[dict[str, Any]]:
    """Return each end of each range, and each option of each choice, as one argument beside defaults."""
    ends = {name: [d.low, d.high] if isinstance(d, Range) else list(d.options) for name, d in space.items()}
    return [{name: value} for name, values in ends.items() for value in values]


class StudySpec(Part):
    """A whole study."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(description="folder under `results`")
    about: str = Field("", description="what the study is for, in a line")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="everything random follows from it")
    seeds: Positive = Field(2, description="seeds for the best configuration and the controls")
    results: str = Field("results", description="folder for all studies")
    data: DataSpec = DataSpec()
    model: ModelSpec = ModelSpec()
    pretraining: PretrainingSpec
    curricula: dict[str, dict[str, Any]] = Field(
        description="curricula to compare; arguments given here are fixed, the others are searched. A name of your own "
        "says what it stands for: `wide: {curriculum: constant, span: 11}`"
    )
    grid: list[str] | Literal["all"] = Field(
        default_factory=list,
        description="curricula that run with their given and default arguments under every seed, as the `constant` "
        "control does; `all` of them",
    )
    search: SearchSpec = SearchSpec()
    replication: ReplicationSpec = ReplicationSpec()
    evaluation: EvaluationSpec
    cluster: ClusterSpec = ClusterSpec()

    @field_validator("results")
    @classmethod
    def _absolute(cls, results: str) -> str:
        return absolute(results)

    @field_validator("curricula")
    @classmethod
    def _known_curricula(cls, curricula: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, given in curricula.items():
            curriculum, arguments = _behind(name, given)
            if curriculum != name:
                _check_own_name(name)
            registry.make(curriculum, arguments)
        return {CONTROL: {}, **curricula}

    @model_validator(mode="after")
    def _fits_together(self) -> "StudySpec":
        if self.pretraining.batch < self.cluster.workers:
            raise ValueError(
                f"pretraining.batch must have a row for each of cluster.workers, but got "
                f"{self.pretraining.batch} and {self.cluster.workers}"
            )
        check_window(self.model.preset, self.model.k, self.pretraining.length)
        if self.data.sampling.lengths == "mixed" and self.data.sampling.shortest > self.pretraining.length:
            raise ValueError(
                f"data.sampling.shortest must not exceed pretraining.length, but got "
                f"{self.data.sampling.shortest} and {self.pretraining.length}"
            )
        if self.pretraining.warmup >= max(self.pretraining.budgets):
            raise ValueError(
                f"pretraining.warmup must be shorter than the longest budget, but got "
                f"{self.pretraining.warmup} and {max(self.pretraining.budgets)}"
            )
        for budget in self.evaluation.rungs:
            if budget not in self.pretraining.budgets[:-1]:
                raise ValueError(
                    f"evaluation.rungs must name budgets before the longest, which is always scored in full "
                    f"({self.pretraining.budgets[:-1]}), but got {budget}"
                )
        for name, values in self.search.space.items():
            default = getattr(self.pretraining, name)
            if self.search.trials and not values.low <= default <= values.high:
                raise ValueError(
                    f"pretraining.{name} is tried first, so it must lie in search.space.{name}, "
                    f"but got {default} and {values.low}..{values.high}"
                )
        return self

    @model_validator(mode="after")
    def _curricula_fit(self) -> "StudySpec":
        for name in self.curricula:
            curriculum, fixed = self.behind(name)
            for arguments in [fixed, *({**fixed, **extreme} for extreme in _extremes(self.space(name)))]:
                check_spans(curriculum, arguments, self.model.k, self.pretraining.length)
        for name in self.grid if self.grid != "all" else []:
            if name not in self.curricula:
                raise ValueError(f"grid: there is no curriculum `{name}` in this study{nearest(name, self.curricula)}")
        tried = [name for name in self.curricula if name not in self.every_seed()]
        if self.search.trials == 0 and tried:
            raise ValueError(f"without a search, `grid` must name every curriculum, but it lacks {', '.join(tried)}")
        if self.search.brackets > len(self.pretraining.budgets):
            raise ValueError(
                f"search.brackets must not exceed the number of budgets, but got {self.search.brackets} and "
                f"{len(self.pretraining.budgets)}"
            )
        if self.search.cost == "money" and self.cluster.price_per_worker_hour is None:
            raise ValueError("search.cost=money needs cluster.price_per_worker_hour, but it is not set")
        if self.search.cost == "gpu_hours" and not self.cluster.gpus_per_worker:
            raise ValueError("search.cost=gpu_hours needs GPUs, but got cluster.gpus_per_worker=0")
        most = self.replication.most_seeds
        if most is not None and most <= self.seeds:
            raise ValueError(f"replication.most_seeds must be more than seeds, but got {most} and {self.seeds}")
        if self.replication.money is not None and self.cluster.price_per_worker_hour is None:
            raise ValueError("replication.money needs cluster.price_per_worker_hour, but it is not set")
        if self.name in self.search.warm_start:
            raise ValueError(f"search.warm_start: a study cannot learn from itself, but got {self.name}")
        if 0 < self.search.trials < len(self.curricula):
            raise ValueError(
                f"search.trials must allow each of the {len(self.curricula)} curricula one trial, "
                f"but got {self.search.trials}"
            )
        return self

    def behind(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return which registered curriculum a name of this study stands for, and its fixed arguments."""
        return _behind(name, self.curricula.get(name, {}))

    def make(self, name: str, arguments: Mapping[str, Any]) -> Curriculum:
        """Build what a name of this study stands for; arguments that are fixed or left out need not be given.

        Raises:
            InputError: as `registry.make`.
        """
        curriculum, fixed = self.behind(name)
        return registry.make(curriculum, {**fixed, **arguments})

    def every_seed(self) -> list[str]:
        """Return the curricula that run under every seed whatever a search finds, the control first."""
        named = list(self.curricula) if self.grid == "all" else self.grid
        return list(dict.fromkeys([CONTROL, *named]))

    def space(self, curriculum: str) -> dict[str, Domain]:
        """Return the arguments of a curriculum that this study searches."""
        registered, fixed = self.behind(curriculum)
        return {name: domain for name, domain in registry.space(registered).items() if name not in fixed}

    def chosen(self, curriculum: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a run that this study fixes or searches; the others are defaults nobody chose."""
        searched = self.space(curriculum) if curriculum in self.curricula else {}
        chosen = {*self.behind(curriculum)[1], *searched, *self.search.space}
        return {name: value for name, value in parameters.items() if name in chosen}

    def folder(self) -> Path:
        """Return where this study lives."""
        return Path(self.results) / self.name

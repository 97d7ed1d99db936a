"""The one description of a study, and the only place where user input is checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from curricula import Domain, Range, registry
from curricula.errors import nearest
from trainers.presets import preset
from trainers.settings import PUBLISHED, Budget, Lengths, Parts, Repeats, Strands, check_spans, check_window
from trainers.storage import is_remote

EMBEDDED = "embedded"
CONTROL = "constant"
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


def _absolute(path: str) -> str:
    """Make a path mean the same in every process, whatever its working folder."""
    return str(Path(path).expanduser().resolve())


def _place(location: str) -> str:
    """Make a path mean the same in every process; a URI does already."""
    return location if is_remote(location) else _absolute(location)


class Part(BaseModel):
    """A section of a spec: unknown keys and wrong types are errors, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True)


class NpmiSpec(Part):
    """How difficult a k-mer is held to be: its normalised pointwise mutual information."""

    parts: Parts = Field(
        PUBLISHED.parts,
        description="what a k-mer is compared with: `all` its segmentations, `pairs`: parts of at most two "
        "nucleotides, `naive`: single nucleotides",
    )
    strands: Strands = Field(PUBLISHED.strands, description="k-mers counted on the `forward` strand, or on `both`")
    minimum_count: Annotated[int, Field(ge=2)] = Field(
        PUBLISHED.minimum_count, description="k-mers that occur less often rank last"
    )


class SamplingSpec(Part):
    """Which stretches of the training DNA make a sample."""

    lengths: Lengths = Field(
        "fixed",
        description="`fixed`: all of pretraining.length; `mixed`: half of it, half uniform from `shortest` up (as "
        "published); `tiled`: side by side, each base once an epoch",
    )
    shortest: Positive = Field(5, description="k-mer tokens of the shortest mixed sample")
    reverse_complement: bool = Field(False, description="read every second sample, by chance, from the other strand")


class DataSpec(Part):
    """The DNA to pretrain on."""

    genome: str = Field(
        "embedded",
        description="`embedded`; a corpus made by `python -m trainers.prepare genome`; or a FASTA or .2bit file, plain "
        "or compressed; s3:// and gs:// too",
    )
    difficulty: str | None = Field(
        None, description="an NPMI table made by `python -m trainers.prepare npmi`, s3:// and gs:// too; none: counted"
    )
    block: Positive = Field(1_000_000, description="bases in a block; a block is all training or all validation")
    validation_share: Share = Field(0.05, description="share of the blocks kept for validation")
    margin: Annotated[int, Field(ge=0)] = Field(
        1_000, description="bases on either side of a validation block that are not trained on"
    )
    validation_contigs: list[str] = Field(
        default_factory=list, description="contigs (names, or patterns such as chr2?) to validate on instead of blocks"
    )
    validation_rows: Positive = Field(512, description="samples on which validation loss is measured")
    sampling: SamplingSpec = SamplingSpec()
    repeats: Repeats | None = Field(
        None,
        description="soft-masked bases, in samples and NPMI: `keep`, `exclude`, or `downweight` to half; none: what "
        "the corpus was prepared for",
    )
    exclude_test_windows: bool = Field(
        False, description="keep test sequences of the tasks out of the training samples, wherever they stand"
    )
    npmi: NpmiSpec = NpmiSpec()

    @field_validator("genome")
    @classmethod
    def _absolute(cls, genome: str) -> str:
        return genome if genome == EMBEDDED else _place(genome)

    @field_validator("difficulty")
    @classmethod
    def _absolute_table(cls, difficulty: str | None) -> str | None:
        return None if difficulty is None else _place(difficulty)

    @model_validator(mode="after")
    def _narrow_margin(self) -> "DataSpec":
        if self.margin >= self.block:
            raise ValueError(f"data.margin must be less than data.block, but got {self.margin} and {self.block}")
        return self


class ModelSpec(Part):
    """The model to pretrain."""

    preset: str = Field("tiny", description="tiny, logo or dnabert")
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
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW weight decay of matrices")
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest gradient norm")
    validate_every: Positive = Field(100, description="steps between evaluations on the fixed validation masks")
    checkpoint_every: Annotated[int, Field(ge=0)] = Field(
        1000, description="steps between checkpoints besides the budgets; 0 for none"
    )

    @field_validator("budgets")
    @classmethod
    def _ascending(cls, budgets: list[int]) -> list[int]:
        if not budgets or budgets != sorted(set(budgets)):
            raise ValueError(f"budgets must be ascending, without repeats, at least one, but got {budgets}")
        return budgets


class RangeSpec(Part):
    """Values that a search may try for one number."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "RangeSpec":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low < high must hold, both above 0 with log, but got low={self.low}, high={self.high}")
        return self


_SEARCHABLE = ("learning_rate", "weight_decay", "clip")


class SearchSpec(Part):
    """What Optuna tries, and when ASHA gives up on a trial."""

    trials: Positive = Field(8, description="configurations to try; each curriculum's defaults come first")
    random_trials: Annotated[int, Field(ge=0)] = Field(5, description="configurations before TPE starts to model")
    reduction_factor: Annotated[float, Field(gt=1)] = Field(
        2.0, description="ASHA lets the best 1/n of the trials pass a budget"
    )
    space: dict[str, RangeSpec] = Field(
        default_factory=lambda: {"learning_rate": RangeSpec(low=1e-4, high=5e-3, log=True)},
        description=f"numbers of `pretraining` to search: {', '.join(_SEARCHABLE)}",
    )

    @field_validator("space")
    @classmethod
    def _searchable(cls, space: dict[str, RangeSpec]) -> dict[str, RangeSpec]:
        for name in space:
            if name not in _SEARCHABLE:
                raise ValueError(f"`{name}` cannot be searched{nearest(name, _SEARCHABLE)}")
        return space


class TaskSpec(Part):
    """One evaluation task and how it is fine-tuned (defaults: the GUE protocol for short human tasks)."""

    name: str = Field(
        description="an embedded task, <group>/<task> under `evaluation.root`, or any, with train and test"
    )
    train: str | list[str] | None = Field(
        None,
        description="a file of your own: CSV, TSV, Parquet or FASTA; or one FASTA file for each class; none: by name",
    )
    test: str | list[str] | None = Field(None, description="as `train`, with which it goes together")
    dev: str | list[str] | None = Field(None, description="as `train`; none: a tenth of train, the same every time")
    sequence_column: str = Field("sequence", description="the column of sequences in files of your own")
    label_column: str = Field("label", description="the column of labels, whole numbers from 0")
    shots: Annotated[int, Field(ge=0)] = Field(0, description="training examples a class; 0 for all")
    repetitions: Positive = Field(1, description="fine-tunings: seeds, and with `shots` also draws")
    epochs: Positive = Field(3, description="passes over the training examples")
    batch: Positive = Field(32, description="sequences an optimiser step")
    learning_rate: Annotated[float, Field(gt=0)] = Field(3e-5, description="peak learning rate")
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="share of the steps spent warming up")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW weight decay")
    pooling: Literal["cls", "mean"] = Field("cls", description="what the classifier reads")
    dev_every: Annotated[int, Field(ge=0)] = Field(
        200, description="steps between looks at the dev loss; its best model is kept; 0 keeps the last"
    )

    @field_validator("train", "test", "dev")
    @classmethod
    def _absolute(cls, paths: str | list[str] | None) -> str | list[str] | None:
        if paths is None or isinstance(paths, str):
            return None if paths is None else _place(paths)
        if len(paths) < 2:
            raise ValueError(f"a list must have one FASTA file for each of at least two classes, but got {paths}")
        return [_place(path) for path in paths]

    @model_validator(mode="after")
    def _together(self) -> "TaskSpec":
        given = [split for split in ("train", "dev", "test") if getattr(self, split) is not None]
        if given and not {"train", "test"} <= set(given):
            raise ValueError(f"train and test go together, but {self.name} has only {' and '.join(given)}")
        named = (self.sequence_column, self.label_column)
        if named != ("sequence", "label") and not given:
            raise ValueError(f"columns are named for files of your own, but {self.name} has no train and test")
        if self.sequence_column == self.label_column:
            raise ValueError(f"sequence_column and label_column must differ, but both are `{self.label_column}`")
        return self


class EvaluationSpec(Part):
    """On what trials are scored."""

    root: str | None = Field(
        None, description="folder with GUE's <group>/<task>/{train,dev,test}.csv or .parquet; none: embedded"
    )
    allow_modified: bool = Field(False, description="go on with GUE tasks under `root` that are not the published ones")
    metric: Literal["mcc", "macro_f1", "accuracy"] = Field("mcc", description="what is compared")
    tasks: list[TaskSpec] = Field(min_length=1, description="the tasks")

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: str | None) -> str | None:
        return None if root is None else _place(root)

    @field_validator("tasks")
    @classmethod
    def _distinct(cls, tasks: list[TaskSpec]) -> list[TaskSpec]:
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"task names must differ, but got {names}")
        return tasks


class ClusterSpec(Part):
    """What one trial occupies. A local Ray cluster is started unless RAY_ADDRESS names one."""

    workers: Positive = Field(2, description="DDP processes a trial")
    cpus_per_worker: Annotated[float, Field(gt=0)] = Field(1.0, description="CPU cores a worker")
    gpus_per_worker: Annotated[float, Field(ge=0)] = Field(0.0, description="GPUs a worker; 0 trains on CPUs")
    concurrent_trials: Annotated[int, Field(ge=0)] = Field(
        1, description="trials at once; 0 for as many as fit. With more than 1 the search depends on their timing"
    )
    max_failures: Annotated[int, Field(ge=0)] = Field(2, description="restarts of a trial from its last checkpoint")


def _extremes(space: dict[str, Domain]) -> list[dict[str, Any]]:
    """Return each end of each range, and each option of each choice, as one argument beside defaults."""
    ends = {name: [d.low, d.high] if isinstance(d, Range) else list(d.options) for name, d in space.items()}
    return [{name: value} for name, values in ends.items() for value in values]


class StudySpec(Part):
    """A whole study."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(description="folder under `results`")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="everything random follows from it")
    seeds: Positive = Field(2, description="seeds for the best configuration and the controls")
    results: str = Field("results", description="folder for all studies")
    data: DataSpec = DataSpec()
    model: ModelSpec = ModelSpec()
    pretraining: PretrainingSpec
    curricula: dict[str, dict[str, Any]] = Field(
        description="curricula to compare; arguments given here are fixed, the others are searched"
    )
    search: SearchSpec = SearchSpec()
    evaluation: EvaluationSpec
    cluster: ClusterSpec = ClusterSpec()

    @field_validator("results")
    @classmethod
    def _absolute(cls, results: str) -> str:
        return _absolute(results)

    @field_validator("curricula")
    @classmethod
    def _known_curricula(cls, curricula: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, arguments in curricula.items():
            registry.make(name, arguments)
        return {CONTROL: {}, **curricula}

    @model_validator(mode="after")
    def _fits_together(self) -> "StudySpec":
        if self.pretraining.batch % self.cluster.workers:
            raise ValueError(
                f"pretraining.batch must be a multiple of cluster.workers, but got "
                f"{self.pretraining.batch} and {self.cluster.workers}"
            )
        check_window(self.model.preset, self.model.k, self.pretraining.length)
        for name, fixed in self.curricula.items():
            for arguments in [fixed, *({**fixed, **extreme} for extreme in _extremes(self.space(name)))]:
                check_spans(name, arguments, self.model.k, self.pretraining.length)
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
        for name, values in self.search.space.items():
            default = getattr(self.pretraining, name)
            if not values.low <= default <= values.high:
                raise ValueError(
                    f"pretraining.{name} is tried first, so it must lie in search.space.{name}, "
                    f"but got {default} and {values.low}..{values.high}"
                )
        if self.search.trials < len(self.curricula):
            raise ValueError(
                f"search.trials must allow each of the {len(self.curricula)} curricula one trial, "
                f"but got {self.search.trials}"
            )
        return self

    def space(self, curriculum: str) -> dict[str, Domain]:
        """Return the arguments of a curriculum that this study searches."""
        fixed = self.curricula[curriculum]
        return {name: domain for name, domain in registry.space(curriculum).items() if name not in fixed}

    def chosen(self, curriculum: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a run that this study fixes or searches; the others are defaults nobody chose."""
        searched = self.space(curriculum) if curriculum in self.curricula else {}
        chosen = {*self.curricula.get(curriculum, {}), *searched, *self.search.space}
        return {name: value for name, value in parameters.items() if name in chosen}

    def folder(self) -> Path:
        """Return where this study lives."""
        return Path(self.results) / self.name

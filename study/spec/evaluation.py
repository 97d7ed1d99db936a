"""The section of a spec that says on what trials are scored."""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from curricula.errors import nearest
from study.spec.part import Part, Positive, absolute, place
from trainers.evaluation import protocol
from trainers.evaluation.protocol import Metric, Pooling, Protocol, Trained
from trainers.tasks import gue

FULL = "full"  # the fidelity of a task's whole protocol
KMER_COUNTS, CNN = "kmer_counts", "cnn"
CONTROLS = (KMER_COUNTS, CNN)  # baselines that need no pretrained model
_SUITE = "gue"


class TaskSpec(Part):
    """One evaluation task and how it is fine-tuned. Tasks of GUE and few-shot sets have their published protocol."""

    name: str = Field(
        description="an embedded task; <group>/<task> under `evaluation.root`, also a pattern such as tf/*, or `gue` "
        "for all 28; or any, with train and test"
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
    warmup_steps: Annotated[int, Field(ge=0)] | None = Field(
        None, description="the same in steps, in place of the share"
    )
    max_steps: Annotated[int, Field(ge=0)] = Field(0, description="steps after which training ends; 0: by epochs alone")
    pooling: Pooling = Field("cls", description="what the classifier reads")
    trained: Trained = Field(
        "full", description="what fine-tuning changes: everything, `lora` (additions to attention), or the `head` alone"
    )
    rank: Positive = Field(8, description="of the additions of `lora`")
    class_weights: bool = Field(False, description="whether rare classes count as much as frequent ones")
    truncate: bool = Field(False, description="cut sequences that are too long for the model, instead of refusing them")
    dev_every: Annotated[int, Field(ge=0)] = Field(
        200, description="steps between looks at the dev loss; its best model is kept; 0 keeps the last"
    )

    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="looks at the dev loss without a better one that end the training; 0: never"
    )

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, given: Any) -> Any:
        """Fill in the published protocol wherever the spec says nothing."""
        if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
            return given
        shots = given.get("shots", 0)
        return {**protocol.published(given["name"], shots if isinstance(shots, int) else 0), **given}

    @field_validator("train", "test", "dev")
    @classmethod
    def _absolute(cls, paths: str | list[str] | None) -> str | list[str] | None:
        if paths is None or isinstance(paths, str):
            return None if paths is None else place(paths)
        if len(paths) < 2:
            raise ValueError(f"a list must have one FASTA file for each of at least two classes, but got {paths}")
        return [place(path) for path in paths]

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
        if self.patience and not self.dev_every:
            raise ValueError(f"patience counts looks at the dev loss, but {self.name} has dev_every=0")
        return self

    def protocol(self) -> Protocol:
        """Return how this task is scored in full."""
        return Protocol(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            pooling=self.pooling,
            dev_every=self.dev_every,
            shots=self.shots,
            warmup_steps=self.warmup_steps,
            max_steps=self.max_steps,
            trained=self.trained,
            rank=self.rank,
            patience=self.patience,
            class_weights=self.class_weights,
        )


class FidelitySpec(Part):
    """A cheaper way of scoring a checkpoint than the full protocol; what is not said is as there."""

    method: Literal["finetune", "probe"] = Field(
        "finetune", description="`probe`: a linear classifier on the mean over the tokens of the frozen model"
    )
    tasks: list[str] = Field(default_factory=list, description="names of the tasks that are read; none: all")
    shots: Annotated[int, Field(ge=0)] = Field(0, description="training examples a class; 0 as in the task")
    share: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="part of the training examples")
    repetitions: Positive | None = Field(None, description="fine-tunings a task; none: as in the task")
    epochs: Positive | None = Field(None, description="passes over the training examples; none: as in the task")

    @model_validator(mode="after")
    def _one_choice(self) -> "FidelitySpec":
        if self.shots and self.share < 1:
            raise ValueError(f"shots and share exclude each other, but got shots={self.shots} and share={self.share}")
        return self

    def protocol(self, full: Protocol) -> Protocol:
        """Return how a task is scored, given how it is in full."""
        return replace(
            full,
            method=self.method,
            shots=self.shots or full.shots,
            share=self.share,
            epochs=self.epochs or full.epochs,
        )


class EvaluationSpec(Part):
    """On what trials are scored."""

    root: str | None = Field(
        None, description="folder with GUE's <group>/<task>/{train,dev,test}.csv or .parquet; none: embedded"
    )
    allow_modified: bool = Field(False, description="go on with GUE tasks under `root` that are not the published ones")
    metric: Metric | Literal["published"] = Field(
        "published",
        description="what is compared; `published`: each task's own, which is MCC but for few-shot sets "
        "(accuracy) and virus/covid (macro-F1)",
    )
    tasks: list[TaskSpec] = Field(min_length=1, description="the tasks; a plain name stands for one with its protocol")
    unknown_letters: Literal["unknown", "refuse"] = Field(
        "unknown", description="letters other than A, C, G and T become unknown tokens, or are errors"
    )
    lower_case: Literal["fold", "refuse"] = Field(
        "fold", description="lower case is read as upper case, or is an error"
    )
    fidelities: dict[str, FidelitySpec] = Field(
        default_factory=dict, description="cheaper ways of scoring, by a name of your own"
    )
    rungs: dict[Annotated[int, Field(strict=False)], str] = Field(
        default_factory=dict,
        description="by budget: the fidelity whose dev scores the search goes by there; others are scored in `full`",
    )
    also: list[str] = Field(
        default_factory=list, description="fidelities scored beside at every budget, for `python -m study.fidelity`"
    )
    baselines: list[str] = Field(
        default_factory=lambda: list(CONTROLS),
        description="what is scored beside the curricula: `kmer_counts` (logistic regression), `cnn`, and published "
        "models, each a folder or a name on the hub",
    )

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: str | None) -> str | None:
        return None if root is None else place(root)

    @field_validator("tasks")
    @classmethod
    def _distinct(cls, tasks: list[TaskSpec]) -> list[TaskSpec]:
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"task names must differ, but got {names}")
        return tasks

    @field_validator("tasks", mode="before")
    @classmethod
    def _expanded(cls, entries: Any) -> Any:
        """Turn names into tasks, and patterns of GUE's names into all that they fit."""
        if not isinstance(entries, list):
            return entries
        found: list[Any] = []
        for entry in entries:
            given = {"name": entry} if isinstance(entry, str) else entry
            name = str(given.get("name")) if isinstance(given, Mapping) else ""
            if "*" not in name and name != _SUITE:
                found.append(given)
                continue
            names = [known for known in gue.TABLE if name == _SUITE or fnmatchcase(known, name)]
            if not names:
                raise ValueError(f"a pattern must fit some of GUE's tasks ({', '.join(gue.TABLE)}), but got {name}")
            found += [{**given, "name": known} for known in names]
        return found

    @field_validator("fidelities")
    @classmethod
    def _named(cls, fidelities: dict[str, FidelitySpec]) -> dict[str, FidelitySpec]:
        for name in fidelities:
            if not name.isidentifier() or name in (FULL, "pretraining"):
                raise ValueError(f"a fidelity's name must be a word other than `{FULL}`, but got `{name}`")
        return fidelities

    @field_validator("baselines")
    @classmethod
    def _once(cls, baselines: list[str]) -> list[str]:
        if len(set(baselines)) < len(baselines):
            raise ValueError(f"a baseline must be named once, but got {baselines}")
        return [absolute(name) if name not in CONTROLS and Path(name).is_dir() else name for name in baselines]

    @model_validator(mode="after")
    def _fits_together(self) -> "EvaluationSpec":
        for where, name in [
            *(("rungs", name) for name in self.rungs.values()),
            *(("also", name) for name in self.also),
        ]:
            if name not in self.fidelities and (where, name) != ("rungs", FULL):
                raise ValueError(f"{where}: there is no fidelity `{name}`{nearest(name, self.fidelities)}")
        names = [task.name for task in self.tasks]
        for name, fidelity in self.fidelities.items():
            for task in fidelity.tasks:
                if task not in names:
                    raise ValueError(f"fidelities.{name}: there is no task `{task}`{nearest(task, names)}")
        return self

    def metric_of(self, task: str) -> Metric:
        """Return what is compared of a task."""
        return protocol.metric_of(task) if self.metric == "published" else self.metric

    def metric_in_words(self) -> str:
        """Return the name of what is compared; `score` where tasks differ."""
        metrics = {self.metric_of(task.name) for task in self.tasks}
        return metrics.pop().replace("_", " ").replace("mcc", "MCC") if len(metrics) == 1 else "score"

    def fidelity_at(self, budget: int) -> str:
        """Return the fidelity whose dev scores the search goes by at a budget."""
        return self.rungs.get(budget, FULL)

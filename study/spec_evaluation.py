"""The section of a spec that says on what trials are scored."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from study.spec_part import Part, Positive, place


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
        return None if root is None else place(root)

    @field_validator("tasks")
    @classmethod
    def _distinct(cls, tasks: list[TaskSpec]) -> list[TaskSpec]:
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"task names must differ, but got {names}")
        return tasks

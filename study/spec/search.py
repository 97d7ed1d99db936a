"""What a search tries, by whom it is proposed, and when a trial is given up."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from curricula.errors import nearest
from study.spec.part import Part, Positive

SEARCHABLE = ("learning_rate", "weight_decay", "clip")  # numbers of `pretraining`


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


class SearchSpec(Part):
    """What Optuna tries, and when ASHA gives up on a trial."""

    trials: Annotated[int, Field(ge=0)] = Field(
        8, description="configurations to try; each curriculum's defaults come first; 0: no search, only `grid`"
    )
    sampler: Literal["tpe", "gp", "random"] = Field(
        "tpe",
        description="who proposes: `tpe` (multivariate, each curriculum apart), `gp` (a Gaussian process over what all "
        "curricula share; the rest at random) or `random`",
    )
    random_trials: Annotated[int, Field(ge=0)] = Field(
        5, description="configurations, known ones included, before the sampler starts to model"
    )
    reduction_factor: Annotated[float, Field(gt=1)] = Field(
        2.0, description="ASHA lets the best 1/n of the trials pass a budget"
    )
    brackets: Positive = Field(
        1, description="Hyperband's brackets: with 2 some trials pass the first budget uncut, with 3 some the first two"
    )
    cost: Literal["flops", "worker_hours", "gpu_hours", "money"] | None = Field(
        None,
        description="what there should be little of beside a high score, at the budget that a trial reached; none: the "
        "score alone counts. Only `flops` does not depend on the machine",
    )
    warm_start: list[str] = Field(
        default_factory=list,
        description="earlier studies in `results` to learn from: their trials, where these were scored as this study "
        "does, or else their best configuration of each curriculum, tried again",
    )
    space: dict[str, RangeSpec] = Field(
        default_factory=lambda: {"learning_rate": RangeSpec(low=1e-4, high=5e-3, log=True)},
        description=f"numbers of `pretraining` to search: {', '.join(SEARCHABLE)}",
    )

    @field_validator("space")
    @classmethod
    def _searchable(cls, space: dict[str, RangeSpec]) -> dict[str, RangeSpec]:
        for name in space:
            if name not in SEARCHABLE:
                raise ValueError(f"`{name}` cannot be searched{nearest(name, SEARCHABLE)}")
        return space


class ReplicationSpec(Part):
    """Which configurations of the search get every seed, and when they get more."""

    promising: Positive = Field(
        1,
        description="configurations of the search that get every seed: the best by dev score at the longest budget; "
        "with `search.cost`, of those that nothing dominates",
    )
    most_seeds: Positive | None = Field(
        None,
        description="go on beyond `seeds`, control included, up to so many, until one of the limits below; none: no",
    )
    half_width: Annotated[float, Field(gt=0)] = Field(
        0.01, description="enough seeds: the 95 % interval of each difference to the control reaches so far (dev score)"
    )
    worker_hours: Annotated[float, Field(gt=0)] | None = Field(
        None, description="no more seeds once the study has used so many worker-hours; none: no limit"
    )
    money: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="no more seeds once the study has cost so much, by cluster.price_per_worker_hour; none: no limit",
    )

"""Which controls a study has for a curriculum, and which are missing.

Before it is said that a curriculum helps, all that is simpler and might explain its scores has to be tried: to pretrain
nothing, to mask at random with spans as long or as many tokens, a PMI table that tells nothing, models that need no
pretraining.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from curricula import Curriculum, Strategy
from curricula.placebo import PREFIX
from curricula.registry import arguments_of
from curricula.replay import rehearsal
from study.evidence.pairing import Arm, have_pairs
from study.spec.evaluation import CNN, KMER_COUNTS
from study.spec.study import CONTROL, RANDOM_INIT, StudySpec
from study.store import PRETRAINING

SHORT, LONG = 1, 6  # nucleotides that a span hides: 6 and 11 tokens of overlapping 6-mers, random's and genemask's
SAME_BUDGET = 0.005  # masked shares of the tokens that are no further apart are one budget
_SEED = "placebo_seed"


class Control(StrEnum):
    """What a claim needs beside the curriculum itself."""

    RANDOM_INIT = "random initialisation"
    SHORT_SPANS = "constant random masking with short spans"
    LONG_SPANS = "constant random masking with long spans"
    BUDGET = "constant random masking that hides as many tokens"
    PLACEBO = "its placebo with shuffled PMI"
    KMER_COUNTS = "k-mer counts"
    CNN = "a CNN"


@dataclass(frozen=True)
class Constant:
    """A control that masks at random, in one way from the first step to the last.

    Attributes:
        arm: Where its scores are.
        span: Nucleotides that a span hides.
        is_same_budget: Whether it hides as large a share of the tokens as the curriculum.
    """

    arm: Arm
    span: int
    is_same_budget: bool


@dataclass(frozen=True)
class Controls:
    """What stands beside one curriculum at one budget.

    Attributes:
        arm: The curriculum.
        uses_pmi: Whether it ever looks at PMI; only then is there a placebo.
        constants: All that mask at random, the study's own control first.
        placebo: Its placebo.
        floors: What is not pretrained here: random initialisation, k-mer counts, a CNN.
    """

    arm: Arm
    uses_pmi: bool
    constants: tuple[Constant, ...]
    placebo: Arm | None
    floors: Mapping[Control, Arm]

    @property
    def there(self) -> tuple[Control, ...]:
        """What a claim needs and this study has scores of."""
        has = self._has()
        return tuple(control for control in Control if has[control])

    @property
    def missing(self) -> tuple[Control, ...]:
        """What a claim needs and this study has no scores of; a placebo is needed only where there is PMI."""
        has = {**self._has(), **({} if self.uses_pmi else {Control.PLACEBO: True})}
        return tuple(control for control in Control if not has[control])

    def _has(self) -> dict[Control, bool]:
        return {
            **{control: control in self.floors for control in (Control.RANDOM_INIT, Control.KMER_COUNTS, Control.CNN)},
            Control.SHORT_SPANS: any(one.span == SHORT for one in self.constants),
            Control.LONG_SPANS: any(one.span == LONG for one in self.constants),
            Control.BUDGET: any(one.is_same_budget for one in self.constants),
            Control.PLACEBO: self.placebo is not None,
        }

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All that the curriculum is compared with."""
        placebo = () if self.placebo is None else (self.placebo,)
        return (*self.floors.values(), *(one.arm for one in self.constants), *placebo)


def in_words(control: Control, k: int) -> str:
    """Return a control as a reader who lacks it has to know it.

    Args:
        control: Which one.
        k: Nucleotides in a token.
    """
    spans = {Control.SHORT_SPANS: SHORT, Control.LONG_SPANS: LONG}
    if control not in spans:
        return control.value
    span = spans[control]
    return f"constant random masking with {k + span - 1}-token spans (`span: {span}`)"


def controls(spec: StudySpec, rows: pd.DataFrame, budget: int) -> list[Controls]:
    """Return what stands beside every curriculum that a claim can be about: all but constants at random and placebos.

    A control counts where it has a task and a seed in common with the curriculum: constants and placebos at the same
    budget. A placebo is one of the same curriculum with the same fixed arguments. A constant matches the budget of a
    curriculum where both masked the same share of the tokens, by `masked_tokens` over `tokens` as they were measured,
    but for what chance does to that: two standard errors, which counts in studies of some hundred steps only.

    Args:
        spec: Of the study.
        rows: Its test scores and those of the pretraining, one configuration of each curriculum.
        budget: Optimiser steps.
    """
    scored = rows[rows["task"] != PRETRAINING]
    here = sorted(set(scored[scored["budget"] == budget]["curriculum"]) & set(spec.curricula))
    shares = _masked_shares(rows, budget, spec.model.k)
    constants = {name: own["span"] for name in here if (own := _constant(spec, scored, name)) is not None}
    order = sorted(constants, key=lambda name: (name != CONTROL, name))
    floors = {
        control: Arm(name, 0)
        for control, name in (
            (Control.RANDOM_INIT, RANDOM_INIT),
            (Control.KMER_COUNTS, KMER_COUNTS),
            (Control.CNN, CNN),
        )
        if (scored["curriculum"] == name).any()
    }

    def beside(name: str) -> Controls:
        arm = Arm(name, budget)
        placebos = [other for other in here if _is_placebo(spec, other, name)]
        near = [Arm(other, budget) for other in (*order, *placebos)]
        paired_with = [other for other in near if have_pairs(scored, arm, other)]
        return Controls(
            arm=arm,
            uses_pmi=_uses_pmi(spec, scored, name),
            constants=tuple(
                Constant(Arm(other, budget), constants[other], _is_near(shares.get(name), shares.get(other)))
                for other in order
                if Arm(other, budget) in paired_with
            ),
            placebo=next((other for other in paired_with if other.curriculum in placebos), None),
            floors={control: floor for control, floor in floors.items() if have_pairs(scored, arm, floor)},
        )

    claimed = [name for name in here if name not in constants and not spec.behind(name)[0].startswith(PREFIX)]
    return [beside(name) for name in claimed]


def _built(spec: StudySpec, scored: pd.DataFrame, name: str) -> Curriculum:
    parameters = json.loads(scored[scored["curriculum"] == name]["parameters"].iloc[0])
    return spec.make(name, {key: value for key, value in parameters.items() if key not in spec.search.space})


def _constant(spec: StudySpec, scored: pd.DataFrame, name: str) -> dict[str, Any] | None:
    """Return all arguments of a constant that masks at random; None of everything else."""
    arguments = arguments_of(_built(spec, scored, name))
    return arguments if spec.behind(name)[0] == CONTROL and arguments["strategy"] == Strategy.RANDOM else None


def _uses_pmi(spec: StudySpec, scored: pd.DataFrame, name: str) -> bool:
    answers = rehearsal(name, _built(spec, scored, name))
    return any(masking.strategy.uses_npmi for _, answer in answers for _, masking in answer.parts)


def _is_placebo(spec: StudySpec, name: str, of: str) -> bool:
    (registered, fixed), (inner, inner_fixed) = spec.behind(name), spec.behind(of)
    return registered == PREFIX + inner and {key: fixed[key] for key in fixed if key != _SEED} == inner_fixed


@dataclass(frozen=True)
class _Share:
    """Which share of the tokens was masked, and its standard error: tokens are hidden some at a time."""

    mean: float
    error: float


def _masked_shares(rows: pd.DataFrame, budget: int, k: int) -> dict[str, _Share]:
    """Return the share of the tokens that each curriculum masked up to a budget, over all seeds."""
    own = rows[(rows["task"] == PRETRAINING) & (rows["budget"] == budget)]
    sums = own.pivot_table("value", "curriculum", "metric", aggfunc="sum")
    if not {"tokens", "masked_tokens"} <= set(sums.columns):
        return {}
    known = sums[["tokens", "masked_tokens"]].dropna()
    found = {}
    for name, tokens, masked in zip(known.index, known["tokens"], known["masked_tokens"], strict=True):
        share = masked / tokens
        found[str(name)] = _Share(share, math.sqrt(share * (1 - share) * (k + LONG - 1) / tokens))
    return found


def _is_near(share: _Share | None, other: _Share | None) -> bool:
    if share is None or other is None:
        return False
    return abs(share.mean - other.mean) <= SAME_BUDGET + 2 * math.hypot(share.error, other.error)

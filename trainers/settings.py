"""What a run is: the settings that its numbers are a function of. Plain data; loads neither torch nor transformers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from curricula import Curriculum, InputError, registry
from curricula.replay import rehearsal
from trainers.models.presets import preset


class Budget(StrEnum):
    """How the centre probability follows from the asked rate.

    `paper` divides the rate by the width of a span, so overlaps and edges make strategies mask different
    amounts. `matched` solves for the probability that makes the expected masked fraction equal the rate.
    """

    PAPER = "paper"
    MATCHED = "matched"


Parts = Literal["all", "pairs", "naive"]
Strands = Literal["forward", "both"]
Lengths = Literal["fixed", "mixed", "tiled"]
Repeats = Literal["keep", "exclude", "downweight"]


@dataclass(frozen=True)
class NpmiFormula:
    """How the difficulty of k-mers is computed; `trainers.masking.difficulty` has the mathematics.

    Attributes:
        parts: Segmentations that a k-mer is compared with: into any parts, into parts of at most two
            nucleotides, or into single nucleotides only.
        strands: `forward` counts the strand in the file; `both` adds the counts of its reverse complement.
        minimum_count: k-mers that occur less often rank last.
        repeats: Soft-masked bases are counted like others (`keep`), not at all (`exclude`), or half: everything else
            counts twice (`downweight`).
    """

    parts: Parts = "all"
    strands: Strands = "forward"
    minimum_count: int = 101
    repeats: Repeats = "keep"

    def __post_init__(self) -> None:
        choices_of = {"parts": get_args(Parts), "strands": get_args(Strands), "repeats": get_args(Repeats)}
        for name, choices in choices_of.items():
            if getattr(self, name) not in choices:
                raise InputError(f"NPMI `{name}` must be one of {', '.join(choices)}, but got `{getattr(self, name)}`")
        if self.minimum_count < 2:  # the formula divides by ln(minimum count)
            raise InputError(f"the minimum count of NPMI must be at least 2, but got {self.minimum_count}")


PUBLISHED = NpmiFormula()


@dataclass(frozen=True)
class Sampling:
    """How training samples are drawn.

    Attributes:
        lengths: `fixed`: all of full length. `mixed`: half of full length, half uniform from `shortest` up
            (DNABERT, btab083, and CM-GEMS, arXiv 2408.07180). `tiled`: windows of full length side by side, each
            once an epoch, in an order and at an offset of the epoch's own.
        shortest: k-mer tokens of the shortest sample of `mixed`.
        reverse_complement: Whether every second sample, by chance, is read from the other strand.
    """

    lengths: Lengths = "fixed"
    shortest: int = 5
    reverse_complement: bool = False

    def __post_init__(self) -> None:
        if self.lengths not in get_args(Lengths):
            raise InputError(f"sample lengths must be {', '.join(get_args(Lengths))}, but got `{self.lengths}`")
        if self.shortest < 1:
            raise InputError(f"the shortest sample must have at least 1 token, but got {self.shortest}")


FULL_LENGTH = Sampling()


@dataclass(frozen=True)
class DataSettings:
    """What is read and how it is divided; see `study.spec.DataSpec` for the units.

    `repeats` of None is what the corpus was prepared for; `difficulty` of None is counted from the corpus.
    """

    genome: str
    k: int
    length: int
    block: int
    validation_share: float
    validation_rows: int
    seed: int
    npmi: NpmiFormula = PUBLISHED
    margin: int = 0
    validation_contigs: tuple[str, ...] = ()
    sampling: Sampling = FULL_LENGTH
    repeats: Repeats | None = None
    difficulty: str | None = None


def check_window(preset_name: str, k: int, length: int) -> None:
    """Refuse windows that a model cannot read, or that leave nothing to see beside a span.

    Raises:
        InputError: k, the preset or the length in tokens is out of range.
    """
    if not 1 <= k <= 8:
        raise InputError(f"k must lie in 1..8, but got k={k}")
    positions = preset(preset_name).positions
    if length + 2 > positions:
        raise InputError(
            f"length + 2 must not exceed the {positions} positions of preset {preset_name}, but got length={length}"
        )
    if length < 2 * k:
        raise InputError(f"length must be at least 2k = {2 * k} tokens, but got length={length}")


def check_spans(name: str, arguments: Mapping[str, Any], k: int, length: int) -> None:
    """Refuse a curriculum whose spans outgrow a row at some moment of its horizon.

    Raises:
        InputError: a span is wider than a row; says at which step of 100.
    """
    for at, answer in rehearsal(name, registry.make(name, arguments)):
        widest = max(k + masking.span - 1 for _, masking in answer.parts)
        if widest > length:
            raise InputError(
                f"a span must fit into a row of {length} tokens, but curriculum `{name}` with {dict(arguments)} "
                f"asks for {widest} tokens at step {at.step} of {at.horizon}"
            )


@dataclass(frozen=True)
class PretrainSettings:
    """One pretraining run; equal settings give equal weights.

    Attributes:
        preset: Name of the model preset.
        k: Length of the k-mers.
        length: k-mer tokens a sample, without [CLS] and [SEP].
        batch: Samples an optimiser step, over all workers.
        curriculum: Name of the curriculum.
        arguments: Its arguments; those left out take their defaults.
        learning_rate: Peak learning rate.
        warmup: Steps of linear warm-up from 0.
        weight_decay: AdamW's, not applied to biases and LayerNorm.
        clip: Largest gradient norm.
        horizon: Steps that learning-rate schedule and curriculum span.
        budget: How masking rates become centre probabilities.
        seed: Initialisation, samples, masks and dropout follow from it.
        validate_every: Steps between two evaluations on the fixed validation masks.
        data_sha256: The corpus and how it is divided, by hash; see `trainers.data.load`.
        npmi: The formula behind the ranks and quantiles that masks follow.
    """

    preset: str
    k: int
    length: int
    batch: int
    curriculum: str
    arguments: Mapping[str, Any]
    learning_rate: float
    warmup: int
    weight_decay: float
    clip: float
    horizon: int
    budget: Budget
    seed: int
    validate_every: int
    data_sha256: str
    npmi: NpmiFormula = PUBLISHED

    def __post_init__(self) -> None:
        for name in ("length", "batch", "horizon", "validate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` must be at least 1, but got {getattr(self, name)}")
        check_window(self.preset, self.k, self.length)
        check_spans(self.curriculum, self.arguments, self.k, self.length)

    def make_curriculum(self) -> Curriculum:
        """Build the curriculum."""
        return registry.make(self.curriculum, self.arguments)

    def fingerprint(self) -> str:
        """Return a short hash that tells one run's settings from another's."""
        complete = {**asdict(self), "arguments": registry.arguments_of(self.make_curriculum())}
        return hashlib.sha256(json.dumps(complete, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Protocol:
    """How a task is fine-tuned.

    Attributes:
        epochs: Passes over the training examples.
        batch: Sequences an optimiser step.
        learning_rate: Peak; linear warm-up and decay.
        warmup: Share of the steps spent warming up, in [0, 1).
        weight_decay: AdamW's.
        pooling: What the classifier sees: BERT's pooled [CLS], or the mean over the k-mers.
        dev_every: Steps between looks at the dev loss, of which the best model is kept; 0 keeps the last model.
        shots: Training examples a class; 0 for all.
    """

    epochs: int
    batch: int
    learning_rate: float
    warmup: float
    weight_decay: float
    pooling: Literal["cls", "mean"]
    dev_every: int
    shots: int

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
from trainers.tokens.kinds import Kind, most_tokens


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
RateSchedule = Literal["linear", "cosine", "wsd"]
Precision = Literal["auto", "fp32", "bf16"]


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
VALIDATION_SEED = 7919  # of rows and masks: the same in every study, so that losses can be compared
VALIDATION_RATE = 0.15


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

    `length` counts the overlapping k-mers of a sample whatever the `tokens` are: every kind of token reads the same
    DNA, length + k - 1 bases. `repeats` of None is what the corpus was prepared for; `difficulty` of None is counted
    from the corpus.
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
    tokens: Kind = "overlapping"


def check_window(preset_name: str, k: int, length: int) -> None:
    """Refuse windows that a model cannot read, or that leave nothing to see beside a span.

    Args:
        preset_name: Of the model.
        k: Bases of a k-mer.
        length: Overlapping k-mers of a sample, which has length + k - 1 bases whatever tokens the model reads.

    Raises:
        InputError: k, the preset or the length is out of range.
    """
    if not 1 <= k <= 8:
        raise InputError(f"k must lie in 1..8, but got k={k}")
    shape = preset(preset_name)
    if shape.tokens == "blocks" and k == 1:
        raise InputError(f"k must lie in 2..8 for the blocks of preset {preset_name}, but got k={k}")
    _check_positions(preset_name, most_tokens(shape.tokens, k, length + k - 1), length)
    if length < 2 * k:
        raise InputError(f"length must be at least 2k = {2 * k} tokens, but got length={length}")


def _check_positions(preset_name: str, most: int, length: int) -> None:
    shape = preset(preset_name)
    if shape.positions is None or most <= shape.positions:
        return
    if shape.tokens == "overlapping":
        raise InputError(
            f"length + 2 must not exceed the {shape.positions} positions of preset {preset_name}, but got "
            f"length={length}"
        )
    raise InputError(
        f"samples of up to length + k - 1 bases must not take more tokens than the {shape.positions} positions of "
        f"preset {preset_name}, but with length={length} they may take {most}"
    )


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
        length: Overlapping k-mers a sample, which has length + k - 1 bases whatever tokens the model reads.
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
        schedule: How the learning rate falls after the warm-up; see `trainers.pretraining.learning_rate`.
        decay: Share of the horizon over which `wsd` falls, in (0, 1].
        cooldown: Share of a budget that is spent on a branch of its own whose learning rate falls to 0; 0 for none.
        precision: `bf16` computes matrix products in bfloat16 under autocast; `auto` does so on GPUs.
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
    schedule: RateSchedule = "linear"
    decay: float = 0.2
    cooldown: float = 0.0
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for name in ("length", "batch", "horizon", "validate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` must be at least 1, but got {getattr(self, name)}")
        for name, choices in (("schedule", get_args(RateSchedule)), ("precision", get_args(Precision))):
            if getattr(self, name) not in choices:
                raise InputError(f"`{name}` must be one of {', '.join(choices)}, but got `{getattr(self, name)}`")
        if not 0 < self.decay <= 1:
            raise InputError(f"`decay` must lie in (0, 1], but got {self.decay}")
        if not 0 <= self.cooldown < 1:
            raise InputError(f"`cooldown` must lie in [0, 1), but got {self.cooldown}")
        check_window(self.preset, self.k, self.length)
        check_spans(self.curriculum, self.arguments, self.k, self.length)

    def make_curriculum(self) -> Curriculum:
        """Build the curriculum."""
        return registry.make(self.curriculum, self.arguments)

    def plain(self) -> dict[str, Any]:
        """Return the settings as plain data, with all arguments of the curriculum."""
        return {**asdict(self), "arguments": registry.arguments_of(self.make_curriculum())}

    def fingerprint(self) -> str:
        """Return a short hash that tells one run's settings from another's."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Execution:
    """How a run is computed; changes its speed and memory, and its numbers by rounding at most.

    Attributes:
        micro_batch: Rows of full length in one forward and backward pass of a worker; gradients of the passes of a
            step add up. `auto` takes as many as are fast on CPUs and as many as fit on GPUs.
        compile: Whether torch.compile makes kernels for the model first (minutes, worth it from thousands of steps).
        activation_checkpointing: Compute activations again in the backward pass instead of keeping them.
        checkpoint_every: Steps between checkpoints that are not budgets; 0 for none.
        keep_last: Checkpoints to keep besides those of the budgets.
    """

    micro_batch: int | Literal["auto"] = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
    checkpoint_every: int = 0
    keep_last: int = 1

    def __post_init__(self) -> None:
        for name, low in (("micro_batch", 1), ("checkpoint_every", 0), ("keep_last", 1)):
            value = getattr(self, name)
            if value != "auto" and value < low:
                raise InputError(f"`{name}` must be at least {low}, but got {value}")


PLAIN = Execution()

"""The section of a spec that says which DNA is read, and how."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from study.spec.part import Part, Positive, Share, place
from trainers.settings import PUBLISHED, Lengths, Parts, Repeats, Strands

EMBEDDED = "embedded"


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
        return genome if genome == EMBEDDED else place(genome)

    @field_validator("difficulty")
    @classmethod
    def _absolute_table(cls, difficulty: str | None) -> str | None:
        return None if difficulty is None else place(difficulty)

    @model_validator(mode="after")
    def _narrow_margin(self) -> "DataSpec":
        if self.margin >= self.block:
            raise ValueError(f"data.margin must be less than data.block, but got {self.margin} and {self.block}")
        return self

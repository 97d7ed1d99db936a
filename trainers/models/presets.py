"""Model sizes by name; plain data, so that a spec can be checked without loading torch."""

from dataclasses import dataclass
from typing import Literal

from curricula import InputError
from curricula.errors import nearest
from trainers.tokens.kinds import BPE_VOCABULARY, Kind

Architecture = Literal["bert", "esm", "alibi_bert", "modernbert"]
_GATED = ("alibi_bert", "modernbert")  # three matrices in a feed-forward block, not two


@dataclass(frozen=True)
class ModelPreset:
    """Shape of an encoder.

    Attributes:
        feed_forward: Width between the two layers of a feed-forward block; gated ones have it twice.
        dropout: Applied to hidden states and attention.
        positions: Longest input in tokens, special ones included; None for any.
        spread: Standard deviation of the initial weights. BERT's 0.02 suits hidden sizes near 768; with 64
            it leaves attention flat for hundreds of steps.
        sinusoidal: Start the (learnt) position embeddings as sinusoids, so that relative offsets are found in
            tens of steps instead of thousands.
        tokens: How the tokens lie in the DNA.
        architecture: Which of `trainers.models.build`.
    """

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    dropout: float
    positions: int | None = 512
    spread: float = 0.02
    sinusoidal: bool = False
    tokens: Kind = "overlapping"
    architecture: Architecture = "bert"

    def matrix_weights(self, k: int) -> tuple[int, int]:
        """Return the weights of the matrix products, in the encoder and in the head over the vocabulary.

        Args:
            k: Nucleotides in a token; byte pairs have a vocabulary of their own size.
        """
        feed_forward = self.feed_forward * (3 if self.architecture in _GATED else 2)
        vocabulary = BPE_VOCABULARY if self.tokens == "bpe" else 4**k
        encoder = self.layers * self.hidden * (4 * self.hidden + feed_forward)
        return encoder, self.hidden * (self.hidden + vocabulary)


def _nucleotide_transformer(layers: int, hidden: int, heads: int, feed_forward: int, spread: float) -> ModelPreset:
    """Blocks of k nucleotides through transformers' ESM (Dalla-Torre et al. 2023, bioRxiv 2023.01.11.523679)."""
    return ModelPreset(
        layers, hidden, heads, feed_forward, 0.0, positions=1000, spread=spread, tokens="blocks", architecture="esm"
    )


def _dnabert2(layers: int, hidden: int, heads: int, feed_forward: int, spread: float) -> ModelPreset:
    """Byte pairs, ALiBi and GeGLU (arXiv 2306.15006, section 3)."""
    return ModelPreset(
        layers, hidden, heads, feed_forward, 0.1, positions=None, spread=spread, tokens="bpe", architecture="alibi_bert"
    )


def _modern(layers: int, hidden: int, heads: int, feed_forward: int, spread: float) -> ModelPreset:
    """Rotary positions, norms before the blocks, GeGLU, no biases: ModernBERT (arXiv 2412.13663), global only."""
    return ModelPreset(
        layers, hidden, heads, feed_forward, 0.0, positions=8192, spread=spread, architecture="modernbert"
    )


PRESETS = {
    "tiny": ModelPreset(layers=2, hidden=64, heads=2, feed_forward=256, dropout=0.0, spread=0.1, sinusoidal=True),
    "logo": ModelPreset(layers=2, hidden=256, heads=8, feed_forward=3072, dropout=0.0),
    "dnabert": ModelPreset(layers=12, hidden=768, heads=12, feed_forward=3072, dropout=0.1),
    "nucleotide_transformer": _nucleotide_transformer(24, 1280, 20, 5120, spread=0.02),
    "nt_tiny": _nucleotide_transformer(2, 64, 2, 256, spread=0.1),
    "dnabert2": _dnabert2(12, 768, 12, 3072, spread=0.02),
    "dnabert2_tiny": _dnabert2(2, 64, 2, 256, spread=0.1),
    "modern": _modern(6, 256, 4, 512, spread=0.04),
    "modern_tiny": _modern(2, 64, 2, 128, spread=0.1),
}


def preset(name: str) -> ModelPreset:
    """Return the preset called `name`.

    Raises:
        InputError: no preset has this name.
    """
    if name not in PRESETS:
        raise InputError(f"there is no model preset `{name}`{nearest(name, PRESETS)}")
    return PRESETS[name]

"""Model sizes by name; plain data, so that a spec can be checked without loading torch."""

from dataclasses import dataclass

from curricula import InputError
from curricula.errors import nearest


@dataclass(frozen=True)
class ModelPreset:
    """Shape of an encoder.

    Attributes:
        dropout: Applied to hidden states and attention.
        positions: Longest input in tokens, [CLS] and [SEP] included.
        spread: Standard deviation of the initial weights. BERT's 0.02 suits hidden sizes near 768; with 64
            it leaves attention flat for hundreds of steps.
        sinusoidal: Start the (learnt) position embeddings as sinusoids, so that relative offsets are found in
            tens of steps instead of thousands.
    """

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    dropout: float
    positions: int = 512
    spread: float = 0.02
    sinusoidal: bool = False


PRESETS = {
    "tiny": ModelPreset(layers=2, hidden=64, heads=2, feed_forward=256, dropout=0.0, spread=0.1, sinusoidal=True),
    "logo": ModelPreset(layers=2, hidden=256, heads=8, feed_forward=3072, dropout=0.0),
    "dnabert": ModelPreset(layers=12, hidden=768, heads=12, feed_forward=3072, dropout=0.1),
}


def preset(name: str) -> ModelPreset:
    """Return the preset called `name`.

    Raises:
        InputError: no preset has this name.
    """
    if name not in PRESETS:
        raise InputError(f"there is no model preset `{name}`{nearest(name, PRESETS)}")
    return PRESETS[name]

"""Opens a model from wherever it is: a checkpoint of ours, a published folder, or a name on the hub."""

from pathlib import Path

from trainers.models.pretrained import Pretrained, open_checkpoint
from trainers.models.published import published
from trainers.pretraining import checkpoint
from trainers.tasks.task import Reading


def is_checkpoint(place: str) -> bool:
    """Whether a place is a checkpoint folder of the pretraining loop (`step-...`)."""
    return (Path(place) / checkpoint.SETTINGS).exists()


def opened(place: str) -> Pretrained:
    """Return the model of a place, on the CPU.

    Raises:
        InputError: there is no such model, or it is damaged or of a kind that is not known.
    """
    return open_checkpoint(Path(place)) if is_checkpoint(place) else published(place)


def reading_of(pretrained: Pretrained, place: str) -> Reading:
    """Describe what a model can read."""
    config, tokenizer = pretrained.model.config, pretrained.tokenizer
    positions = None if config.model_type == "alibi_bert" else int(config.max_position_embeddings)
    if config.model_type == "esm" and positions is not None:
        positions -= int(config.pad_token_id) + 1  # it counts from behind the id of padding
    least = int(getattr(tokenizer, "k", 1)) if tokenizer.kind == "overlapping" else 1
    return Reading(place, least, positions, tokenizer.longest)

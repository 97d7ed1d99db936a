"""What all sections of a spec share: their rules, common kinds of values, and places that mean the same everywhere."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from trainers.storage import is_remote

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


def absolute(path: str) -> str:
    """Make a path mean the same in every process, whatever its working folder."""
    return str(Path(path).expanduser().resolve())


def place(location: str) -> str:
    """Make a path mean the same in every process; a URI does already."""
    return location if is_remote(location) else absolute(location)


class Part(BaseModel):
    """A section of a spec: unknown keys and wrong types are errors, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True)

"""Files appear whole or not at all."""

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curricula import InputError

_HOST = re.sub(r"\W", "-", socket.gethostname())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; rename it to `path` at the end, or remove it after an error.

    What a killed process of this machine left half-written under the same name is removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.{_HOST}.*.tmp"):
        if not _is_alive(int(left.name.split(".")[-2])):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def written(path: Path, text: str) -> Path:
    """Write a text in UTF-8, whole or not at all; return its path."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        InputError: it is not there, cannot be read, or is damaged.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:  # of bytes that are no text, or a text that is no JSON
        raise InputError(f"the file {path} cannot be read: {error}") from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

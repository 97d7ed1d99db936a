"""What MLflow raises, in the little that a study needs to know of it, and that crosses processes."""

from dataclasses import dataclass

from study.cluster.disk import is_full
from study.tracking.address import without_secrets

_NO_ANSWER = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"}
_BUSY = {408, 429, 500, 502, 503, 504}


@dataclass(eq=False)
class MlflowError(Exception):
    """Something that MLflow did not do; its own errors cannot all be brought to another process.

    Attributes:
        reason: Why, as part of a line, without secrets.
        may_pass: Whether it may be asked again.
        is_disk_full: Whether a disk is full.
    """

    reason: str
    may_pass: bool
    is_disk_full: bool = False

    def __str__(self) -> str:
        return self.reason

    @classmethod
    def of(cls, error: Exception) -> "MlflowError":
        """Say of an error what there is to know."""
        return cls(reason_of(error), is_no_answer(error), is_full(error))


def is_no_answer(error: Exception) -> bool:
    """Whether an error may pass: nobody answers, or a server says that it cannot at present."""
    from requests import HTTPError, RequestException
    from sqlalchemy.exc import OperationalError

    if isinstance(error, HTTPError) and error.response is not None:
        return error.response.status_code in _BUSY
    passing = (ConnectionError, TimeoutError, RequestException, OperationalError)
    return isinstance(error, passing) or getattr(error, "error_code", None) in _NO_ANSWER


def reason_of(error: Exception) -> str:
    """Return an error as part of a line, without secrets."""
    said = " ".join(without_secrets(str(error)).split()).rpartition("Caused by ")[2]  # urllib3 puts the cause last
    return said[:200] if getattr(error, "error_code", None) else f"{type(error).__name__}: {said[:200]}"

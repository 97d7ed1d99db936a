"""Files of one commit of a data set on the Hugging Face hub, each checked against the hub's own hash.

The library keeps what it has fetched (HF_HOME) and resumes a connection that was cut. It sets no time limit on some
of its questions, so a request hook gives every one of them HF_HUB_DOWNLOAD_TIMEOUT (10 s by default): a hub that
stalls is given up after six attempts.
"""

import hashlib
import logging
from pathlib import Path

import httpx2
import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.tqdm import disable_progress_bars

from curricula import InputError
from curricula.errors import one_line

_BY_HAND = "download it by another way and give its folder with --from"


def _limit(request: httpx2.Request) -> None:
    """Refuse when offline mode is on, and let no request wait without limit."""
    if huggingface_hub.is_offline_mode():
        raise OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    longest = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
    asked = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        part: min(asked.get(part) or longest, longest) for part in ("connect", "read", "write", "pool")
    }


def client() -> httpx2.Client:
    """Return what huggingface_hub asks with: a client that does not wait for ever."""
    return httpx2.Client(event_hooks={"request": [_limit]}, follow_redirects=True)


class Mirror:
    """One commit of a data set; `files` are its paths.

    Raises:
        InputError: there is no such data set or revision, or the hub cannot be reached.
    """

    def __init__(self, repo: str, revision: str) -> None:
        huggingface_hub.set_client_factory(client)
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        constants.HF_HUB_DISABLE_XET = True  # its transfers know no time limit, and these files are small
        self.repo = repo
        self._api = huggingface_hub.HfApi()
        try:
            commit = self._api.repo_info(repo, repo_type="dataset", revision=revision).sha
            if not commit:
                raise InputError(f"the hub must name the commit of {repo} at {revision}, but it does not; {_BY_HAND}")
            self.commit: str = commit
            tree = self._api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
            self._files = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        except (httpx2.HTTPError, OSError, HFValidationError, ValueError, KeyError) as error:
            if isinstance(error, InputError):
                raise
            raise self._refusal(error, f"revision {revision}") from error
        self.files = sorted(self._files)

    def fetch(self, path: str) -> Path:
        """Return a local copy of one file, downloaded unless it is there already.

        Raises:
            InputError: it is not there, does not arrive, or is not what the hub's listing says.
        """
        try:
            found = Path(huggingface_hub.hf_hub_download(self.repo, path, repo_type="dataset", revision=self.commit))
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise self._refusal(error, path) from error
        expected, hashed = self._expected(path, found)
        if hashed != expected:
            found.resolve().unlink(missing_ok=True)  # or the library would give the damaged file again
            found.unlink(missing_ok=True)
            raise InputError(
                f"a downloaded file must have the hash that the hub lists, but {self.repo}/{path} has {hashed[:12]}... "
                f"instead of {expected[:12]}...; the same command fetches it again, or {_BY_HAND}"
            )
        return found

    def _expected(self, path: str, local: Path) -> tuple[str, str]:
        """Return the listed and the found hash: SHA-256 of large files, git's blob hash of others."""
        entry, content = self._files[path], local.read_bytes()
        if entry.lfs is not None:
            return str(entry.lfs.sha256), hashlib.sha256(content).hexdigest()
        return str(entry.blob_id), hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def _refusal(self, error: Exception, what: str) -> InputError:
        if isinstance(error, HfHubHTTPError):
            return InputError(self._answered(error, what))
        cause: BaseException = error
        while isinstance(cause, LocalEntryNotFoundError) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, OSError) and cause.errno is not None:
            raise cause  # a full disk or a folder without permission, not the network
        return InputError(f"{self._unanswered(cause, what)}, or {_BY_HAND}")

    def _answered(self, error: HfHubHTTPError, what: str) -> str:
        if isinstance(error, RevisionNotFoundError):
            return f"the hub has no {what} of the data set {self.repo}; `--revision main` is the newest"
        if isinstance(error, RepositoryNotFoundError):
            return f"the hub has no public data set {self.repo}; {_BY_HAND}"
        if isinstance(error, EntryNotFoundError):
            return f"the hub lists {self.repo}/{what}, but does not have it (404); {_BY_HAND}"
        status = error.response.status_code
        return f"the hub refused {self.repo} ({what}) with HTTP status {status}; try later, or {_BY_HAND}"

    def _unanswered(self, cause: BaseException, what: str) -> str:
        if isinstance(cause, OfflineModeIsEnabled):
            return f"HF_HUB_OFFLINE forbids to ask the hub for {self.repo} ({what}); unset it"
        if isinstance(cause, httpx2.TimeoutException):
            rule = f"the hub must answer within {constants.HF_HUB_DOWNLOAD_TIMEOUT} s (HF_HUB_DOWNLOAD_TIMEOUT)"
            return f"{rule}, but it stalled at {self.repo} ({what}); the same command goes on"
        rule = f"the hub at {constants.ENDPOINT} must be reachable for {self.repo} ({what})"
        return f"{rule}, but: {one_line(cause)[:200]}; the same command goes on"

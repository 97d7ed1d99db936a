"""Where MLflow is, and how that is said without a password."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

_HIDDEN = "***"
_VARIABLE = "MLFLOW_TRACKING_URI"
_SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_PORT = 5000
_SHORTEST = 4  # letters of a secret that is looked for outside a URI; shorter ones are parts of ordinary words
_LOGIN = re.compile(r"://(?:([^\s/:@]*):\S*|[^\s/:@]+)@")  # a name alone may be a token
_OPTION = re.compile(r"([?&](?:password|passwd|pwd|sslpassword|token|secret|api_key)=)[^&\s'\"]*", re.IGNORECASE)


def tracking_uri(results: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or the SQLite database that all studies of a results folder share.

    It may hold a password: print it through `without_secrets` only.
    """
    return os.environ.get(_VARIABLE) or f"sqlite:///{results / 'mlflow.db'}"


def without_secrets(text: str) -> str:
    """Return a text without the passwords and tokens of any URI in it, and without those of MLflow's variables."""
    hidden = _LOGIN.sub(lambda found: f"://{found[1]}:{_HIDDEN}@" if found[1] is not None else f"://{_HIDDEN}@", text)
    hidden = _OPTION.sub(rf"\g<1>{_HIDDEN}", hidden)
    for secret in _known_secrets():
        hidden = hidden.replace(secret, _HIDDEN)
    return hidden


def _known_secrets() -> list[str]:
    """Return what errors may quote outside a URI, longest first."""
    login = re.search(r"://[^\s/:@]*:(\S*)@", os.environ.get(_VARIABLE, ""))
    found = [os.environ.get(name, "") for name in _SECRET_VARIABLES] + ([login[1]] if login else [])
    every = {form for secret in found for form in (secret, unquote(secret)) if len(form) >= _SHORTEST}
    return sorted(every, key=len, reverse=True)


def shown_uri(results: Path) -> str:
    """Return the tracking URI as it may be printed."""
    return without_secrets(tracking_uri(results))


def command(results: Path) -> str:
    """Return how to look at MLflow: the command that opens it on these results, or the server's address."""
    uri = tracking_uri(results)
    if uri.startswith("http"):
        return f"{without_secrets(uri)} (a server)"
    named = f"'{uri}'" if without_secrets(uri) == uri else f'"${_VARIABLE}"'  # the shell knows it, no log needs to
    return f"mlflow ui --backend-store-uri {named} --host 127.0.0.1 --port {_PORT}"


def comparison(results: Path, experiment: str) -> str:
    """Return the address at which MLflow draws the runs of an experiment, once `command` has started it."""
    uri = tracking_uri(results)
    server = without_secrets(uri).rstrip("/") if uri.startswith("http") else f"http://127.0.0.1:{_PORT}"
    return f"{server}/#/experiments/{experiment}/runs?compareRunsMode=CHART"

"""Where MLflow is, and that no password of it is ever shown."""

from pathlib import Path

import pytest

from study.progress import Reporter
from study.tracking import address
from study.tracking.address import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////home/somebody/results/mlflow.db", "sqlite:////home/somebody/results/mlflow.db"),
        ("http://a:secret@host:5000/x", "http://a:***@host:5000/x"),
        ("https://secret@host/x", "https://***@host/x"),
        ("postgresql+psycopg://a:se%40cr/et@host/b", "postgresql+psycopg://a:***@host/b"),
        ("http://a:sec@ret@host, http://b:secret@there/y fail", "http://a:***@host, http://b:***@there/y fail"),
        ("postgresql://host/b?user=a&password=secret&x=1", "postgresql://host/b?user=a&password=***&x=1"),
        ("to a@example.org at http://host", "to a@example.org at http://host"),
    ],
)
def test_a_password_in_an_address_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_what_the_variables_hold_is_hidden_outside_an_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:p%40ssword@host/db")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "no")  # too short to be looked for
    assert without_secrets("login of me with p@ssword or p%40ssword failed; a-token, no") == (
        "login of me with *** or *** failed; ***, no"
    )


@pytest.mark.parametrize(
    ("uri", "command"),
    [
        ("http://a:secret@host:5000", "http://a:***@host:5000 (a server)"),
        (
            "postgresql://host/db",
            "mlflow ui --backend-store-uri 'postgresql://host/db' --host 127.0.0.1 --port 5000",
        ),
        (
            "postgresql://a:secret@host/db",
            'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI" --host 127.0.0.1 --port 5000',
        ),
    ],
)
def test_how_to_look_at_mlflow_is_said_without_its_password(
    uri: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert address.command(tmp_path) == command


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("http://a:secret@host:5000/", "http://a:***@host:5000"),
        ("https://host/mlflow", "https://host/mlflow"),
        ("postgresql://a:secret@host/db", "http://127.0.0.1:5000"),
        (None, "http://127.0.0.1:5000"),
    ],
)
def test_where_runs_are_compared_is_said_without_its_password(
    uri: str | None, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if uri is None:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert address.comparison(tmp_path, "7") == f"{server}/#/experiments/7/runs?compareRunsMode=CHART"


def test_terminal_and_log_hide_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://a:secret@host")
    reporter = Reporter(tmp_path, 1, 1)
    reporter.say("http://a:secret@host fails: secret")
    reporter.log("Traceback: secret")
    assert "http://a:***@host fails: ***" in capsys.readouterr().out
    assert "secret" not in (tmp_path / "study.log").read_text()

"""The Makefile: what its targets would do, without doing it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the Makefile looks at, without an environment."""
    for name in ("Makefile", "pyproject.toml", ".ci/constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def _make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # this suite itself may run under make, whose flags would be inherited
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=inherited | environment, capture_output=True, text=True, check=False
    )


def _installed(folder: Path) -> Path:
    """Make it look as if the environment were installed, after everything it depends on."""
    stamp = folder / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    newest = max((folder / name).stat().st_mtime for name in ("pyproject.toml", ".ci/constraints.txt"))
    os.utime(stamp, (newest + 10, newest + 10))
    return stamp


def test_make_alone_lists_the_targets(checkout: Path) -> None:
    listed = _make(checkout)

    assert listed.returncode == 0
    assert [line.split()[1] for line in listed.stdout.splitlines()] == [
        "help",
        "demo",
        "test",
        "lint",
        "new-curriculum",
    ]
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("target", ["demo", "test", "lint", "new-curriculum"])
def test_a_missing_environment_is_made(checkout: Path, target: str) -> None:
    planned = _make(checkout, "-n", target).stdout

    assert "-m venv .venv" in planned
    assert "-c .ci/constraints.txt -e '.[dev]'" in planned


@pytest.mark.parametrize("target", ["demo", "test", "lint", "new-curriculum"])
def test_an_environment_that_is_there_is_reused(checkout: Path, target: str) -> None:
    _installed(checkout)

    planned = _make(checkout, "-n", target).stdout

    assert "venv .venv" not in planned
    assert "pip install" not in planned


@pytest.mark.parametrize("edited", ["pyproject.toml", ".ci/constraints.txt"])
def test_an_edit_installs_again(checkout: Path, edited: str) -> None:
    later = _installed(checkout).stat().st_mtime + 10
    os.utime(checkout / edited, (later, later))

    assert "pip install" in _make(checkout, "-n", "demo").stdout


def test_demo_runs_the_default_study(checkout: Path) -> None:
    _installed(checkout)

    assert _make(checkout, "-n", "demo").stdout.splitlines() == [".venv/bin/python -m study.run"]


def test_test_checks_style_format_and_types_first(checkout: Path) -> None:
    _installed(checkout)

    assert _make(checkout, "-n", "test").stdout.splitlines() == [
        ".venv/bin/python -m ruff check",
        ".venv/bin/python -m ruff format --check",
        ".venv/bin/python -m mypy",
        ".venv/bin/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder",
    ]


def test_new_curriculum_hands_the_name_on(checkout: Path) -> None:
    _installed(checkout)

    planned = _make(checkout, "-n", "new-curriculum", "NAME=my_idea").stdout
    assert planned.splitlines() == ['.venv/bin/python -m curricula.new "my_idea"']


def test_another_python_can_be_named(checkout: Path) -> None:
    assert "python3.99 -m venv .venv" in _make(checkout, "-n", "demo", PYTHON="python3.99").stdout


@pytest.mark.parametrize(
    ("script", "shown"), [(None, "not there"), ('test "$1" = --version && echo Python 3.9.2', "Python 3.9.2")]
)
def test_an_old_or_missing_python_is_one_clear_line(checkout: Path, script: str | None, shown: str) -> None:
    python = checkout / "python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)

    refused = _make(checkout, "demo", PYTHON=str(python))

    assert refused.returncode != 0
    first, *rest = refused.stderr.splitlines()
    assert first.startswith("error: Python 3.11 or later is needed")
    assert shown in first
    assert all(line.startswith("make: ***") for line in rest)
    assert not (checkout / ".venv").exists()


def test_constraints_hold_exact_versions_and_nothing_local() -> None:
    lines = (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]

    assert all(line.count("==") == 1 and not set(line) & set("+@/ ") for line in pins)
    assert "torch==2.13.0" in pins

"""Curricula of real packages: built, installed by pip, found, searched, previewed and tested. One of them is broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0"

[project.entry-points."curriculum_study.curricula"]
{entry}

[tool.setuptools]
py-modules = ["{name}"]
"""
WAVY = '''
"""A curriculum of another package."""

import math

from curricula import Masking, Progress, Strategy, curriculum, searched

calls = []


@curriculum
class Wavy:
    """The masking rate goes up and down `waves` times."""

    waves: int = searched(3, low=1, high=9)
    height: float = searched(0.05, low=0.01, high=0.10)
    rate: float = 0.15
    moves = ("rate",)

    def __call__(self, at: Progress) -> Masking:
        """Mask at random, at the rate of this moment."""
        return Masking(Strategy.RANDOM, rate=self.rate + self.height * math.sin(math.tau * self.waves * at.fraction))


@curriculum
class Forgetful:
    """Counts its calls instead of looking at the progress."""

    rate: float = searched(0.15, low=0.05, high=0.40)
    moves = ("rate",)

    def __call__(self, at: Progress) -> Masking:
        """Mask a little more at each call, up to a limit."""
        calls.append(at)
        return Masking(Strategy.RANDOM, rate=self.rate + min(len(calls), 50_000) * 1e-6)
'''
TORN = "raise RuntimeError('this package needs a file that is not there')"
SPEC = """
name: with_a_plugin
data: {genome: embedded, block: 20000, validation_share: 0.1, validation_rows: 32}
model: {preset: tiny, k: 2}
pretraining: {budgets: [20, 40], length: 24, batch: 8, warmup: 5}
curricula:
  constant: {}
  wavy: {height: 0.02}
  placebo_wavy: {placebo_seed: 4}
evaluation:
  root: GUE
  tasks: [{name: tf/0}]
"""
LOOK = """
import sys
from curricula import registry
from study.spec.files import load
print("wavy" in registry.names(), "torn" in registry.names(), "linear" in registry.names())
print(registry.broken()["torn"])
print(*load(sys.argv[1], []).space("wavy"))
try:
    registry.make("torn", {})
except ValueError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both packages."""
    folder = tmp_path_factory.mktemp("packages")
    sources = []
    for name, entry, code in (
        ("wavy_masks", "wavy = 'wavy_masks:Wavy'", WAVY),
        ("torn_masks", "torn = 'torn_masks:Torn'", TORN),
    ):
        source = folder / name
        source.mkdir()
        (source / "pyproject.toml").write_text(PROJECT.format(name=name, entry=entry))
        (source / f"{name}.py").write_text(code)
        sources.append(str(source))
    target = folder / "installed"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "with_a_plugin.yaml"
    path.write_text(SPEC)
    return path


def python(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_it_is_found_and_searched_and_the_broken_one_names_itself(installed: Path, spec: Path) -> None:
    done = python(installed, "-c", LOOK, str(spec))
    assert done.returncode == 0, done.stderr
    listed, broken, space, refused = done.stdout.splitlines()
    assert listed == "True False True"
    assert broken == (
        "the curriculum plug-in `torn` (torn_masks:Torn) cannot be imported: "
        "RuntimeError: this package needs a file that is not there"
    )
    assert refused == broken
    assert space == "waves"


def test_its_author_runs_our_contract_test_on_it_alone(installed: Path) -> None:
    done = python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--curriculum", "wavy_masks:Wavy")
    assert done.returncode == 0, done.stdout
    assert "[wavy_masks:Wavy]" in done.stdout
    assert "linear" not in done.stdout


def test_other_tests_are_left_out_even_if_named(installed: Path) -> None:
    files = ["tests/test_curricula_contract.py", "tests/test_curricula_errors.py"]
    done = python(installed, "-m", "pytest", "--collect-only", "-q", "--curriculum", "wavy", *files)
    assert done.returncode == 0, done.stdout
    collected = [line for line in done.stdout.splitlines() if "::" in line]
    assert collected
    assert all("test_curricula_contract.py" in line and "[wavy" in line for line in collected)


def test_the_contract_test_finds_what_is_wrong_with_a_bad_class(installed: Path) -> None:
    done = python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--curriculum", "wavy_masks:Forgetful")
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert any("depends_on_progress_only[wavy_masks:Forgetful]" in line for line in failed)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torn", "the curriculum plug-in `torn` (torn_masks:Torn) cannot be imported: RuntimeError"),
        ("wavi", "there is no curriculum `wavi` (did you mean `wavy`?)"),
    ],
)
def test_what_cannot_be_tested_is_told_in_a_line(installed: Path, name: str, message: str) -> None:
    done = python(installed, "-m", "pytest", "--curriculum", name)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert message in line


@pytest.mark.parametrize("name", ["wavy", "wavy_masks:Wavy"])
def test_its_conformance_on_real_masks_can_be_checked(installed: Path, name: str) -> None:
    done = python(installed, "-m", "curricula.check", name, "--set", "waves=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("yes  does it change with progress as it declares: declared: rate;")
    assert len(done.stdout.splitlines()) > 1


def test_it_is_previewed(installed: Path, spec: Path) -> None:
    done = python(installed, "-m", "study.preview", str(spec))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wavy" in done.stdout
    assert "placebo_wavy" in done.stdout

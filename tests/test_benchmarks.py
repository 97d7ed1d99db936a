"""Benchmarks are run by hand, but what they call must still be there."""

import importlib
from pathlib import Path

import pytest

NAMES = sorted(path.stem for path in (Path(__file__).parent / "benchmarks").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_all_that_it_imports_and_says_what_it_is(name: str) -> None:
    module = importlib.import_module(f"tests.benchmarks.{name}")
    assert module.__doc__
    assert hasattr(module, "main") or name == "pretraining_runs"

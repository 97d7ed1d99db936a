"""Collapsed fine-tunings, on rows small enough to check by hand."""

from typing import Any

import pandas as pd

from study.evidence.collapses import Collapse, collapses, sentence


def rows(*scores: dict[str, Any]) -> pd.DataFrame:
    """Rows of `linear` on tf/0, changed by what each names; the dev score and the pretraining are never at fault."""
    common = {
        "study": "a",
        "run": "linear-s0",
        "curriculum": "linear",
        "parameters": "{}",
        "seed": 0,
        "budget": 600,
        "branch": "trunk",
        "fidelity": "full",
        "task": "tf/0",
        "repetition": 0,
        "split": "test",
        "metric": "mcc",
    }
    others = [
        {**common, "split": "dev", "value": 0.0},
        {**common, "metric": "accuracy", "value": 0.0},
        {**common, "task": "pretraining", "split": "validation", "metric": "validation_loss", "value": 0.0},
    ]
    return pd.DataFrame([{**common, **score} for score in scores] + others)


HIGH = {"value": 0.61, "repetition": 1}


def test_a_repetition_near_zero_collapsed_where_another_is_high() -> None:
    found = collapses(rows({"value": 0.01}, HIGH, {"value": 0.3, "repetition": 2}))
    assert found == [Collapse("linear-s0", "linear", 600, "full", "tf/0", 0, 0, 0.01, 0.61)]


def test_a_seed_near_zero_collapsed_where_another_is_high() -> None:
    found = collapses(rows({"value": -0.1, "seed": 1, "run": "linear-s1"}, HIGH))
    assert found == [Collapse("linear-s1", "linear", 600, "full", "tf/0", 1, 0, -0.1, 0.61)]


def test_a_bound_is_outside_itself() -> None:
    assert collapses(rows({"value": 0.02}, HIGH)) == []
    assert collapses(rows({"value": 0.019}, {"value": 0.2, "repetition": 1})) == []
    assert len(collapses(rows({"value": 0.019}, {"value": 0.201, "repetition": 1}))) == 1


def test_only_what_differs_in_seed_and_repetition_alone_is_compared() -> None:
    apart: dict[str, Any] = {
        "study": "b",
        "curriculum": "step",
        "parameters": '{"learning_rate": 1}',
        "budget": 300,
        "branch": "cooldown",
        "fidelity": "probe",
        "task": "tf/1",
    }
    for name, value in apart.items():
        assert collapses(rows({"value": 0.0}, {**HIGH, name: value})) == [], name
    assert len(collapses(rows({"value": 0.0, "run": "linear-s0-again"}, HIGH))) == 1


def test_other_metrics_and_the_dev_split_tell_no_collapse() -> None:
    assert collapses(rows({"value": 0.5, "metric": "accuracy", "repetition": 1}, HIGH)) == []
    assert collapses(rows({"value": 0.0}, {**HIGH, "split": "dev"})) == []
    assert collapses(rows()) == []


def test_the_sentence_names_them_and_claims_nothing_of_the_rest() -> None:
    said = sentence(collapses(rows({"value": 0.01}, HIGH, {"value": 0.0, "fidelity": "probe"}, HIGH)))
    assert said == (
        "1 fine-tuning(s) collapsed: a test MCC below 0.02 where another seed or repetition of the same configuration "
        "and budget is above 0.2 (`linear` at 600 steps on tf/0, seed 0, repetition 0: 0.010, another 0.610). Their "
        "scores are in the means; they were neither rerun nor dropped, and nothing is claimed about what the means "
        "would be without them."
    )


def test_the_sentence_names_the_first_five_and_counts_the_others() -> None:
    low = [{"value": 0.0, "repetition": number, "fidelity": "probe"} for number in range(2, 9)]
    said = sentence(collapses(rows({**HIGH, "fidelity": "probe"}, *low)))
    assert said is not None
    assert said.startswith("7 fine-tuning(s) collapsed")
    assert "on tf/0 by `probe`, seed 0, repetition 2: 0.000, another 0.610; " in said
    assert "repetition 6: 0.000, another 0.610; and 2 more)." in said
    assert "repetition 7" not in said


def test_without_a_collapse_nothing_is_said() -> None:
    assert sentence([]) is None

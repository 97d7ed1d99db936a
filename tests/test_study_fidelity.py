"""How cheap scores rank checkpoints against full ones, on rankings small enough to count pairs by hand."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from curricula import InputError
from study import fidelity
from study.fidelity import Line, compared, correlation, lines, resampled_taus, scores, seconds, table, tau_within
from study.spec.files import parse
from study.store import PRETRAINING, Row, Store
from tests.studies import MINI

# checkpoints by run and budget: (full test, probe dev) scores; the probe misplaces b below c at 2 steps, of 15 pairs
TABLE = {
    ("a", 2): (0.1, 0.30),
    ("b", 2): (0.3, 0.31),
    ("c", 2): (0.2, 0.32),
    ("a", 4): (0.4, 0.40),
    ("b", 4): (0.6, 0.50),
    ("c", 4): (0.5, 0.45),
}


def row(fidelity: str, run: str, budget: int, split: str, value: float, **changes: Any) -> dict[str, Any]:
    """One row of tf/0 that took ten seconds by the full protocol and one by any other."""
    common: dict[str, Any] = {
        "study": "mini",
        "run": run,
        "role": "search",
        "curriculum": "linear",
        "parameters": "{}",
        "seed": 0,
        "budget": budget,
        "horizon": 4,
        "branch": "trunk",
        "fidelity": fidelity,
        "task": "tf/0",
        "repetition": 0,
        "split": split,
        "metric": "mcc",
        "value": value,
        "seconds": 10.0 if fidelity == "full" else 1.0,
    }
    return common | changes


def rows(table: dict[tuple[str, int], tuple[float, float]], **changes: Any) -> pd.DataFrame:
    """Both scores of each checkpoint; the full dev and the cheap test scores, which must not count, are all equal."""
    found = []
    for (run, budget), (full, cheap) in table.items():
        for name, dev, test in (("full", 0.0, full), ("probe", cheap, 0.0)):
            both = [row(name, run, budget, split, value) for split, value in (("dev", dev), ("test", test))]
            accuracy = [{**score, "metric": "accuracy", "value": 0.5} for score in both]
            found += [one | changes for one in both + accuracy]
        found.append(row(PRETRAINING, run, budget, "validation", 2.0, task=PRETRAINING, metric="validation_loss"))
    return pd.DataFrame(found)


SPEC = parse(MINI, "MINI")


def measured(found: pd.DataFrame, *options: int) -> list[Line]:
    return lines(compared(SPEC, found), *options)


def only(found: list[Line]) -> Line:
    (line,) = found
    assert line.agreement is not None
    return line


def array(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def test_a_score_is_the_mean_of_tasks_of_the_mean_of_repetitions() -> None:
    own = [
        row("full", "a", 2, "test", 0.2),
        row("full", "a", 2, "test", 0.4, repetition=1),
        row("full", "a", 2, "test", 0.9, task="tf/1"),
        row("full", "a", 2, "dev", -1.0),
        row("probe", "a", 2, "test", -1.0),
        row("full", "a", 2, "test", -1.0, metric="accuracy"),
        row("full", "a", 2, "test", -1.0, task=PRETRAINING),
    ]
    found = scores(compared(SPEC, pd.DataFrame(own)), "full", "test")
    assert found.to_dict() == {("mini", "a", 2): pytest.approx((0.3 + 0.9) / 2)}


def test_each_task_is_scored_by_the_metric_it_is_published_with() -> None:
    own = [
        row("full", "a", 2, "test", value, task=task, metric=metric)
        for task, values in {
            "tf/0": (0.3, 9.0, 9.0),
            "virus/covid": (9.0, 0.6, 9.0),
            "silencer": (9.0, 9.0, 0.9),
            "my own": (0.2, 9.0, 9.0),
        }.items()
        for metric, value in zip(("mcc", "macro_f1", "accuracy"), values, strict=True)
    ]
    assert scores(compared(SPEC, pd.DataFrame(own)), "full", "test").tolist() == [pytest.approx(0.5)]


def test_checkpoints_scored_on_different_tasks_are_not_ranked() -> None:
    more = row("full", "b", 4, "test", 0.5, task="tf/1", study="other")
    said = (
        "by `full` mini/a at 2 steps was scored on tf/0 and other/b at 4 steps was not; measure studies with different "
        "tasks apart"
    )
    with pytest.raises(InputError, match=said):
        measured(pd.concat([rows(TABLE), pd.DataFrame([more])]))


def test_one_misplaced_pair_of_fifteen() -> None:
    line = only(measured(rows(TABLE)))
    one = line.agreement
    assert one is not None
    assert one.correlation is not None
    assert (line.fidelity, line.checkpoints) == ("probe", 6)
    assert one.correlation.tau == pytest.approx((14 - 1) / 15)
    assert one.correlation.spearman == pytest.approx(1 - 6 * 2 / (6 * 35))  # ranks differ by 1 and by 1
    assert one.correlation.low < one.correlation.tau <= one.correlation.high <= 1
    assert one.tau_within == pytest.approx((5 - 1) / 6)
    assert (one.top_1, one.regret) == (True, 0.0)


def test_a_worse_choice_costs_the_difference_of_the_full_scores() -> None:
    line = only(measured(rows({**TABLE, ("b", 4): (0.6, 0.44)})))
    assert line.agreement is not None
    assert not line.agreement.top_1
    assert line.agreement.regret == pytest.approx(0.6 - 0.5)


def test_where_several_tie_for_first_the_worst_of_them_counts() -> None:
    line = only(measured(rows({**TABLE, ("c", 4): (0.5, 0.50), ("a", 4): (0.4, 0.50)})))
    assert line.agreement is not None
    assert not line.agreement.top_1
    assert line.agreement.regret == pytest.approx(0.6 - 0.4)


def test_pairs_of_different_studies_are_not_within_a_budget() -> None:
    both = pd.concat([rows(TABLE), rows({("a", 2): (0.9, 0.0), ("b", 2): (0.8, 0.1)}, study="other")])
    line = only(measured(both))
    assert line.checkpoints == 8
    assert line.agreement is not None
    assert line.agreement.tau_within == pytest.approx((5 - 2) / 7)


def test_ties_count_as_neither_and_without_a_pair_there_is_no_tau_within() -> None:
    groups = np.array([0, 0, 0, 1])
    assert tau_within(array(1, 1, 2, 0), array(1, 2, 3, 0), groups) == pytest.approx(2 / 3)
    assert tau_within(array(1, 2, 3, 4), array(1, 2, 3, 4), np.arange(4)) is None


def test_seconds_count_each_fine_tuning_once_and_shared_checkpoints_only() -> None:
    repeated = pd.concat([rows(TABLE), rows(TABLE, repetition=1), pd.DataFrame([row("full", "d", 4, "test", 0.9)])])
    shared = pd.MultiIndex.from_tuples([("mini", run, budget) for run, budget in TABLE])
    assert seconds(repeated, "full", shared) == 6 * 2 * 10.0
    assert seconds(repeated, "probe", shared) == 6 * 2 * 1.0
    line = only(measured(repeated))
    assert line.checkpoints == 6
    assert line.agreement is not None
    assert line.agreement.cost == pytest.approx(0.1)


@pytest.mark.parametrize("count", [0, 2])
def test_two_checkpoints_tell_nothing(count: int) -> None:
    few = rows(dict(list(TABLE.items())[:count]))
    apart = pd.DataFrame([row("full", "d", 4, "test", 0.9), row("probe", "e", 4, "dev", 0.9)])
    assert measured(pd.concat([few, apart])) == [Line("probe", count, None)]


def test_a_ranking_of_ties_only_has_no_tau() -> None:
    line = only(measured(rows({checkpoint: (full, 0.5) for checkpoint, (full, _) in TABLE.items()})))
    assert line.agreement is not None
    assert line.agreement.correlation is None
    assert line.agreement.tau_within == 0
    assert line.agreement.regret == pytest.approx(0.5)


def test_without_a_cheap_fidelity_there_is_no_line() -> None:
    own = rows(TABLE)
    assert measured(own[own["fidelity"] == "full"]) == []


def test_tau_b_of_ties_counted_by_hand() -> None:
    cheap, full = array(1, 1, 2, 3), array(1, 2, 2, 3)  # 4 pairs concordant; 5 not tied in the one, 5 in the other
    assert resampled_taus(cheap, full, np.ones((1, 4), dtype=np.int64)) == pytest.approx(4 / 5)
    found = correlation(cheap, full)
    assert found is not None
    assert found.tau == pytest.approx(4 / 5)


def test_resamples_of_ties_only_are_skipped_and_counted() -> None:
    cheap, full = array(1, 1, 2), array(1, 1, 2)  # a tau needs the third and another: 1 - (2/3)^3 - (1/3)^3 of all
    found = correlation(cheap, full, draws=20_000)
    assert found is not None
    assert found.skipped / 20_000 == pytest.approx(1 / 3, abs=0.02)
    assert (found.tau, found.low, found.high) == pytest.approx((1, 1, 1))
    assert np.isnan(resampled_taus(cheap, full, np.array([[2, 1, 0], [0, 0, 3]]))).all()


def test_the_interval_covers_a_known_tau_as_often_as_it_should() -> None:
    """Normal pairs of correlation r have an expected tau of 2/pi arcsin r."""
    generator, inside = np.random.default_rng(0), 0
    for number in range(100):
        cheap = generator.standard_normal(40)
        full = 0.6 * cheap + 0.8 * generator.standard_normal(40)
        found = correlation(cheap, full, draws=300, seed=number)
        assert found is not None
        inside += found.low < 2 / np.pi * np.arcsin(0.6) < found.high
    assert 88 <= inside <= 99


def test_the_seed_decides_the_interval() -> None:
    cheap, full = array(1, 1, 2), array(1, 1, 2)
    first, again, other = (correlation(cheap, full, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other  # in how many resamples had ties only


rankings = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=12)


@settings(deadline=None)
@given(pairs=rankings, seed=st.integers(0, 9))
def test_resampled_taus_are_those_of_scipy_on_the_drawn_checkpoints(pairs: list[tuple[int, int]], seed: int) -> None:
    cheap, full = np.array(pairs, dtype=np.float64).T
    drawn = np.random.default_rng(seed).integers(len(pairs), size=(4, len(pairs)))
    times = np.array([np.bincount(one, minlength=len(pairs)) for one in drawn])
    expected = [stats.kendalltau(cheap[one], full[one]).statistic for one in drawn]
    assert resampled_taus(cheap, full, times) == pytest.approx(np.array(expected), nan_ok=True)


@settings(deadline=None)
@given(values=st.lists(st.integers(-1000, 1000), min_size=3, max_size=12, unique=True))
def test_equal_rankings_have_a_tau_of_one_and_reversed_ones_of_minus_one(values: list[int]) -> None:
    own = array(*values)
    same, reverse = correlation(own, own, 100), correlation(own, -own, 100)
    assert same is not None
    assert reverse is not None
    assert (same.tau, same.low, same.high, same.spearman) == pytest.approx((1, 1, 1, 1))
    assert (reverse.tau, reverse.low, reverse.high, reverse.spearman) == pytest.approx((-1, -1, -1, -1))
    group = np.zeros(len(values), dtype=np.int64)
    assert tau_within(own, own, group) == 1
    assert tau_within(own, -own, group) == -1


@settings(deadline=None)
@given(pairs=rankings)
def test_only_the_order_of_the_scores_counts(pairs: list[tuple[int, int]]) -> None:
    cheap, full = np.array(pairs, dtype=np.float64).T
    assert correlation(np.exp(cheap), full**3 + full, 100) == correlation(cheap, full, 100)
    groups = np.arange(len(pairs)) % 2
    assert tau_within(np.exp(cheap), full**3 + full, groups) == tau_within(cheap, full, groups)


def test_the_table_says_what_could_not_be_measured() -> None:
    own = rows(TABLE)
    tied = own[own["fidelity"] == "probe"].assign(fidelity="tied", value=0.5)
    two = own[(own["fidelity"] == "probe") & (own["run"] == "a")].assign(fidelity="two")
    shown = table(measured(pd.concat([own, tied, two])))
    cells = [list(column.cells) for column in shown.columns]
    assert cells[0] == ["probe", "tied", "two"]
    assert cells[1] == ["6", "6", "too few (2)"]
    assert str(cells[2][0]).startswith("0.87 (")
    assert cells[2][1:] == ["all tied", ""]
    assert [column[0] for column in cells[3:]] == ["0.67", "yes", "0.000", "10.0%"]
    apart = own[own["run"] == "a"]
    alone = pd.concat([apart, apart.assign(budget=apart["budget"] + 4)])
    assert list(table(measured(alone)).columns[3].cells) == ["no pairs"]
    assert "resamples had ties only" not in str(shown.caption)
    some = table(measured(rows(dict(list(TABLE.items())[:3]))))
    assert "probe: " in str(some.caption)
    assert "resamples had ties only and were skipped" in str(some.caption)


def stored(results: Path, own: pd.DataFrame, name: str = "mini") -> None:
    """A study with these rows."""
    folder = results / name
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(yaml.safe_dump({**MINI, "name": name}))
    store, names = Store(folder), [field.name for field in fields(Row)]
    for one, some in own.groupby("fidelity"):
        for (run, budget), of_run in some.groupby(["run", "budget"]):
            place = (str(run), int(str(budget)), str(one))
            parts = of_run[names].to_dict("records")
            store.write_part(*place, "all", [Row(**{str(key): value for key, value in part.items()}) for part in parts])
            store.finish(*place)


def test_the_command_measures_stored_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path, rows(TABLE))
    stored(tmp_path, rows({("a", 2): (0.9, 0.0), ("b", 2): (0.8, 0.1)}, study="other"), "other")
    assert fidelity.main(["mini", "other", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "cheap dev scores against full test scores" in printed
    assert "probe" in printed
    assert fidelity.main(["mini", "mini", "--results", str(tmp_path), "--format", "json", "--seed", "3"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["fidelity"], line["checkpoints"]) == ("probe", 6)
    assert line["agreement"]["correlation"]["tau"] == pytest.approx(13 / 15)
    assert line["agreement"]["top_1"] is True


def test_studies_with_full_scores_only_are_told_how_to_get_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = rows(TABLE)
    stored(tmp_path, own[own["fidelity"] == "full"])
    stored(tmp_path, own[:0], "empty")
    for names in (["mini"], ["empty"], ["mini", "empty"]):
        assert fidelity.main([*names, "--results", str(tmp_path)]) == 2
        assert capsys.readouterr().err == (
            f"error: scores of another fidelity than `full` must be stored, but {', '.join(names)} has none: "
            "`evaluation.also` in a spec lists fidelities that are scored beside the full one\n"
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "error: there is no study `none` in "),
        (["none", "--draws", "99"], "error: --draws must be at least 100, but got 99"),
        (["none", "--seed", "-1"], "error: --seed must be at least 0, but got -1"),
    ],
)
def test_wrong_input_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fidelity.main([*arguments, "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(said)

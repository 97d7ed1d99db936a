"""Published figures: their own means come out of them, and they are set beside the tasks of a study."""

import pytest

from study.evidence.published import group_of, mean_of, published, published_for
from trainers.tasks import gue

GUE_27 = [name for name in gue.TABLE if name != "virus/covid"]

# means of 27 tasks, as the paper prints them
MEANS = {
    "DNABERT, random, 120,000 steps (published)": 60.69,
    "DNABERT-2 (k-mer), 120,000 steps (published)": 61.12,
    "NT-500M-human (published)": 55.60,
    "DNABERT, genemask, 10,000 steps (published)": 62.34,
    "DNABERT, global, 10,000 steps (published)": 60.82,
    "DNABERT, cm-step, 10,000 steps (published)": 61.51,
    "DNABERT, cm-gems, 10,000 steps (published)": 63.09,
    "LOGO, genemask, 10,000 steps (published)": 53.09,
    "LOGO, global, 10,000 steps (published)": 53.08,
    "LOGO, cm-step, 10,000 steps (published)": 53.69,
    "LOGO, cm-gems, 10,000 steps (published)": 54.54,
    "DNABERT, cm-gems, 1,000 steps (published)": 59.63,
    "LOGO, cm-gems, 1,000 steps (published)": 56.48,
}


def test_the_figures_are_those_of_eighteen_models_on_27_tasks() -> None:
    rows = published()
    assert list(rows.columns) == ["source", "model", "masking", "steps", "task", "metric", "value"]
    assert len(rows) == 18 * 27
    assert set(rows["task"]) == set(GUE_27)
    assert set(rows["metric"]) == {"mcc_x100"}
    assert set(rows[rows["steps"].isna()]["model"]) == {"NT-500M-human"}
    assert set(rows[rows["masking"] == ""]["model"]) == {"NT-500M-human", "DNABERT-2 (BPE)", "DNABERT-2 (k-mer)"}
    assert not rows.drop(columns="steps").isna().any(axis=None)


def test_a_caller_may_change_what_it_was_given() -> None:
    rows = published()
    rows["value"] = 0.0
    assert published()["value"].gt(0).all()


def test_the_printed_means_follow_from_the_figures() -> None:
    lines = {line.label: line for line in published_for(gue.TABLE)}
    assert len(lines) == 18
    for label, mean in MEANS.items():
        assert round(100 * lines[label].mean, 2) == mean, label
        assert mean_of(lines[label].mcc, "all") == pytest.approx(lines[label].mean)


def test_means_are_over_all_tasks_of_a_group_or_there_is_none() -> None:
    scores = {name: 0.25 if gue.TABLE[name].organism == "human" else 0.75 for name in GUE_27}
    assert mean_of(scores, "human") == pytest.approx(0.25)
    assert mean_of(scores, "non_human") == pytest.approx(0.75)
    assert mean_of(scores, "all") == pytest.approx((12 * 0.25 + 15 * 0.75) / 27)
    assert mean_of({**scores, "virus/covid": -1.0, "own": -1.0}, "all") == mean_of(scores, "all")
    del scores["mouse/3"]
    assert mean_of(scores, "all") is None
    assert mean_of(scores, "non_human") is None
    assert mean_of(scores, "human") == pytest.approx(0.25)


def test_a_task_is_of_human_dna_or_not_or_in_neither() -> None:
    groups = {name: group_of(name) for name in GUE_27}
    assert sum(group == "human" for group in groups.values()) == 12
    assert sum(group == "non_human" for group in groups.values()) == 15
    assert (groups["tf/0"], groups["mouse/0"]) == ("human", "non_human")
    assert group_of("virus/covid") is None
    assert group_of("enhancers") is None


def test_models_are_set_beside_the_tasks_of_a_study_the_best_first() -> None:
    lines = published_for(["tf/0", "EMP/H3", "virus/covid", "promoters_ecoli"])
    (dnabert,) = [line for line in lines if line.label == "DNABERT, random, 120,000 steps (published)"]
    assert dnabert.source == "arXiv 2408.07180 Table 2"
    assert dnabert.mcc == {"tf/0": pytest.approx(0.6684), "EMP/H3": pytest.approx(0.7310)}
    assert dnabert.mean == pytest.approx((0.6684 + 0.7310) / 2)
    assert [line.mean for line in lines] == sorted((line.mean for line in lines), reverse=True)


def test_tasks_that_nobody_published_have_no_lines() -> None:
    assert published_for(["promoters_ecoli", "virus/covid"]) == []
    assert published_for([]) == []


def test_a_model_without_a_figure_for_a_task_is_not_set_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = published()
    lacking = rows[~((rows["model"] == "NT-500M-human") & (rows["task"] == "tf/0"))]
    monkeypatch.setattr("study.evidence.published._read", lambda: lacking)
    assert len(published_for(["tf/0", "tf/1"])) == 17
    assert len(published_for(["tf/1"])) == 18

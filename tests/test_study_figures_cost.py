"""Score against cost, on rows small enough to check by hand."""

from pathlib import Path

import pytest

from study.evidence.summary import Summary
from study.figures.cost import points, score_and_cost
from study.spec.study import RANDOM_INIT
from tests.trials import spec_of, summed, trial


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    """Dev scores choose `linear` at a rate of 0.01, whose score at 6 steps is above that of `constant`."""
    return summed(
        spec_of(tmp_path),
        trial("init-0", RANDOM_INIT, {0: 0.3}, role="control"),
        trial("constant-0", "constant", {2: 0.5, 6: 0.6}, {"learning_rate": 0.006}, role="control"),
        trial("constant-1", "constant", {2: 0.7, 6: 0.6}, {"learning_rate": 0.006}, role="control", seed=1),
        trial("linear-a", "linear", {2: 0.4, 6: 0.9}, {"learning_rate": 0.01}),
        trial("linear-b", "linear", {2: 0.95}, {"learning_rate": 0.1}),
    )


def test_a_point_is_a_mean_over_seeds_of_one_configuration_and_says_whether_dev_chose_it(summary: Summary) -> None:
    found = points(summary).set_index(["curriculum", "parameters", "budget"])
    constant = found.xs("constant").xs(2, level="budget").iloc[0]
    assert (constant["score"], constant["seeds"], constant["flops"]) == (pytest.approx(0.5), 2, 20.0)
    linear = found.xs("linear").reset_index()
    assert linear.sort_values("score")["score"].tolist() == pytest.approx([0.3, 0.8, 0.85])
    assert linear[~linear["chosen"]]["score"].tolist() == pytest.approx([0.85])  # cut early, whatever it scored


def test_the_front_joins_what_no_other_chosen_configuration_dominates(summary: Summary) -> None:
    """After 2 steps `constant` has 0.5 on test and `linear` 0.3; after 6, 0.5 and 0.8."""
    figure = score_and_cost(summary)
    assert figure is not None
    (front,) = [trace for trace in figure.data if trace.name == "nothing dominates"]
    assert (list(front.x), list(front.y)) == ([20.0, 60.0], pytest.approx([0.5, 0.8]))
    assert front.line.shape == "hv"
    assert [note.text for note in figure.layout.annotations] == ["constant", "linear"]
    (level,) = [trace for trace in figure.data if trace.name == RANDOM_INIT]
    assert list(level.y) == pytest.approx([0.2, 0.2])
    assert figure.layout.xaxis.type == "log"
    assert len(figure.layout.updatemenus) == 0  # FLOPs alone are known


def test_a_menu_chooses_among_the_costs_that_are_known_of_all(tmp_path: Path) -> None:
    """`linear` is dearer in hours and cheaper in FLOPs; GPU-hours are none, money is known of one."""
    costs = {"flops": 20.0, "worker_hours": 1.0, "gpu_hours": 0.0, "money": 3.0}
    others = {"flops": 10.0, "worker_hours": 2.0, "gpu_hours": 0.0}
    figure = score_and_cost(
        summed(
            spec_of(tmp_path),
            trial("constant-0", "constant", {6: 0.6}, costs=costs),
            trial("linear-0", "linear", {6: 0.7}, costs=others),
        )
    )
    assert figure is not None
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["cost: model FLOPs", "cost: worker-hours"]
    shown, layout = menu.buttons[1].args
    assert layout["xaxis.title.text"] == "worker-hours of one pretraining"
    fronts = [trace for trace in figure.data if trace.name == "nothing dominates"]
    assert [list(front.x) for front in fronts] == [[10.0], [1.0, 2.0]]
    assert [trace.visible for trace in figure.data] == [not is_shown for is_shown in shown["visible"]]


def test_without_a_known_cost_there_is_no_picture(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert score_and_cost(summed(spec, trial("constant-0", "constant", {6: 0.6}, costs={}))) is None
    assert score_and_cost(summed(spec, trial("init-0", RANDOM_INIT, {0: 0.3}, role="control"))) is None

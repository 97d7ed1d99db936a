"""Every picture of a report: which there are, and that a browser draws them on a wide and on a narrow page."""

from pathlib import Path

import pandas as pd
import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from study.evidence.summary import Summary
from study.figures.pictures import FOLDER, pictures, write
from study.report import html
from tests.test_study_figures_searches import CURRICULA, many
from tests.test_study_figures_task_map import EVALUATION, NAMES
from tests.trials import TASK, spec_of, summed, trial

SPEED = {"mfu": 0.2, "tokens_per_second": 100.0, "train_seconds": 6.0, "seconds_forward": 2.0}
COSTS = {"flops": 60.0, "worker_hours": 2.0, "validation_loss": 1.0, **SPEED}


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    """A search of 12 trials, and two curricula on three tasks."""
    spec = spec_of(tmp_path, curricula=CURRICULA, evaluation=EVALUATION)
    constant = trial("constant-0", "constant", {6: 0.6}, {"learning_rate": 0.006}, costs=COSTS, tasks=NAMES)
    best = {"learning_rate": 0.01, "start": 0.3, "end": 0.15, "span": 1}
    linear = trial("linear-99", "linear", {6: 0.9}, best, costs=COSTS, tasks=NAMES)
    searched = pd.concat(many(12)).replace({"task": {TASK: NAMES[0]}})
    hours = searched[searched["metric"] == "flops"].assign(metric="worker_hours")
    return summed(spec, constant, linear, searched, hours)


EVERY = {
    "scores",
    "schedules",
    "losses",
    "time",
    "costs",
    "tasks",
    "importances",
    "search",
    "search of linear",
    "ranks",
    "profiles",
}


def test_there_is_every_picture_that_has_something_to_show(summary: Summary, tmp_path: Path) -> None:
    assert set(pictures(summary)) == EVERY
    page = html.write(summary, tmp_path).read_text()
    assert page.count('class="plotly-graph-div"') == len(EVERY)
    for heading in ("Score against cost", "What the search tried", "Which of the searched numbers mattered"):
        assert f"<h2>{heading}</h2>" in page
    assert "<h3>linear</h3>" in page


def test_each_is_a_page_of_its_own_for_mlflow_and_old_ones_go(summary: Summary, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "search_of_step.html").write_text("of an earlier report")
    drawn = pictures(summary)
    assert write(drawn, tmp_path) == tmp_path / "figures"
    pages = {page.stem: page.read_text() for page in (tmp_path / FOLDER).iterdir()}
    assert set(pages) == {name.replace(" ", "_") for name in EVERY}
    assert '"title":{"text":"pretraining steps"}' in pages["scores"]
    assert max(len(text) for text in pages.values()) < 200_000  # plotly's own code is not in there


def test_pictures_without_anything_to_show_are_left_out_with_their_words(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    bare = summed(spec, trial("constant-0", "constant", {6: 0.6}, costs={}))
    assert set(pictures(bare)) == {"scores", "schedules", "losses", "time"}
    page = html.write(bare, tmp_path).read_text()
    for words in ("Score against cost", "What the search tried", "numbers mattered", "Each curriculum less"):
        assert words not in page


def shown(chrome: Chrome) -> int:
    """Return how many pictures have something in them."""
    counted = (
        "return [...document.querySelectorAll('.js-plotly-plot')].filter(p => p.querySelector('.trace, .hm')).length"
    )
    return int(chrome.execute_script(counted))


def click(chrome: Chrome, path: str) -> None:
    found = WebDriverWait(chrome, 10).until(lambda page: page.find_elements(By.XPATH, path))[-1]
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    ActionChains(chrome).move_to_element(found).click().perform()


@pytest.mark.parametrize("width", [1200, 420])
def test_a_browser_draws_every_picture_and_the_menu_changes_the_cost(
    summary: Summary, tmp_path: Path, chrome: Chrome, width: int
) -> None:
    chrome.set_window_size(width, 1000)
    chrome.get(html.write(summary, tmp_path).as_uri())
    WebDriverWait(chrome, 30).until(lambda page: shown(page) == len(EVERY))
    assert chrome.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    for words in ("cost: model FLOPs", "cost: worker-hours"):
        click(chrome, f"//*[local-name()='text' and normalize-space(.)='{words}']")
    title = "//*[local-name()='text' and normalize-space(.)='worker-hours of one pretraining']"
    WebDriverWait(chrome, 10).until(lambda page: page.find_elements(By.XPATH, title))
    assert [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"] == []

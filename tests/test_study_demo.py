"""The demo as a newcomer runs it: one whole study, and then everything that it promises."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from study.spec.study import RANDOM_INIT
from study.store import Store
from tests.browser import free_port, wait_until_served
from tests.studies import ROOT, StudyProcess

pytestmark = pytest.mark.timeout(900)


class Demo:
    """The finished demo: its folder, what it printed and its rows."""

    def __init__(self, results: Path, printed: str) -> None:
        self.results, self.printed = results, printed
        self.folder = results / "demo"
        self.rows = Store(self.folder).rows()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    results = tmp_path_factory.mktemp("results")
    with StudyProcess(results / "demo.out", "--results", str(results)) as study:
        assert study.wait(limit_s=600) == 0, study.text()
        assert study.survivors() == []
    return Demo(results, study.text())


def test_it_has_the_promised_trials_curricula_budgets_and_seeds(demo: Demo) -> None:
    pretrained = demo.rows[(demo.rows["curriculum"] != RANDOM_INIT) & (demo.rows["role"] != "baseline")]
    assert len(set(demo.rows["run"])) >= 6
    assert set(pretrained["curriculum"]) == {"constant", "linear", "step", "pmi_threshold"}
    assert set(pretrained["budget"]) == {100, 200, 400}
    assert set(demo.rows[demo.rows["curriculum"] == RANDOM_INIT]["seed"]) == {0, 1}
    assert set(demo.rows[demo.rows["curriculum"] == "constant"]["seed"]) == {0, 1}
    assert set(demo.rows[demo.rows["role"] == "baseline"]["curriculum"]) == {"kmer_counts", "cnn"}
    seeds = pretrained[pretrained["budget"] == 400].groupby(["curriculum", "parameters"])["seed"].nunique()
    assert seeds.max() == 2


def test_every_trial_trained_on_two_ddp_workers(demo: Demo) -> None:
    assert set(demo.rows[demo.rows["metric"] == "workers"]["value"]) == {2.0}
    groups = re.findall(r"\(2 DDP workers over gloo, processes (\d+), (\d+)\)", demo.printed)
    scored = demo.rows[demo.rows["role"] != "baseline"]  # which reads letters, and needs no group
    assert len(groups) == len(set(zip(scored["run"], scored["budget"], strict=True)))
    assert all(first != second for first, second in groups)


def test_a_group_serves_one_trial_after_the_other(demo: Demo) -> None:
    lines = re.findall(r"^(\S+) at \d+ steps: .* processes ([\d, ]+)\)", demo.printed, re.MULTILINE)
    reports = pd.DataFrame(lines, columns=["run", "processes"])
    assert set(reports.groupby("run")["processes"].nunique()) == {1}
    assert reports["processes"].nunique() <= 3  # controls, search and repetitions; each has some trials


def test_pretraining_learns_far_more_than_kmer_frequencies(demo: Demo) -> None:
    guess = json.loads((demo.folder / "provenance.json").read_text())["unigram_loss"]
    losses = demo.rows[(demo.rows["metric"] == "validation_loss") & (demo.rows["budget"] == 400)]["value"]
    assert losses.min() < 0.8 * guess
    assert f"guessing from token frequencies alone gives {guess:.2f}" in demo.printed


def test_it_says_what_pretraining_did_and_claims_nothing_about_curricula(demo: Demo) -> None:
    assert re.search(r"`\w+` at 400 steps against `random_init`: [+-]0\.\d+ MCC, from too little to tell", demo.printed)
    assert re.search(r"It cannot be said that `\w+` at 400 steps helps|No claim is made", demo.printed)


def test_it_shows_progress_time_left_and_where_everything_is(demo: Demo) -> None:
    assert re.search(r"done; 3 of \d+ trials done, about .* left", demo.printed)
    for path in re.findall(rf"{demo.folder}\S*", demo.printed):
        assert Path(path).exists(), path
    assert f"mlflow ui --backend-store-uri 'sqlite:///{demo.results}/mlflow.db' --host 127.0.0.1" in demo.printed
    assert (demo.folder / "study.log").read_text().count(" starts (") == len(set(demo.rows["run"]))


def test_mlflow_has_one_parent_and_a_child_a_run_with_the_budget_as_step(demo: Demo) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{demo.results}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("curriculum-study").experiment_id])
    (parent,) = [run for run in runs if run.data.tags["study.kind"] == "study"]
    children = [run for run in runs if run.data.tags["study.kind"] == "trial"]
    assert {run.data.tags["study.run"] for run in children} == set(demo.rows["run"])
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert parent.data.tags["best_curriculum"] in set(demo.rows["curriculum"])
    assert "claim." in "".join(parent.data.tags)
    assert any(name.startswith("verdict/constant over ") for name in parent.data.metrics)
    for run in children:
        own = demo.rows[demo.rows["run"] == run.data.tags["study.run"]]
        test = own[(own["metric"] == "mcc") & (own["split"] == "test")].groupby("budget")["value"].mean()
        logged = {entry.step: entry.value for entry in client.get_metric_history(run.info.run_id, "score/test")}
        assert logged == pytest.approx(test.to_dict())
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"spec.yaml", "provenance.json", "report.html", "figures"}
    pages = {file.path for file in client.list_artifacts(parent.info.run_id, "figures")}
    assert {f"figures/{name}.html" for name in ("scores", "costs", "schedules", "losses", "time", "search")} <= pages


def test_resuming_a_finished_study_runs_nothing_again(demo: Demo) -> None:
    arguments = ("--resume", "demo", "--results", str(demo.results))
    with StudyProcess(demo.results / "again.out", *arguments) as study:
        assert study.wait() == 0, study.text()
    assert " starts (" not in study.text()
    pd.testing.assert_frame_equal(Store(demo.folder).rows(), demo.rows)


@pytest.mark.parametrize("width", [1400, 420])
def test_the_report_draws_every_figure_without_an_error(demo: Demo, chrome: Chrome, width: int) -> None:
    chrome.set_window_size(width, 1000)
    chrome.get((demo.folder / "report.html").as_uri())
    WebDriverWait(chrome, 30).until(lambda page: len(page.find_elements(By.CSS_SELECTOR, ".js-plotly-plot .trace")) > 8)
    drawn = len(chrome.find_elements(By.CSS_SELECTOR, ".js-plotly-plot"))
    assert drawn == (demo.folder / "report.html").read_text().count('class="plotly-graph-div"') >= 6
    text = chrome.find_element(By.TAG_NAME, "body").text
    for expected in (
        "What this study shows",
        "Score against cost",
        "What the search tried",
        "Schedules",
        "pmi_threshold",
        "random_init",
        "validation loss",
    ):
        assert expected in text
    assert [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"] == []
    page_width = chrome.execute_script("return document.documentElement.scrollWidth")
    assert page_width <= chrome.execute_script("return window.innerWidth")


@pytest.fixture
def mlflow_ui(demo: Demo) -> Iterator[str]:
    """Start MLflow with the line that the study printed, on a free port."""
    port = free_port()
    line = re.search(r"mlflow ui .*", demo.printed)
    assert line
    command = line.group().replace("'", "").replace("--port 5000", f"--port {port}").split()
    with (demo.results / "mlflow-ui.out").open("w") as sink:
        server = subprocess.Popen(
            [str(Path(sys.executable).parent / command[0]), *command[1:], "--workers", "1"],
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        wait_until_served(port, limit_s=90)
        yield f"http://127.0.0.1:{port}"
    finally:
        import os
        import signal

        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def click(chrome: Chrome, path: str) -> None:
    WebDriverWait(chrome, 60).until(lambda page: page.find_elements(By.XPATH, path))[0].click()


def test_the_address_of_the_comparison_and_two_clicks_draw_a_line_a_curriculum(
    demo: Demo, chrome: Chrome, mlflow_ui: str
) -> None:
    address = re.search(r"^comparison +http://127.0.0.1:5000(\S+)", demo.printed, re.MULTILINE)
    assert address
    chrome.set_window_size(1500, 1100)
    chrome.get(mlflow_ui + address.group(1))
    click(chrome, "//button[contains(., 'Group by')]")
    click(chrome, "//*[starts-with(@role, 'menuitem') and normalize-space()='curriculum']")
    curricula = set(demo.rows["curriculum"])

    def listed(page: Chrome) -> bool:
        text = page.find_element(By.TAG_NAME, "body").text
        return all(f"Group: {name}" in text for name in curricula)

    WebDriverWait(chrome, 60).until(listed)
    lines = "//*[contains(@class,'js-plotly-plot')]//*[contains(@class,'scatterlayer')]/*[contains(@class,'trace')]"
    WebDriverWait(chrome, 60).until(lambda page: len(page.find_elements(By.XPATH, lines)) >= len(curricula))
    titles = chrome.find_elements(By.XPATH, "//*[starts-with(text(), 'score/')]")
    assert [title.text for title in titles[:2]] == ["score/dev", "score/test"]
    assert titles[0].location["y"] < 500, "the charts of the scores are the first"
    chrome.save_screenshot(str(demo.results / "mlflow.png"))


def test_mlflow_lists_the_best_model_of_the_study(demo: Demo, chrome: Chrome, mlflow_ui: str) -> None:
    chrome.get(f"{mlflow_ui}/#/experiments/1/models")
    WebDriverWait(chrome, 60).until(lambda page: "READY" in page.find_element(By.TAG_NAME, "body").text.upper())
    assert (demo.folder / "model" / "model.safetensors").exists()

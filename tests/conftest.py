"""What several test files share."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from selenium.webdriver import Chrome
from xdist.scheduler import LoadScopeScheduling

from curricula import InputError, registry
from tests.browser import chromium
from tests.runs import DATA
from trainers import data, embedded
from trainers.genome.corpus import Corpus
from trainers.masking.difficulty import Difficulty

hypothesis.settings.register_profile("study", deadline=None, max_examples=50, derandomize=True, database=None)
hypothesis.settings.load_profile("study")
torch.set_num_threads(1)
CONTRACT = "test_curricula_contract.py"
_ONE_STUDY = (  # with the rest: both workers end at about one time
    "test_study_data.py",
    "test_study_drained.py",
    "test_study_elastic.py",
    "test_study_mlflow_servers.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--curriculum",
        metavar="NAME",
        help="run the contract tests alone, on this curriculum alone: a registered name, or package.module:Class",
    )


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("--curriculum")
    if name is None:
        return
    try:
        registry.get(registry.introduce(name) if ":" in name else name)
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare a plug-in's author the import of every other test file."""
    is_other = collection_path.suffix == ".py" and collection_path.name != CONTRACT
    return True if is_other and config.getoption("--curriculum") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--curriculum"):
        items.sort(key=lambda item: _scope(str(item.path)) != "studies")  # they take longest
        return
    kept = [item for item in items if item.path.name == CONTRACT]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@functools.cache
def _scope(file: str) -> str:
    """Return what one worker of the suite runs alone: all whole studies, which have workers of their own; or a file."""
    is_studies = "StudyProcess" in Path(file).read_text() and Path(file).name not in _ONE_STUDY
    return "studies" if is_studies else file


class _StudiesTogether(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return _scope(str(self.config.rootpath / nodeid.partition("::")[0]))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let one worker run the whole studies and the other the rest beside them: studies wait much of their time."""
    return _StudiesTogether(config, log)


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep copies and prepared genomes out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURRICULUM_STUDY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared(repository: Path) -> Path:
    """Give the folder of originals beside the repository; only some machines have it."""
    folder = repository.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"{folder}/data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def genome() -> Corpus:
    return embedded.genome()


@pytest.fixture(scope="session")
def difficulty_6(genome: Corpus) -> Difficulty:
    return Difficulty.of(genome, k=6)


@pytest.fixture
def chrome(browser: Chrome) -> Iterator[Chrome]:
    """Give the browser; its page goes with the test, or it would go on drawing or asking a server that is gone."""
    browser.get_log("browser")  # what is read is forgotten
    yield browser
    browser.get("about:blank")


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """Give a headless browser; only machines with Chromium and its driver have it."""
    with contextlib.ExitStack() as stack:
        try:
            page = stack.enter_context(chromium())
        except FileNotFoundError as error:
            pytest.skip(str(error))
        yield page


@pytest.fixture(scope="session")
def prepared(genome: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with corpus and difficulty table of the embedded genome, as workers load them."""
    folder = tmp_path_factory.mktemp("prepared")
    data.prepare(genome, DATA, folder)
    return folder

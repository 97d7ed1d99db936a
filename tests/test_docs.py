"""The tutorials do what they say: every block is typed in as it stands, in a copy of this project.

A block whose first line is a comment with a path is that file. What `bash` and `python` blocks print must be as the
`text` block after them says: `...` stands for anything, and numbers with a decimal point, which differ a little between
machines, may differ by 0.25. `bash gpu` and `bash internet` are not run: the plan of each study must be one, and other
commands must understand their options.
"""

import contextlib
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from study.report import __main__ as report
from tests.studies import ROOT
from trainers.prepare import __main__ as prepare

DOCS = ROOT / "docs"
TUTORIALS = sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "README")
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = "chromosome_20"
PLACES = "## Where everything is"
NUMBER = r"[+-]?\d+\.\d+"
NEAR = 0.25
LIMIT_S = 500
CELLS = """
import sys
names = {"__name__": "__main__"}
while length := sys.stdin.readline():
    exec(sys.stdin.read(int(length)), names)
    print(end="\\0", flush=True)
"""  # a notebook: one cell after the other, in one process

pytestmark = pytest.mark.timeout(900)


class Reader:
    """Somebody who types in one tutorial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")}
        path = f"{Path(sys.executable).parent}:{own['PATH']}"
        self._environment = {**own, "PATH": path, "PYTHONPATH": str(folder), "COLUMNS": "120"}
        self._notebook: subprocess.Popen[str] | None = None

    def does(self, language: str, mark: str, text: str) -> str:
        """Type in one block and return what it prints."""
        if file := re.match(r"# (\S+\.\w+)\n", text):
            (self.folder / file.group(1)).write_text(text[file.end() :])
            return ""
        if language == "python":
            return self._cell(text)
        assert language == "bash", f"what is a {language} block?"
        if mark in ("gpu", "internet"):
            return "".join(map(self._planned, text.replace("\\\n", " ").splitlines()))
        return self._typed(text)

    def _start(self, *command: str) -> "subprocess.Popen[str]":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(
            command, cwd=self.folder, env=self._environment, text=True, start_new_session=True, **pipes
        )

    def _typed(self, text: str) -> str:
        process = self._start("bash", "-euo", "pipefail", "-c", text)
        try:
            printed, _ = process.communicate(timeout=LIMIT_S)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == (2 if "\nerror: " in f"\n{printed}" else 0), printed
        return printed

    def _planned(self, line: str) -> str:
        words = shlex.split(line, comments=True)
        if words[:3] == ["python", "-m", "trainers.prepare"]:
            prepare._parser().parse_args(words[3:])
        elif words:
            assert words[:3] == ["python", "-m", "study.run"], line
            printed = self._typed(f"{shlex.join(words)} --dry-run --device H100")
            assert "what it will take" in printed, printed
        return ""

    def _cell(self, text: str) -> str:
        if self._notebook is None:
            self._notebook = self._start(sys.executable, "-c", CELLS)
        assert self._notebook.stdin
        assert self._notebook.stdout
        self._notebook.stdin.write(f"{len(text)}\n{text}")
        self._notebook.stdin.flush()
        printed = "".join(iter(lambda: self._notebook.stdout.read(1).rstrip("\0"), ""))
        assert self._notebook.poll() is None, printed
        return printed

    def close(self) -> None:
        if self._notebook is not None:
            self._notebook.kill()
            self._notebook.communicate()


def is_as_shown(shown: str, printed: str) -> bool:
    def pattern(part: str) -> str:
        if part == "...":
            return ".*?"
        if part.isspace():
            return r"\s+"
        return f"({NUMBER})" if re.fullmatch(NUMBER, part) else re.escape(part)

    parts = re.split(rf"(\.\.\.|{NUMBER}|\s+)", shown.strip())
    numbers = [float(part) for part in parts if re.fullmatch(NUMBER, part)]
    found = re.fullmatch("".join(map(pattern, parts)), printed.strip(), re.DOTALL)
    return found is not None and all(
        abs(number - float(other)) <= NEAR for number, other in zip(numbers, found.groups(), strict=True)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("curricula", "trainers", "study", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def done(folder: Path) -> Callable[[str], None]:
    """Do a tutorial, once, after the one that it says it comes after."""

    @functools.cache
    def do(name: str) -> None:
        text = (DOCS / f"{name}.md").read_text()
        for earlier in re.findall(r"^Comes after \[[^]]+\]\((\w+)\.md\)", text, re.MULTILINE):
            do(earlier)
        printed = ""
        with contextlib.closing(Reader(folder)) as reader:
            for block in BLOCK.finditer(text):
                language, mark, content = block.groups()
                if language == "text":
                    assert is_as_shown(content, printed), f"{name}.md shows:\n{content}\nbut there was:\n{printed}"
                else:
                    printed = reader.does(language, mark.strip(), content)

    return do


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_does_what_it_says(name: str, done: Callable[[str], None]) -> None:
    done(name)


def test_every_tutorial_is_in_the_index_and_every_link_leads_somewhere() -> None:
    for path in DOCS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (DOCS / link).exists(), f"{path.name}: {link}"
    index = (DOCS / "README.md").read_text()
    assert sorted(re.findall(r"\]\((\w+)\.md\)", index)) == TUTORIALS


def test_the_report_of_our_own_study_is_what_its_rows_give(tmp_path: Path) -> None:
    shutil.copytree(DOCS / EXAMPLE, tmp_path / EXAMPLE)
    shown = (DOCS / EXAMPLE / "report.md").read_text()
    assert report.main([EXAMPLE, "--results", str(tmp_path), "--format", "md"]) == 0
    again = (tmp_path / EXAMPLE / "report.md").read_text()
    assert again.partition(PLACES)[0] == shown.partition(PLACES)[0]
    assert PLACES in shown
    assert (DOCS / EXAMPLE / "report.pdf").read_bytes().startswith(b"%PDF")


def test_numbers_may_differ_a_little_and_words_not() -> None:
    assert is_as_shown("a  0.50 b\n...", "a 0.71 b\nc 3")
    assert is_as_shown("`a`: -0.1 (...)", "`a`: +0.10 (8.25 s)")
    assert not is_as_shown("a 0.50 b", "a 0.76 b")
    assert not is_as_shown("a 0.50 b", "a 0.50 c")
    assert not is_as_shown("7 steps", "8 steps")

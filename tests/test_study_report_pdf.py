"""Reports on paper: printed by a real browser, with nothing cut off."""

import os
import re
import stat
from pathlib import Path

import pytest
from pypdf import PdfReader
from selenium.webdriver import Chrome

from study.report import __main__ as command
from study.report import pdf
from tests.filled import filled

pytestmark = pytest.mark.usefixtures("browser")  # where there is none, these skip and say so


def text_of(pdf: Path) -> str:
    return " ".join("\n".join(page.extract_text() for page in PdfReader(pdf).pages).split())


def test_a_report_is_printed_with_its_words_tables_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path)
    assert command.main(["mini", "--results", str(tmp_path), "--format", "pdf"]) == 0
    pdf = tmp_path / "mini" / "report.pdf"
    assert capsys.readouterr().out == f"{pdf}\n"
    text = text_of(pdf)
    assert "What this study shows" in text
    assert "pretraining steps" in text  # below a picture
    assert "adjusted (Holm)" in text
    assert "Every trial" not in text  # what is folded up on the screen stays out
    assert {tuple(map(round, page.mediabox[2:])) for page in PdfReader(pdf).pages} == {(595, 842)}  # A4, in points


def test_a_leaderboard_is_printed(tmp_path: Path) -> None:
    filled(tmp_path)
    assert command.main(["--all", "--results", str(tmp_path), "--format", "pdf"]) == 0
    assert "promoters_ecoli: MCC" in text_of(tmp_path / "leaderboard.pdf")


def test_rows_without_a_spec_are_printed(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "mini" / "spec.yaml").write_text("name: mini\n")
    assert command.main(["mini", "--results", str(tmp_path), "--format", "pdf"]) == 0
    assert "there is no verdict" in text_of(tmp_path / "mini" / "report.pdf")


def test_pictures_are_drawn_for_the_paper_and_for_the_screen_again(tmp_path: Path, chrome: Chrome) -> None:
    filled(tmp_path)
    assert command.main(["mini", "--results", str(tmp_path)]) == 0
    chrome.set_window_size(1400, 1000)
    chrome.get((tmp_path / "mini" / "report.html").as_uri())

    def widths() -> set[int]:
        found = chrome.execute_script("return [...document.querySelectorAll('.main-svg')].map(one => one.clientWidth)")
        return {round(width) for width in found}

    screen = widths()
    chrome.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert widths() == {680}
    chrome.execute_script("dispatchEvent(new Event('afterprint'))")
    assert widths() == screen != {680}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "cannot be started: "),
        ("echo out of paper >&2; exit 3", "could not print .*report.html: out of paper"),
        ("exit 3", "could not print .*report.html: exit status 3"),
        ("exit 0", "could not print .*report.html: exit status 0"),
        ("sleep 60", "did not print .*report.html within 1 s"),
    ],
)
def test_a_browser_at_fault_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    script: str | None,
    said: str,
) -> None:
    program = tmp_path / "broken"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(pdf.BROWSER, str(program))
    monkeypatch.setattr(pdf, "_LIMIT_S", 1 if script == "sleep 60" else 30)
    filled(tmp_path)
    assert command.main(["mini", "--results", str(tmp_path), "--format", "pdf"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(f"error: {program} {said}", error)
    assert not (tmp_path / "mini" / "report.pdf").exists()


def test_where_there_is_no_browser_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.delenv(pdf.BROWSER, raising=False)
    filled(tmp_path)
    assert command.main(["mini", "--results", str(tmp_path), "--format", "pdf"]) == 2
    assert "none of chromium, " in capsys.readouterr().err

"""Prints a page as PDF with the Chromium or Chrome of this machine: on paper as in a browser's own print dialogue."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from curricula import InputError
from trainers.files import replacing

BROWSER = "BROWSER_FOR_PDF"  # an environment variable: the program, where it has another name or place
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_LIMIT_S = 180


def printed(page: Path) -> Path:
    """Print a page beside itself; return the path of the PDF.

    Args:
        page: An HTML file that needs no network.

    Raises:
        InputError: there is no browser, or it could not print the page.
    """
    browser, pdf = _browser(), page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile, replacing(pdf) as temporary:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            f"--user-data-dir={profile}",  # one that is open would take the page over, and nothing would be printed
            "--no-pdf-header-footer",
            f"--print-to-pdf={temporary}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium's sandbox refuses to run as root
            page.resolve().as_uri(),
        ]
        try:
            ended = subprocess.run(command, check=False, capture_output=True, errors="replace", timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise InputError(f"{browser} did not print {page} within {_LIMIT_S} s") from None
        except OSError as error:
            raise InputError(f"{browser} cannot be started: {error}") from None
        if ended.returncode or not temporary.exists():
            said = ended.stderr.strip().splitlines()[-1:] or [f"exit status {ended.returncode}"]
            raise InputError(f"{browser} could not print {page}: {said[0]}")
    return pdf


def _browser() -> str:
    """Return the program that prints."""
    named = os.environ.get(BROWSER)
    if named is not None:
        return named
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None:
        raise InputError(
            f"a PDF is printed by Chromium or Chrome, but none of {', '.join(_NAMES)} is there; {BROWSER} can name it, "
            "or print the page from any browser"
        )
    return found

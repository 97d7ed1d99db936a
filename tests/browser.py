"""What tests that look at pages share."""

import contextlib
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def chromium() -> Iterator[Chrome]:
    """Start a browser without a window, which asks nobody outside for anything.

    Raises:
        FileNotFoundError: Chromium or its driver is missing.
    """
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        raise FileNotFoundError("chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = program
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    page = Chrome(options=options, service=Service(driver))
    try:
        yield page
    finally:
        page.quit()


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_served(port: int, limit_s: float) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + limit_s
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until, f"nothing answered on port {port} in {limit_s} s"
            time.sleep(0.3)

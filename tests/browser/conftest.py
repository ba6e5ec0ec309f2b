"""Chromium, driven through Playwright's Python client, and MLflow's UI to look at."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
TIMEOUT_MS = 60_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)  # by itself 5 s, which MLflow's first page may take
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of 1440 x 900; a request that leaves the machine fails the test."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    hosts: set[str] = set()
    opened.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
    opened.set_default_timeout(TIMEOUT_MS)
    yield opened
    opened.close()
    assert hosts - {""} <= {"127.0.0.1"}, f"requests left the machine: {hosts}"


@contextlib.contextmanager
def serving(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A server that was started as a process group, ended as Ctrl-C ends it."""
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where the pictures go: HARNESS_TEST_SCREENSHOTS, else the test's own folder."""
    folder = Path(os.environ.get("HARNESS_TEST_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder

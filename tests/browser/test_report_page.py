"""The report in a real browser: sorting, filtering, plots, colours and keys, desk and phone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import TIMEOUT_MS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@contextlib.contextmanager
def shown(browser: Browser, file: Path, width: int, height: int) -> Iterator[Page]:
    """The page, drawn; a request or an error in it fails the test."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(file.as_uri())
    expect(page.locator("html")).to_have_attribute("data-plots", "drawn")
    yield page
    page.close()
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:"))] == []
    assert errors == []


@pytest.fixture(scope="module")
def opened(browser: Browser, reported) -> Iterator[Page]:
    with shown(browser, reported.folder / "sweep-report.html", 1440, 900) as page:
        yield page


def names(page: Page, table: str) -> list[str]:
    return page.locator(f"#{table} tbody tr:visible th").all_inner_texts()


def check_first_screen(page: Page, screenshots: Path) -> None:
    """The first screen tells who won, by how much, and how sure that is."""
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    page.evaluate("window.scrollTo(0, 0)")
    card = page.locator(".card").first
    box = card.bounding_box()
    assert box["y"] + box["height"] <= height
    text = card.inner_text()
    assert all(words in text for words in ("By how much", "How sure", "95 % interval"))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.screenshot(path=screenshots / f"report-{width}.png")
    page.screenshot(path=screenshots / f"report-{width}-whole.png", full_page=True)


def test_the_first_screen_tells_who_won_by_how_much_and_how_sure_that_is(
    opened: Page, screenshots: Path
):
    check_first_screen(opened, screenshots)


def test_the_first_screen_of_a_phone_does_too(browser: Browser, reported, screenshots: Path):
    with shown(browser, reported.folder / "sweep-report.html", 390, 844) as page:
        check_first_screen(page, screenshots)


def test_every_plot_is_drawn(opened: Page):
    plots = opened.locator(".plot")
    assert plots.count() == 5
    for i in range(plots.count()):
        expect(plots.nth(i).locator(".scatterlayer .trace").first).to_be_attached()
    assert opened.locator("[data-plot=best-curves] .fills path").count() >= 3


def test_a_header_sorts_both_ways_and_what_is_missing_stays_last(opened: Page):
    header = opened.locator("#comparison-table thead th").filter(has_text=re.compile("^final"))
    shown = names(opened, "comparison-table")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert names(opened, "comparison-table") == shown
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert names(opened, "comparison-table") == [*shown[-2::-1], shown[-1]]
    assert shown[-1] == "sgd/lr=1000000.0"


def test_the_keyboard_sorts_too(opened: Page):
    button = opened.locator("#comparison-table thead button").first
    opened.locator("#comparison-table input").focus()
    opened.keyboard.press("Tab")  # the region that scrolls
    opened.keyboard.press("Tab")
    expect(button).to_be_focused()
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    opened.keyboard.press("Enter")
    shown = names(opened, "comparison-table")
    assert shown == sorted(shown)


def test_the_skip_link_is_the_first_to_be_reached(opened: Page):
    opened.evaluate("document.body.tabIndex = -1; document.body.focus(); window.scrollTo(0, 0)")
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    first = opened.locator("a, button, input").first
    assert first.get_attribute("class") == "skip"


def test_words_filter_rows_and_the_count_is_told(opened: Page):
    box = opened.locator("#runs-table")
    box.locator("input").fill("sgd diverged")
    expect(box.locator("output")).to_have_text("3 of 19 rows")
    assert len(names(opened, "runs-table")) == 3
    box.locator("input").fill("")
    expect(box.locator("output")).to_have_text("19 rows")


def test_axes_are_logarithmic_until_their_button_is_pressed(opened: Page):
    figure = opened.locator("#curves figure")
    button = figure.get_by_role("button", name="log y")
    kind = "document.querySelector('[data-plot=curves]')._fullLayout.yaxis.type"
    assert opened.evaluate(kind) == "log"
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert opened.evaluate(kind) == "linear"
    button.press("Enter")
    assert opened.evaluate(kind) == "log"


def test_dark_follows_the_system_and_then_the_button(opened: Page):
    background = "getComputedStyle(document.body).backgroundColor"
    tick = opened.locator(".plot .xtick text").first
    light = opened.evaluate(background)
    opened.emulate_media(color_scheme="dark")
    expect(tick).to_have_css("fill", "rgb(232, 235, 238)")
    dark = opened.evaluate(background)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 26)")
    opened.locator("#theme").click()
    assert opened.evaluate(background) == light
    opened.emulate_media(color_scheme="light")
    opened.locator("#theme").click()
    assert opened.evaluate(background) == dark
    opened.locator("#theme").click()


def test_runs_lead_to_their_pages_in_mlflow(opened: Page):
    link = opened.locator("#runs-table tbody a").first.get_attribute("href")
    assert re.fullmatch(r"http://127\.0\.0\.1:5000/#/experiments/\d+/runs/[0-9a-f]{32}", link)


def test_paper_gets_whole_tables_and_no_buttons(opened: Page):
    opened.emulate_media(media="print")
    assert not opened.locator("#theme").is_visible()
    assert (
        opened.evaluate("getComputedStyle(document.querySelector('#runs-table .scroll')).overflow")
        == "visible"
    )
    opened.emulate_media(media="screen")

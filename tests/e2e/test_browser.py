"""A customer in a real browser: Debian's Chromium on the built pages, and not one request leaves the machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.fixtures_product import QUESTION, REFUND, Product

pytestmark = [pytest.mark.slow, pytest.mark.real]

PHONE = {"width": 375, "height": 667}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BUILT = Path(__file__).parents[2] / "webform" / "out" / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no browser: apt-get install chromium")
    if not BUILT.is_file():
        pytest.skip("the pages are not built: make web")
    with sync_playwright() as playwright:
        # Root's Chromium cannot make its sandbox.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    """An empty tab; in the end nothing has left the machine and no script has failed."""
    context = browser.new_context(base_url=product.base, viewport={"width": 1280, "height": 900}, locale="en-GB")
    requested: list[str] = []
    failed: list[str] = []
    context.on("request", lambda request: requested.append(request.url))
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.on("pageerror", lambda error: failed.append(str(error)))
    opened.on("console", lambda line: failed.append(line.text) if "Content Security Policy" in line.text else None)
    yield opened
    context.close()
    assert {urlsplit(url).hostname for url in requested} == {"127.0.0.1"}
    assert failed == []


@pytest.fixture
def shot(page: Page, request: pytest.FixtureRequest, tmp_path: Path):
    """Saves the page as a picture, under FTE_TEST_SCREENSHOTS if that is set."""
    folder = Path(os.environ.get("FTE_TEST_SCREENSHOTS", tmp_path))

    def save(name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{request.node.name.removeprefix('test_')[:40]}-{name}.png", full_page=True)

    return save


def fill(page: Page, message: str, subject: str) -> None:
    page.fill("#name", "Ada Osei")
    page.fill("#email", "ada@example.org")
    page.select_option("#category", "billing")
    page.locator("label", has_text="High").click()
    page.fill("#subject", subject)
    page.fill("#message", message)


def send(page: Page) -> None:
    page.click("button[type=submit]")


def follow(page: Page) -> None:
    expect(page.get_by_role("heading", name="We have your message")).to_be_focused()
    page.get_by_role("link", name="Follow your ticket").click()


def test_a_question_is_sent_and_its_answer_read(page: Page, shot):
    page.goto("/")
    shot("form")
    fill(page, QUESTION, "Last month's invoice")
    shot("filled")
    send(page)
    expect(page.get_by_text("whoever has it can read this ticket")).to_be_visible()
    shot("sent")
    follow(page)
    expect(page.get_by_role("heading", name="Last month's invoice")).to_be_visible()
    expect(page.locator(".status-resolved")).to_be_visible()
    answer = page.locator(".bubble-assistant")
    expect(answer).to_contain_text("invoice")
    expect(page.locator(".bubble-customer")).to_contain_text(QUESTION)
    source = answer.get_by_role("link").first
    assert (source.get_attribute("href") or "").startswith("https://")
    shot("answered")


def test_a_refund_shows_that_a_person_has_taken_over(page: Page, shot):
    page.goto("/")
    fill(page, REFUND, "Charged twice")
    send(page)
    follow(page)
    expect(page.get_by_text("A person has taken over")).to_be_visible()
    # The notice is a message of its own: the page may have looked between the two, and looks again after 15 s.
    notice = page.locator(".bubble-assistant, .bubble-system").first
    expect(notice).to_contain_text("taken over", timeout=40_000)
    shot("escalated")


def test_what_is_missing_is_said_in_a_summary_that_has_the_focus(page: Page, shot):
    page.goto("/")
    send(page)
    summary = page.locator("form [role=alert]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("There are problems with 5 fields")
    shot("summary")
    summary.get_by_role("link", name="Enter your email address").click()
    expect(page.locator("#email")).to_be_focused()
    fill(page, "short", "Invoice")
    send(page)
    expect(summary).to_contain_text("There is a problem with one field")
    expect(page.locator("#message")).to_have_attribute("aria-invalid", "true")


def test_what_was_typed_is_kept_when_the_server_cannot_take_it(page: Page, shot):
    problem = {"title": "Temporarily unavailable", "detail": "Nothing was stored. Try again.", "status": 503}

    def refuse(route: Route) -> None:
        headers = {"Retry-After": "5", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=json.dumps(problem))

    def expect_kept(words: str) -> None:
        expect(page.locator("form [role=alert]")).to_contain_text(words)
        expect(page.locator("#message")).to_have_value(QUESTION)
        expect(page.locator("#subject")).to_have_value("Invoice")
        assert page.locator("input[name=priority]:checked").get_attribute("value") == "high"

    page.goto("/")
    fill(page, QUESTION, "Invoice")
    page.route("**/support/submit", refuse)
    send(page)
    expect_kept("Wait 5 seconds, then press")
    shot("unavailable")
    page.unroute("**/support/submit")
    page.route("**/support/submit", lambda route: route.abort())
    send(page)
    expect_kept("We could not reach support")
    shot("unreachable")
    page.reload()
    expect(page.locator("#message")).to_have_value(QUESTION)
    page.unroute("**/support/submit")
    send(page)
    follow(page)
    expect(page.locator(".status-resolved")).to_be_visible()


def test_an_unknown_ticket_is_explained(page: Page, shot):
    page.goto("/ticket/?id=tkt_0000000000000000000000")
    expect(page.get_by_role("heading", name="We can’t find that ticket")).to_be_visible()
    shot("unknown")
    page.goto("/no/such/page")
    expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
    shot("missing")


def test_a_phone_shows_everything_without_scrolling_sideways(page: Page, product: Product, shot):
    ticket_id = product.submit("How many requests a minute does API v2 allow?", subject="Limits of the API")
    product.until_replied(ticket_id)
    page.set_viewport_size(PHONE)  # pyright: ignore[reportArgumentType]
    for path, name in (("/", "form"), (f"/ticket/?id={ticket_id}", "ticket")):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shot(name)

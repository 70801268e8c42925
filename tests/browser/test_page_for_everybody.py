"""The page is for everybody: at a phone's width, by keyboard, with a screen reader, in light and in dark."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Home, home

ROOMS = ("/live", "/history", "/left", "/compare?trace=walnut", "/settings", "/devices")
OTHERS = ("/delete?what=all", "/delete?what=range&since=2020-01-01T00:00", "/close", "/nowhere")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def seen(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, list[str]]]:
    """A house in which something was said and deleted, and the addresses of all kinds of its pages."""
    with home(tmp_path_factory.mktemp("home"), chromium) as one:
        said = one.hear("10_walnuts")
        gone = one.hear("08_pizza")
        with one.window() as page:
            page.goto(f"/delete?what=one&id={gone}")
            page.get_by_role("button", name="Delete now").click()
            page.wait_for_url("**/receipts/*")
            receipt = page.url.removeprefix(one.address)
            page.goto("/left")
            page.get_by_role("button", name="Search every byte").click()
            expect(page.locator("#bytes table")).to_be_visible()
        yield one, [*ROOMS, *OTHERS, f"/history/{said}", receipt]


def violations(page: Page) -> list[str]:
    """What axe-core holds to be serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{page.url}: {one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(seen: tuple[Home, list[str]], scheme: str) -> None:
    one, paths = seen
    # axe is put into the page from outside, which our policy forbids to everybody.
    with one.window(color_scheme=scheme, viewport=PHONE, bypass_csp=True) as page:
        found = []
        for path in paths:
            page.goto(path)
            for details in page.locator("summary").all():
                details.click()
            found += violations(page)
        assert found == []


def test_no_page_is_wider_than_a_phone(seen: tuple[Home, list[str]]) -> None:
    one, paths = seen
    with one.window(viewport=PHONE) as page:
        for path in paths:
            page.goto(path)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path


def test_everything_is_reached_by_keyboard_in_the_order_of_reading(seen: tuple[Home, list[str]]) -> None:
    one, _ = seen
    with one.window() as page:
        page.goto("/history")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport()
        tops = []
        for _ in range(page.locator("a, button, input, select").count()):
            page.keyboard.press("Tab")
            box = page.evaluate(
                "(() => { const r = document.activeElement.getBoundingClientRect();"
                " return document.activeElement === document.body ? null : [r.top + scrollY, r.bottom + scrollY] })()"
            )
            if box is None:
                break
            tops.append(box)
        assert len(tops) > 15
        backwards = [(one, after) for one, after in pairwise(tops) if after[1] < one[0]]
        assert backwards == []


def to_by_keyboard(page: Page, name: str) -> None:
    """Press Tab until that is focused, then Enter."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(e => e.getAttribute('aria-label') || e.innerText)(document.activeElement)") == name:
            page.keyboard.press("Enter")
            return
    pytest.fail(f"{name} is not reached by keyboard")


def test_a_request_is_deleted_by_keyboard_alone(seen: tuple[Home, list[str]]) -> None:
    one, _ = seen
    interaction = one.hear("11_question")
    with one.window() as page:
        page.goto("/history")
        to_by_keyboard(page, "Delete: what time is it")
        page.wait_for_url("**/delete?*")
        to_by_keyboard(page, "Delete now")
        page.wait_for_url("**/receipts/*")
    assert interaction not in {row["id"] for row in one.history()}


def test_a_transcript_that_looks_like_code_is_only_read(seen: tuple[Home, list[str]]) -> None:
    one, _ = seen
    evil = "remember <img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    with one.window() as page:
        page.goto("/live")
        expect(page.locator("#ways[data-open]")).to_be_attached()
        one.device.command("say", {"text": evil})
        expect(page.locator(".way .heard")).to_contain_text("onerror")
        expect(page.locator(".way ol li", has_text="actions/fact")).to_contain_text("<script>")
        assert "owned" not in page.title()
        interaction = one.history()[-1]["id"]
        for path in ("/history", f"/history/{interaction}", "/left", f"/delete?what=one&id={interaction}"):
            page.goto(path)
            assert "owned" not in page.title(), path
            assert page.locator("main img[src=x]").count() == 0, path
        page.goto("/history")
        expect(page.locator(".you").first).to_have_text(evil)

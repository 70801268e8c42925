"""The README's pictures of the page, taken of a real one; with RESIDUAL_ECHO_SCREENSHOTS=1 they are put into docs/."""

import os
import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.chromium import home

ROOT = Path(__file__).parent.parent.parent
SIZE = {"width": 1100, "height": 860}
PICTURES = ("page-live.png", "page-left.png")


def size_of(png: bytes) -> tuple[int, int]:
    """From the header's first chunk."""
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def test_the_readme_shows_two_pictures_that_are_taken_here(chromium: Browser, tmp_path: Path) -> None:
    folder = ROOT / "docs" if os.environ.get("RESIDUAL_ECHO_SCREENSHOTS") == "1" else tmp_path
    with home(tmp_path, chromium) as one, one.window(viewport=SIZE) as page:
        page.goto("/live")
        expect(page.locator("#ways[data-open]")).to_be_attached()
        for name in ("01_alarm", "04_message", "08_pizza", "10_walnuts"):
            one.hear(name)
        expect(page.locator(".way").first.locator("ol b", has_text="training/recording")).to_have_count(1)
        expect(page.locator("[data-device=kitchen] .ring")).to_have_class("ring deaf")
        page.screenshot(path=folder / PICTURES[0])
        page.goto("/left?at=P18M")
        expect(page.locator("#sum")).to_contain_text("would be left")
        page.screenshot(path=folder / PICTURES[1])
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in PICTURES:
        taken, shown = (folder / name).read_bytes(), (ROOT / "docs" / name).read_bytes()
        assert size_of(taken) == size_of(shown) == (SIZE["width"], SIZE["height"])
        assert len(shown) < 150_000
        assert re.search(rf"!\[[^\]]{{20,}}\]\(docs/{name}\)", readme), (
            f"{name} is shown, with words for who cannot see"
        )

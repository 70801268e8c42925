"""What the browser's tests share."""

from tests.browser.chromium import chromium

__all__ = ["chromium"]

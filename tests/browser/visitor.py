"""Somebody who comes to the page by its link, over plain HTTP."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


class Visitor:
    """A session: `get` pages, `post` forms with the session's token."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/settings").text)
        assert found, "no form on the page"
        self.csrf = found[1]

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.client.post(path, data={"csrf": self.csrf, **fields})


@contextmanager
def visitor(link: str, **how: Any) -> Iterator[Visitor]:
    """Come in by the link."""
    with httpx.Client(base_url=link.split("/enter", maxsplit=1)[0], timeout=60, **how) as client:
        came = client.get(link)
        assert came.status_code == 303, came.text
        # Out of reach of scripts, and of other sites.
        assert {"httponly", "samesite=strict"} <= set(came.headers["set-cookie"].lower().split("; "))
        yield Visitor(client)

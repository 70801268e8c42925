"""How much of a long run there is: `make soak` takes the full figures, `make test` a seeded tenth of them."""

import os
from collections.abc import Iterable

import pytest

SOAK = os.environ.get("RESIDUAL_ECHO_SOAK") == "1"


def tenth(full: int) -> int:
    """So many examples: all of them in the long run."""
    return full if SOAK else max(1, full // 10)


def rarely(names: Iterable[str], *, but: set[str]) -> list[object]:
    """Parameters of which those in `but` are tested each time, and the others in the long run alone."""
    return [pytest.param(name, marks=[] if name in but else pytest.mark.soak) for name in names]

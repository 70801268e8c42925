"""What the tests of the panel share."""

from collections.abc import Iterator

import pytest

from tests.hardware.panels import Board, board


@pytest.fixture
def pi() -> Iterator[Board]:
    """A Raspberry Pi without the Raspberry Pi."""
    with board() as made:
        yield made

"""Whoever asks the device to stop is heard."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from device.interrupt import Interrupt


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Interrupt()
    for number, handler in before.items():
        signal.signal(number, handler)


class Slow:
    """Somebody presses Ctrl-C while it is being destroyed."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_interrupts_what_is_being_done(interrupt: Interrupt, number: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    assert interrupt.asked


def test_a_request_that_falls_into_a_destructor_is_not_lost(
    interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: dropped.append(lost.exc_type))
    slow = Slow()
    del slow
    assert dropped == [KeyboardInterrupt]
    assert interrupt.asked

"""The edge of the physical world, for tests: gpiozero's mock pins, and an SPI bus that keeps what goes out on it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gpiozero
from gpiozero.pins.mock import MockFactory, MockPWMPin

from hardware import libraries


class Wire:
    """SPI, as spidev has it. `broken` makes every write fail, as a driver's does whose device is gone."""

    def __init__(self) -> None:
        self.opened: tuple[int, int] | None = None
        self.max_speed_hz = self.mode = -1
        self.broken = self.closed = False
        self.messages: list[bytes] = []
        self.failed = 0
        self.came = threading.Condition()

    def open(self, bus: int, chip_select: int) -> None:
        self.opened, self.closed = (bus, chip_select), False

    def writebytes2(self, message: bytes) -> None:
        assert not self.closed
        with self.came:
            self.came.notify_all()
            if self.broken:
                self.failed += 1
                raise OSError(108, "Cannot send after transport endpoint shutdown")
            self.messages.append(bytes(message))

    def close(self) -> None:
        self.closed = True


class Pin(MockPWMPin):
    """A mock pin that remembers whether it was let go while it drove current: on a real one the LED may stay lit."""

    let_go_lit = False

    def close(self) -> None:
        self.let_go_lit = self.function == "output" and bool(self.state)
        super().close()


class Board:
    """A Raspberry Pi's pins and its SPI bus."""

    def __init__(self, factory: MockFactory, wire: Wire) -> None:
        self._factory, self.wire = factory, wire

    def pin(self, gpio: int) -> Any:
        return self._factory.pin(gpio)

    def press(self, gpio: int) -> None:
        """A press and its release: the button connects its pin to ground."""
        assert self.pin(gpio).pull == "up"
        self.pin(gpio).drive_low()
        self.pin(gpio).drive_high()

    def lit(self, gpio: int) -> float:
        """How bright an LED is, 0 to 1."""
        return float(self.pin(gpio).state) if self.pin(gpio).function == "output" else 0.0

    def released(self, *gpios: int) -> bool:
        """Whether nobody holds these pins any more, and none drives current, or did when it was let go."""
        held = {name for name, owners in self._factory._reservations.items() if any(owner() for owner in owners)}
        pins = [self.pin(gpio) for gpio in gpios]
        return not held and all(pin.function == "input" and not pin.let_go_lit for pin in pins)


@contextmanager
def board() -> Iterator[Board]:
    """Mock pins and a mock SPI bus in the place of the real ones, while the block runs."""
    before, real = gpiozero.Device.pin_factory, libraries.spidev
    factory, wire = MockFactory(pin_class=Pin), Wire()
    gpiozero.Device.pin_factory = factory
    libraries.spidev = lambda: SimpleNamespace(SpiDev=lambda: wire)
    try:
        yield Board(factory, wire)
    finally:
        factory.reset()
        gpiozero.Device.pin_factory, libraries.spidev = before, real

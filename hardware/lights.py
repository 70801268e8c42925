"""What shows the ring's twelve colours: a ring of lights on SPI, or three LEDs."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from device.errors import EchoError
from device.light_ring import DARK, RGB
from device.settings import Settings
from hardware import apa102, libraries, ws2812

ENCODINGS: dict[str, tuple[Callable[[Sequence[RGB]], bytes], int]] = {
    "apa102": (apa102.encode, apa102.SPEED_HZ),
    "ws2812": (ws2812.encode, ws2812.SPEED_HZ),
}

BUS, CHIP_SELECT = 0, 0  # /dev/spidev0.0


class Lights(Protocol):
    """Shows one picture of the ring after the other."""

    def draw(self, colours: Sequence[RGB]) -> None:
        """Show these colours, clockwise from the light towards the person. Raises OSError where they do not go out."""

    def close(self) -> None:
        """Release the pins. Nothing changes what is shown."""


class SpiRing:
    """Twelve lights in a chain on SPI."""

    def __init__(self, kind: str) -> None:
        """An apa102 or ws2812. Raises EchoError where SPI is not there."""
        self._encode, speed_hz = ENCODINGS[kind]
        self._spi: Any = libraries.spidev().SpiDev()
        try:
            self._spi.open(BUS, CHIP_SELECT)
            self._spi.max_speed_hz = speed_hz
            self._spi.mode = 0
        except OSError as error:
            raise EchoError(
                f"/dev/spidev{BUS}.{CHIP_SELECT} does not open: {error}. Switch SPI on: sudo raspi-config nonint "
                "do_spi 0; and let the user use it: sudo usermod -aG spi USER"
            ) from error

    def draw(self, colours: Sequence[RGB]) -> None:
        """Send them to the chain. Raises OSError."""
        self._spi.writebytes2(self._encode(colours))

    def close(self) -> None:
        """Release SPI."""
        self._spi.close()


class ThreeLeds:
    """A red, a green and a blue LED, or one with all three in it: the colour of the ring's light towards the person.

    That one light tells the states apart: steady red is muted, red and green deaf, steady green and blue listening. The
    green one goes between bright and faint while the device thinks, both swell and fade while it speaks, and flash
    when it rings.
    """

    def __init__(self, chosen: Settings) -> None:
        """On the pins of the settings. Raises EchoError where there are none."""
        pins = (chosen.red_led_pin, chosen.green_led_pin, chosen.blue_led_pin)
        self._leds: Any = libraries.gpiozero().RGBLED(*pins)
        self._shown = DARK

    def draw(self, colours: Sequence[RGB]) -> None:
        """Show the first of them."""
        if colours[0] != self._shown:  # to set the same again would start its pulses anew
            self._shown = colours[0]
            self._leds.value = tuple(part / 255 for part in self._shown)

    def close(self) -> None:
        """Release the pins."""
        self._leds.close()


def opened(chosen: Settings) -> Lights:
    """The lights of the panel that the settings name. Raises EchoError where they cannot be used."""
    return SpiRing(chosen.panel) if chosen.panel in ENCODINGS else ThreeLeds(chosen)

"""The 40-pin header of a Raspberry Pi, and what of the panel is wired to which pin.

The one table of it: the settings' defaults, the check for conflicts and the wiring pictures read it. Numbers are those
of the chip (GPIO 17), not positions on the header (pin 11). Source: the Raspberry Pi's pinout, the same on every model
with 40 pins.
"""

from dataclasses import dataclass

#: What is at each position, 1 to 40: a power rail, or the number of a GPIO.
HEADER: tuple[str | int, ...] = (
    *("3V3", "5V", 2, "5V", 3, "GND", 4, 14, "GND", 15),
    *(17, 18, 27, "GND", 22, 23, "3V3", 24, 10, "GND"),
    *(9, 25, 11, 8, "GND", 7, 0, 1, 5, "GND"),
    *(6, 12, 13, "GND", 19, 16, 26, 20, "GND", 21),
)

#: GPIOs that are never free: a HAT names itself by them at start.
EEPROM = dict.fromkeys((0, 1), "the memory by which a HAT names itself")

DATA, CLOCK = 10, 11

#: What SPI takes when it is switched on (dtparam=spi=on), whether or not all of it is wired.
SPI = {7: "SPI (chip select 1)", 8: "SPI (chip select 0)", 9: "SPI (MISO)", DATA: "SPI (data)", CLOCK: "SPI (clock)"}

#: The panels that there are, each with the SPI pins that its ring is wired to.
PANELS: dict[str, tuple[int, ...]] = {"leds": (), "apa102": (DATA, CLOCK), "ws2812": (DATA,)}


@dataclass(frozen=True)
class Part:
    """Something on a pin of its own: what it is called, its GPIO unless told otherwise, and the panels that have it."""

    name: str
    default: int
    panels: tuple[str, ...] = tuple(PANELS)


#: By the setting that moves it. The defaults leave free what other things like to use: I2C (2, 3), the serial console
#: (14, 15), SPI (7 to 11) and I2S (18 to 21).
PARTS = {
    "action_button_pin": Part("the action button", 17),
    "mute_button_pin": Part("the mute button", 27),
    "mute_led_pin": Part("the red LED of the mute button", 22),
    "red_led_pin": Part("the red LED", 5, ("leds",)),
    "green_led_pin": Part("the green LED", 6, ("leds",)),
    "blue_led_pin": Part("the blue LED", 13, ("leds",)),
}


def position(gpio: int) -> int:
    """The position of a GPIO on the header, 1 to 40. Raises ValueError where it has none."""
    return HEADER.index(gpio) + 1

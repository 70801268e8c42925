"""Wiring pictures, drawn from the pin table: python -m hardware.wiring writes hardware/wiring-PANEL.svg

The header is on the right, as one sees it with the Raspberry Pi's USB sockets at the bottom; the parts are in the
middle, in the order of their pins so that no signals cross; ground and 5 V are rails on the left.
"""

import math
from pathlib import Path

from device.pins import CLOCK, DATA, HEADER, PANELS, PARTS, Part, position
from hardware.drawing import Drawing, Point

FOLDER = Path(__file__).parent

TITLES = {
    "leds": "Two buttons, and three LEDs in the ring's place",
    "apa102": "Two buttons, and a ring of twelve APA102",
    "ws2812": "Two buttons, and a ring of twelve WS2812",
}

#: The resistor in series with each LED, in ohms: a red one drops 2 V of the pin's 3.3, green and blue nearly 3.
OHMS = {"mute_led_pin": 330, "red_led_pin": 330, "green_led_pin": 100, "blue_led_pin": 100}
LIT = {"mute_led_pin": "#e02020", "red_led_pin": "#e02020", "green_led_pin": "#20a040", "blue_led_pin": "#2050e0"}

SIGNALS = ("#e08000", "#8040c0", "#c03060", "#009090", "#406000", "#2060c0", "#a05020", "#606060")
BLACK, RED = "#111111", "#d02020"
POWER = {"GND": BLACK, "5V": RED}

WIDTH, HEIGHT = 860, 650
ROW = 24  # pixels from one row of the header to the next
TOP = 84  # the header's first row
PADS = (640, 668)  # x of the odd and of the even positions
TAG = 62  # width of a tag, which is the label of a position
RAILS = {"GND": 36, "5V": 60}
PART_X, PART_END = 110, 330  # where a part's ground and its signal are
FIRST_CHANNEL, CHANNEL = 445, 16  # x at which wires go up and down
GROUND, FIVE_VOLTS = 39, 2  # the positions that feed the rails


def draw(panel: str) -> str:
    """The picture of that panel, wired as the settings are unless told otherwise: an SVG file."""
    parts = {key: part for key, part in PARTS.items() if panel in part.panels}
    wires = "; ".join(f"{part.name}: GPIO {part.default}, pin {position(part.default)}" for part in parts.values())
    drawing = Drawing(WIDTH, HEIGHT, TITLES[panel], wires)
    drawing.text((36, 36), TITLES[panel], size=20)
    _rails(drawing, with_5v=bool(PANELS[panel]))
    signals = _parts(drawing, parts)
    if PANELS[panel]:
        signals |= _ring(drawing, panel)
    used = {position(gpio) for gpio in signals}
    _signals(drawing, signals)
    _header(drawing, used | {GROUND} | ({FIVE_VOLTS} if PANELS[panel] else set()))
    for number, line in enumerate(_notes(panel)):
        drawing.text((36, HEIGHT - 40 + 18 * number), line, size=12)
    return drawing.svg()


def _parts(drawing: Drawing, parts: dict[str, Part]) -> dict[int, tuple[Point, str]]:
    """Draw the buttons and LEDs, from the top in the order of their pins. Where each GPIO's wire ends, and at what."""
    ordered = sorted(parts.items(), key=lambda item: position(item[1].default))
    ends: dict[int, tuple[Point, str]] = {}
    for number, (key, part) in enumerate(ordered):
        y = TOP + 44 + 68 * number
        drawing.text((PART_X + 4, y - 27), part.name.removeprefix("the "))
        drawing.text((PART_END + 4, y + 22), f"{key} = {part.default}", anchor="end", size=10, colour="#666666")
        _to_rail(drawing, "GND", [(PART_X, y)], part.name)
        _led(drawing, key, y) if key in OHMS else _button(drawing, y)
        ends[part.default] = ((PART_END, y), part.name)
    return ends


def _button(drawing: Drawing, y: float) -> None:
    left, right = PART_X + 70, PART_X + 130
    drawing.line([(PART_X, y), (left, y)], BLACK)
    drawing.line([(right, y), (PART_END, y)], BLACK)
    drawing.line([(left, y - 12), (right, y - 12)], BLACK, width=3)
    drawing.line([((left + right) / 2, y - 12), ((left + right) / 2, y - 22)], BLACK, width=3)
    for x in (left, right):
        drawing.circle((x, y), 4, fill="#ffffff", edge=BLACK)


def _led(drawing: Drawing, key: str, y: float) -> None:
    """From the pin through its resistor and the LED to ground: the LED's longer leg is on the right."""
    drawing.line([(PART_X, y), (PART_END, y)], BLACK)
    drawing.box((PART_X + 140, y - 9), (62, 18), fill="#f0e0c0")
    drawing.text((PART_X + 171, y + 5), f"{OHMS[key]} Ω", anchor="middle", size=12)
    tip, back = PART_X + 76, PART_X + 102
    drawing.line([(back, y - 13), (back, y + 13), (tip, y), (back, y - 13)], BLACK, fill=LIT[key])
    drawing.line([(tip, y - 13), (tip, y + 13)], BLACK, width=3)


def _ring(drawing: Drawing, panel: str) -> dict[int, tuple[Point, str]]:
    """Draw the ring, the level shifter before it, and what feeds both. Where the SPI wires end."""
    centre, radius = (190.0, 416.0), 66.0
    drawing.circle(centre, radius + 16, fill="#303030")
    drawing.circle(centre, radius - 18, fill="#ffffff")
    for light in range(12):
        angle = math.radians(30 * light)
        at = (centre[0] + radius * math.sin(angle), centre[1] - radius * math.cos(angle))
        drawing.circle((round(at[0], 1), round(at[1], 1)), 9, fill="#00dcff" if light in (11, 0, 1) else "#0028ff")
    drawing.text((centre[0], centre[1] - 4), panel.upper(), anchor="middle")
    drawing.text((centre[0], centre[1] + 14), "12 lights", anchor="middle", size=11)
    drawing.text((114, 318), "the light towards you is the first in the chain", size=10, colour="#666666")
    shifter, size = (318.0, 376.0), (96.0, 84.0)
    drawing.box(shifter, size, fill="#e8e8f4")
    middle = shifter[0] + size[0] / 2
    drawing.text((middle, shifter[1] + 36), "74AHCT125", anchor="middle", size=12)
    drawing.text((middle, shifter[1] + 52), "3.3 V → 5 V", anchor="middle", size=11)
    ends: dict[int, tuple[Point, str]] = {}
    names = {DATA: ("data", "DI"), CLOCK: ("clock", "CI")}
    for number, gpio in enumerate(PANELS[panel]):
        name, pad = names[gpio]
        y = shifter[1] + 16 + 52 * number
        colour = SIGNALS[-1 - number]
        edge = centre[0] + math.sqrt((radius + 16) ** 2 - (y - centre[1]) ** 2)
        drawing.wire([(shifter[0], y), (round(edge, 1), y)], colour, f"the ring's {name} ({pad}), at 5 V")
        drawing.text((edge + 6, y - 6), pad, size=11)
        ends[gpio] = ((shifter[0] + size[0], y), f"the ring's {name}, through the level shifter")
    low = shifter[1] + size[1]
    for rail, x, y, ring_y in (("5V", shifter[0] + 30, low + 50, 396.0), ("GND", shifter[0] + 66, low + 64, 436.0)):
        edge = centre[0] - math.sqrt((radius + 16) ** 2 - (ring_y - centre[1]) ** 2)
        _to_rail(drawing, rail, [(x, low), (x, y)], "the level shifter")
        _to_rail(drawing, rail, [(round(edge, 1), ring_y)], "the ring")
        drawing.text((edge - 6, ring_y - 6), rail, anchor="end", size=11)
    return ends


def _to_rail(drawing: Drawing, rail: str, points: list[Point], what: str) -> None:
    joint = (RAILS[rail], points[-1][1])
    drawing.wire([*points, joint], POWER[rail], f"{what} to {rail}")
    drawing.circle(joint, 4, fill=POWER[rail], edge=POWER[rail])


def _rails(drawing: Drawing, *, with_5v: bool) -> None:
    """Ground and 5 V, each from its position on the header."""
    x, y = _edge(GROUND)
    drawing.wire([(x, y), (RAILS["GND"], y), (RAILS["GND"], TOP)], BLACK, f"ground, pin {GROUND}")
    if with_5v:
        x, y = _edge(FIVE_VOLTS)
        over = TOP - 28
        drawing.wire(
            [(x, y), (x + 24, y), (x + 24, over), (RAILS["5V"], over), (RAILS["5V"], y + 18 * ROW - 6)],
            RED,
            f"5 V, pin {FIVE_VOLTS}",
        )


def _signals(drawing: Drawing, ends: dict[int, tuple[Point, str]]) -> None:
    """The wires from the GPIOs. Where one goes up its channel is right of the one above, else left of it."""
    ordered = sorted(ends, key=position)
    for number, gpio in enumerate(ordered):
        (end_x, end_y), name = ends[gpio]
        (x, y), at = _edge(position(gpio)), position(gpio)
        step = number if y <= end_y else len(ordered) - number
        channel = FIRST_CHANNEL + CHANNEL * step
        points = [(end_x, end_y), (channel, end_y), (channel, y), (x, y)]
        if at % 2 == 0:  # around the header's lower end
            below, around = TOP + 20 * ROW + 6 * number, x + 24 + 6 * number
            points = [(end_x, end_y), (channel, end_y), (channel, below), (around, below), (around, y), (x, y)]
        colour = SIGNALS[number % len(SIGNALS)]
        drawing.wire(points, colour, f"GPIO {gpio} (pin {at}) to {name}")


def _edge(at: int) -> Point:
    """The outer end of a position's tag: where its wire begins."""
    y = TOP + (at - 1) // 2 * ROW
    return (PADS[0] - 16 - TAG, y) if at % 2 else (PADS[1] + 16 + TAG, y)


def _header(drawing: Drawing, used: set[int]) -> None:
    drawing.box((PADS[0] - 14, TOP - 16), (56, 20 * ROW + 8), fill="#202020", edge="#202020")
    drawing.text((sum(PADS) / 2, TOP - 36), "Raspberry Pi, 40 pins", anchor="middle")
    for at, what in enumerate(HEADER, 1):
        x, y = PADS[(at - 1) % 2], TOP + (at - 1) // 2 * ROW
        drawing.circle((x, y), 9, fill="#ffd24a" if at in used else "#777777")
        drawing.text((x, y + 4), str(at), anchor="middle", size=10, colour="#000000" if at in used else "#ffffff")
        left = PADS[0] - 16 - TAG if at % 2 else PADS[1] + 16
        label = f"GPIO {what}" if isinstance(what, int) else what
        if at in used:
            drawing.box((left, y - 10), (TAG, 20), fill="#fff3c4")
        drawing.text(
            (left + TAG / 2, y + 4), label, anchor="middle", size=11, colour="#000000" if at in used else "#999999"
        )
    drawing.text(
        (sum(PADS) / 2, TOP + 20 * ROW + 10), "USB sockets this way ↓", anchor="middle", size=10, colour="#666666"
    )


def _notes(panel: str) -> list[str]:
    switch_off = (
        "Switch the Raspberry Pi off while you wire. GPIO numbers are the chip's; pins are counted along the header."
    )
    if not PANELS[panel]:
        return [
            switch_off,
            "An LED's longer leg is on its resistor's side. One RGB LED with a common cathode can stand for all three.",
        ]
    enables = " and ".join(f"{number}OE" for number in range(1, len(PANELS[panel]) + 1))
    return [
        switch_off,
        f"The level shifter: VCC to 5 V; GND and {enables} to ground; inputs A to the header, outputs Y to the ring.",
    ]


def main() -> None:
    """Write all of them."""
    for panel in PANELS:
        (FOLDER / f"wiring-{panel}.svg").write_text(draw(panel), "utf-8")


if __name__ == "__main__":
    main()

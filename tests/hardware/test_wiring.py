"""The pictures that ship show the wiring that the settings have: read from the files, not from what draws them."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from device import pins
from device.pins import PANELS, PARTS, Part
from device.settings import OPTIONS
from hardware import wiring

FOLDER = Path(__file__).parents[2] / "hardware"
SVG = "{http://www.w3.org/2000/svg}"
SPI = {"leds": {}, "apa102": {"the ring's data": 10, "the ring's clock": 11}, "ws2812": {"the ring's data": 10}}
Wires = dict[str, tuple[int, int, list[tuple[float, float]]]]


def texts(picture: str) -> dict[str, tuple[float, float]]:
    return {
        each.text or "": (float(each.attrib["x"]), float(each.attrib["y"]))
        for each in ET.fromstring(picture).iter(f"{SVG}text")
    }


def wires(picture: str) -> Wires:
    """By what it leads to: the GPIO and the pin that it claims to come from, and its points."""
    found: Wires = {}
    for group in ET.fromstring(picture).iter(f"{SVG}g"):
        meaning = group.findtext(f"{SVG}title") or ""
        assert group.attrib["aria-label"] == meaning
        if claim := re.fullmatch(r"GPIO (\d+) \(pin (\d+)\) to (the [\w' ]+?)(, through the level shifter)?", meaning):
            line = group.findall(f"{SVG}polyline")[-1].attrib["points"]
            points = [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]
            found[claim[3]] = (int(claim[1]), int(claim[2]), points)
    return found


@pytest.mark.parametrize("panel", PANELS)
def test_the_picture_that_ships_is_drawn_from_the_table_as_it_is(panel: str) -> None:
    shipped = (FOLDER / f"wiring-{panel}.svg").read_text("utf-8")
    assert shipped == wiring.draw(panel), "python -m hardware.wiring draws them anew"


@pytest.mark.parametrize("panel", PANELS)
def test_every_part_of_the_kit_is_wired_to_the_pin_that_its_setting_has(panel: str) -> None:
    picture = (FOLDER / f"wiring-{panel}.svg").read_text("utf-8")
    expected = {part.name: OPTIONS[key].default for key, part in PARTS.items() if panel in part.panels} | SPI[panel]
    found = wires(picture)
    assert {name: gpio for name, (gpio, _, _) in found.items()} == expected
    labels = texts(picture)
    for name, (gpio, pin, points) in found.items():
        assert pins.HEADER[pin - 1] == gpio
        # Where the wire ends there is a label with this GPIO's name, and beyond it the pad with this pin's number.
        (label_x, label_y), (pad_x, pad_y) = labels[f"GPIO {gpio}"], labels[str(pin)]
        end_x, end_y = points[-1]
        assert abs(end_y - label_y) < 6, name
        assert abs(end_y - pad_y) < 6, name
        assert end_x < label_x < pad_x, name


Piece = tuple[tuple[float, float], tuple[float, float]]


def touch(one: Piece, other: Piece) -> bool:
    """Whether two pieces of wire, each level or upright, share a point."""
    return all(
        min(one[0][axis], one[1][axis]) <= max(other[0][axis], other[1][axis])
        and min(other[0][axis], other[1][axis]) <= max(one[0][axis], one[1][axis])
        for axis in (0, 1)
    )


@pytest.mark.parametrize("panel", PANELS)
def test_no_two_signals_cross_or_touch(panel: str) -> None:
    routes = [list(pairwise(points)) for _, _, points in wires(wiring.draw(panel)).values()]
    assert all(len(route) == 3 for route in routes)
    for one, other in combinations(routes, 2):
        assert not any(touch(piece, another) for piece in one for another in other)


def test_a_part_on_the_header_s_other_side_is_wired_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: dict[str, Part] = PARTS | {"mute_button_pin": replace(PARTS["mute_button_pin"], default=16)}
    monkeypatch.setattr(wiring, "PARTS", moved)
    picture = wiring.draw("leds")
    gpio, pin, points = wires(picture)["the mute button"]
    assert (gpio, pin) == (16, 36)
    labels = texts(picture)
    assert points[-1][0] > labels["GPIO 16"][0] > labels["36"][0]
    assert max(y for _, y in points) > labels["40"][1], "below the last row"

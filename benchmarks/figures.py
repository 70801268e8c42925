"""How every benchmark prints what it found, and names that more than one of them has for it."""

import json
from collections.abc import Mapping

#: What a device may be about while `budget` measures it: the beginnings of its figures' names.
SITUATIONS = ("idle: a quiet room", "listening: talk for nobody", "decoding: requests")


def show(figures: Mapping[str, object], *, as_json: bool) -> None:
    """Print the figures, by what they are called: a line each, or one JSON object for a program to read."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    width = 3 + max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}{value}")

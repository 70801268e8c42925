"""How every benchmark prints what it found, and names that more than one of them has for it."""

import json
from collections.abc import Mapping

#: What a device may be about while `budget` measures it: the beginnings of its figures' names.
SITUATIONS = ("idle: a quiet room", "listening: talk for nobody", "decoding: requests")

#: What `hearing_cost` lets the pipeline and Vosk listen to: its figures' names.
LISTENED_TO = (
    "digital silence (wanted: at most 0.1)",
    "a quiet room (wanted: at most 0.1)",
    "talk (wanted: at most 1.15)",
    "requests one after the other",
)


def show(figures: Mapping[str, object], *, as_json: bool) -> None:
    """Print the figures, by what they are called: a line each, or one JSON object for a program to read."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    width = 3 + max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}{value}")

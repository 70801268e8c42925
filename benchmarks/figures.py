"""How every benchmark prints what it found."""

import json
from collections.abc import Mapping


def show(figures: Mapping[str, object], *, as_json: bool) -> None:
    """Print the figures, by what they are called: a line each, or one JSON object for a program to read."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    width = 3 + max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}{value}")

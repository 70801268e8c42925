"""`echo-device microphones`: every input, and how loud it is while one speaks."""

import time
from typing import Any

from rich.console import Console
from rich.markup import escape

from device.errors import EchoError
from device.microphone import Microphone, find, level, microphones

BAR = 30  # characters for -90 to 0 dBFS
TICK = 5  # blocks of 20 ms for each picture


def listen(seconds: float, *, quiet: bool) -> list[dict[str, Any]]:
    """Listen to each input for so long, one after the other; its name, whether it opens, its level in dBFS.

    Unless `quiet`, a meter moves in the terminal meanwhile. `level` is None where there are only zeros. Raises
    EchoError where there is no input at all.
    """
    find(None)
    console = Console(quiet=quiet, highlight=False)
    return [_listen(name, seconds, console) for name in microphones()]


def _listen(name: str, seconds: float, console: Console) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "format": "", "level": None, "problem": ""}
    heard = []
    try:
        with Microphone(name) as microphone, console.status(escape(f"{name} …")) as meter:
            found["format"] = microphone.description
            until = time.monotonic() + seconds
            for block in microphone:
                heard.append(block)
                if len(heard) % TICK == 0:
                    meter.update(escape(_picture(name, level(heard[-TICK:]))))
                if time.monotonic() >= until:
                    break
    except EchoError as error:
        found["problem"] = str(error)
        console.print(f"{name}\n  {error}", markup=False)
        return found
    loudness = level(heard)
    found["level"] = None if loudness == float("-inf") else round(loudness, 1)
    console.print(f"{_picture(name, loudness)}\n  {found['format']}", markup=False)
    return found


def _picture(name: str, loudness: float) -> str:
    """A name and a bar: [######------] -42 dBFS."""
    if loudness == float("-inf"):
        return f"{name:30.30}  {'-' * BAR}  only zeros"
    full = max(0, min(BAR, round((loudness + 90) / 90 * BAR)))
    return f"{name:30.30}  {'#' * full}{'-' * (BAR - full)}  {loudness:.0f} dBFS"

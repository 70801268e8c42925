"""Attention state to colours, as on an Echo: twelve lights in a ring, and their picture in a terminal.

Source of the colours: Amazon's help for Echo devices. Dark: waits for the wake word; blue with cyan towards the person:
hears; cyan and blue in turn: works on it; red: the microphone is off; orange: no connection, which here stands for no
sound. The speed of the pictures, and alerting as a flash of the whole ring, are ours.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cloud_stub.contract.messages import Attention

RGB = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""

LIGHTS = 12
TICKS_PER_SECOND = 10
"""At which the pictures look right: a pulse takes 1.2 s."""

DARK: RGB = (0, 0, 0)
BLUE: RGB = (0, 40, 255)
CYAN: RGB = (0, 220, 255)
RED: RGB = (255, 0, 0)
ORANGE: RGB = (255, 120, 0)


def frame(attention: Attention, tick: int) -> tuple[RGB, ...]:
    """The twelve colours of the ring at the moment `tick`, clockwise from the light towards the person."""
    match attention:
        case "listening":
            return tuple(CYAN if light in (LIGHTS - 1, 0, 1) else BLUE for light in range(LIGHTS))
        case "thinking":
            return tuple(CYAN if (light - tick) % 4 < 2 else BLUE for light in range(LIGHTS))
        case "speaking":
            colour = dimmed(CYAN, 0.25 + 0.75 * abs(tick % 12 - 6) / 6)
        case "alerting":
            colour = CYAN if tick % 6 < 3 else DARK
        case "idle":
            colour = DARK
        case "muted":
            colour = RED
        case "deaf":
            colour = ORANGE
    return (colour,) * LIGHTS


def dimmed(colour: RGB, light: float) -> RGB:
    """The same colour with so much of its light, 0 to 1."""
    red, green, blue = (round(part * light) for part in colour)
    return red, green, blue


def picture(attention: Attention, tick: int, note: str = "") -> Text:
    """The ring as one line: twelve dots, the state's word, and `note`."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for colour in frame(attention, tick):
        red, green, blue = colour
        line.append("○", "dim") if colour == DARK else line.append("●", f"rgb({red},{green},{blue})")
    return line.append(f" {attention}", "bold").append(f"  {note}" if note else "")


def shown(*, quiet: bool) -> Callable[[Attention], None]:
    """What shows the ring in the terminal; nothing where a program reads us."""
    return (lambda _: None) if quiet else Terminal().show


class Terminal:
    """Shows the ring in a terminal, on stderr unless another console is given, so that output stays clean.

    One line, redrawn in place, below whatever is printed meanwhile; where there is no terminal, one plain line at
    every change. Close it (or use it as a context manager) to give the line back.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._shown: tuple[Attention, str] | None = None
        self._tick = 0

    def show(self, attention: Attention, note: str = "") -> None:
        """Show this state. Call it again, ten times a second, and the ring moves on."""
        changed = self._shown != (attention, note)
        self._tick = 0 if changed else self._tick + 1
        self._shown = (attention, note)
        if not self._console.is_terminal:
            if changed:
                self._console.print(f"{attention}  {note}".rstrip(), markup=False, highlight=False, soft_wrap=True)
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(picture(attention, self._tick, note), refresh=True)

    def close(self) -> None:
        """Take the ring off the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __enter__(self) -> Self:
        """Nothing to prepare: the line appears with the first `show`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

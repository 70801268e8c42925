"""A panel: the lights and buttons of a device that has some.

What drives one is found by its name among what is installed (entry points), so that the device needs none of it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol

from cloud_stub.contract.messages import State
from device.errors import EchoError
from device.settings import Settings

PANELS = "residual_echo.panels"
"""The group of entry points: each is called with the settings, and returns a Panel."""

COMMANDS = "residual_echo.commands"
"""The group of entry points that are commands of `echo-device`: each is called with the options."""

Button = Literal["mute", "action"]


class Panel(Protocol):
    """What the device shows its state on, and is pressed at. None of it may raise, or wait, while it is in use."""

    def show(self, state: State) -> None:
        """Show what is also published."""

    def pressed(self) -> Sequence[Button]:
        """The buttons that were pressed since the last call, in their order."""

    def close(self) -> None:
        """Dark, and the pins released."""


def found(group: str, name: str) -> Any:
    """What is installed by that name in that group. Raises EchoError where there is none."""
    installed = entry_points(group=group)
    if name not in installed.names:
        there = ", ".join(sorted(installed.names)) or "none; install residual-echo anew"
        raise EchoError(f"{name!r} is not among what is installed as {group}. There are: {there}.")
    return installed[name].load()


@contextlib.contextmanager
def opened(chosen: Settings) -> Iterator[Panel | None]:
    """The panel that the settings name, None where they name none; dark at the end, however the block ends.

    Raises EchoError where it cannot be used: a library is missing, this is no Raspberry Pi, two things want one pin.
    """
    if chosen.panel is None:
        yield None
        return
    panel: Panel = found(PANELS, chosen.panel)(chosen)
    try:
        yield panel
    finally:
        panel.close()

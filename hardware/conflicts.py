"""Whether the settings want a pin that is not there, or is another's."""

from device.errors import EchoError
from device.pins import EEPROM, HEADER, PANELS, PARTS, SPI
from device.settings import Settings


def check(chosen: Settings) -> None:
    """Raises EchoError naming the pin, who wants it, whose it is, and the setting to change."""
    panel = chosen.panel
    if panel not in PANELS:
        raise EchoError(f"panel is {panel!r}. Expected one of {', '.join(PANELS)}.")
    owners = EEPROM | (SPI if PANELS[panel] else {})
    wanted = {key: _gpio(chosen, key) for key, part in PARTS.items() if panel in part.panels}
    free = [pin for pin in HEADER if isinstance(pin, int) and pin not in owners and pin not in wanted.values()]
    remedy = f"free are {', '.join(map(str, sorted(free)))}"
    for key, gpio in wanted.items():
        wants = f"{PARTS[key].name} ({key})"
        if gpio not in HEADER:
            raise EchoError(
                f"{wants} is at GPIO {gpio}, which the header does not have{_meant(gpio)}. Change it: {remedy}."
            )
        if gpio in owners:
            raise EchoError(f"GPIO {gpio} is wanted by {wants} and by {owners[gpio]}. Change {key}: {remedy}.")
        owners[gpio] = wants


def _gpio(chosen: Settings, key: str) -> int:
    gpio: int = getattr(chosen, key)
    return gpio


def _meant(number: int) -> str:
    """Whoever counts along the header comes to numbers that no GPIO has."""
    at = HEADER[number - 1] if 0 < number <= len(HEADER) else None
    return f"; at position {number} of it is GPIO {at}" if isinstance(at, int) else ""

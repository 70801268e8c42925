"""`echo-device walnut`: one sentence, and what each place still knows of it before, at, and long after its deletion.

The story was reported in 2019: a child tells the speaker of an allergy, the parents delete the recordings, and the
speaker still knows. Everything is real: the sound, the recogniser, the broker, the stores, the search of their bytes.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cloud_stub.contract.address import BrokerAddress
from device import cloud_process, speech_models
from device.audio_source import Recording
from device.demo import ANSWER_S, wait_for_partners
from device.echo import Echo
from device.spoken_requests import FOLDER

SAID = "10_walnuts.flac"
DELETED = "12_delete_today.flac"
PHRASE = "i am allergic to walnuts"

#: (what the moment is called, how far the clock goes forward to it)
MOMENTS = (("before", ""), ("deleted", ""), ("90 days later", "P90D"), ("18 months later", "P15M"))

_COLOURS = {
    "clean": "#2e7d32",
    "residue explained": "#9a6700",
    "residue UNEXPLAINED": "#c62828",
    "not inspectable": "#546e7a",
}
_NAMES = ("green", "yellow", "red", "grey")


@dataclass
class Walnut:
    """What was found, as `--json` prints it: one entry a moment, each with every place."""

    policy: str
    phrase: str
    moments: list[dict[str, Any]]

    @property
    def unexplained(self) -> int:
        """How many findings no rule explains, over all moments."""
        return sum(moment["unexplained"] for moment in self.moments)


def run(policy: str, model: str | None, tell: Callable[[str], None]) -> Walnut:
    """Say it, delete it, let time pass; search for the words at each moment. Raises EchoError as the demo does."""
    with ExitStack() as stack:
        data = Path(stack.enter_context(TemporaryDirectory(prefix="walnut-")))
        loaded = speech_models.load(speech_models.locate(model))
        options = ["--embedded-broker", "--port", "0", "--policy", policy, "--simulated-clock"]
        broker = BrokerAddress.parse(stack.enter_context(cloud_process.running(data, options)).broker)
        echo = Echo("kitchen", data, broker, loaded)
        stack.callback(echo.close)
        echo.uplink.connect(must=True)
        moments = []
        for name, period in MOMENTS:
            tell(f"{name} ...")
            if name == "before":
                _hear(echo, SAID)
            elif name == "deleted":
                _hear(echo, DELETED)
            else:
                cloud_process.ask(data, "advance", period)
            wait_for_partners(data, echo)
            report = cloud_process.ask(data, "residue", "--phrase", PHRASE)
            moments.append(
                {
                    "moment": name,
                    "unexplained": report["unexplained"],
                    "places": [_place(place) for place in report["places"]],
                }
            )
        return Walnut(report["policy"], PHRASE, moments)


def _hear(echo: Echo, file: str) -> None:
    echo.listen(Recording(FOLDER / file), "file")
    echo.settle(ANSWER_S)


def _place(place: dict[str, Any]) -> dict[str, Any]:
    """A place with the fields that still say it, and the rules that let them."""
    found = place["findings"]
    return {
        "place": place["place"],
        "verdict": place["verdict"],
        "where": sorted({finding["where"] for finding in found}),
        "rules": sorted({finding["rule"] or "no rule" for finding in found}),
        "clauses": sorted({finding["clause"] for finding in found if finding["clause"]}),
    }


def lines(walnut: Walnut) -> list[str]:
    """A table for the terminal: where the words are at each moment, and under which clause at the end."""
    known = knowing(walnut)
    width = max(map(len, known), default=0)
    shown = [" " * width + "  " + "".join(f"{name:18}" for name, _ in MOMENTS)]
    for place, states in known.items():
        shown.append(f"{place:{width}}  " + "".join(f"{'knows' if where else '-':18}" for where in states).rstrip())
    for name, moment in ((moment["moment"], moment) for moment in walnut.moments[-1:]):
        for place in (place for place in moment["places"] if place["where"]):
            shown += [f"{name}, {place['place']}: {', '.join(place['where'])}", *map("  {}".format, place["rules"])]
            shown += [f"  {clause}" for clause in place["clauses"]]
    return shown


def knowing(walnut: Walnut) -> dict[str, list[list[str]]]:
    """The places that knew it at any moment: for each moment, the fields that say it."""
    states: dict[str, list[list[str]]] = {}
    for number, moment in enumerate(walnut.moments):
        for place in moment["places"]:
            states.setdefault(place["place"], [[] for _ in walnut.moments])[number] = place["where"]
    return {place: known for place, known in states.items() if any(known)}


def svg(walnut: Walnut) -> str:
    """The same as a picture: a row a place, a column a moment."""
    known = knowing(walnut)
    left, top, wide, high = 190, 90, 250, 44
    width, height = left + wide * len(MOMENTS) + 20, top + high * len(known) + 60
    title = f"Who still knows “{walnut.phrase}”, under {walnut.policy}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/><g font-size="13">',
        f'<text x="20" y="34" font-size="20">{escape(title)}</text>',
    ]
    parts += [
        f'<text x="{left + wide * number + 8}" y="{top - 12}" font-weight="bold">{escape(name)}</text>'
        for number, (name, _) in enumerate(MOMENTS)
    ]
    verdicts = [{place["place"]: place["verdict"] for place in moment["places"]} for moment in walnut.moments]
    for row, (place, states) in enumerate(known.items()):
        y = top + high * row
        parts.append(f'<text x="20" y="{y + 26}">{escape(place)}</text>')
        for number, where in enumerate(states):
            colour = _COLOURS[verdicts[number].get(place, "clean")]
            x = left + wide * number
            parts.append(f'<rect x="{x}" y="{y}" width="{wide - 6}" height="{high - 6}" rx="5" fill="{colour}"/>')
            text = ", ".join(one.split("/")[-1] for one in where) or "nothing"
            parts.append(f'<text x="{x + 8}" y="{y + 24}" fill="#ffffff">{escape(text[:32])}</text>')
    legend = ", ".join(f"{colour}: {verdict}" for colour, verdict in zip(_NAMES, _COLOURS, strict=True))
    parts.append(f'<text x="20" y="{height - 20}" fill="#444444">{legend}</text></g></svg>')
    return "\n".join(parts)

"""The models that Vosk's makers publish: a list that ships with the device, and the newest one where there is internet.

Source: Vosk's own `model-list.json` (name, language, size, MD5) and its page of models (licence), as of November 2026.
Where the page names no licence, the field is empty.
"""

import csv
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.errors import EchoError

SITE = "https://alphacephei.com/vosk/models/"
LIST = Path(__file__).with_suffix(".tsv")
PATIENCE_S = 20.0
LONGEST = 4_000_000  # bytes of the list
KINDS = {"small", "big", "big-lgraph"}  # of the site's: those that turn speech into words


@dataclass(frozen=True)
class OfficialModel:
    """One entry of the list."""

    name: str
    language: str
    size: int
    """Bytes of the archive."""
    md5: str
    """Of the archive, in hexadecimal; empty where it is not known."""
    licence: str


def shipped() -> tuple[OfficialModel, ...]:
    """The list that ships."""
    with LIST.open(encoding="utf-8", newline="") as file:
        return tuple(_entry(**row) for row in csv.DictReader(file, delimiter="\t"))


def online(site: str = SITE) -> tuple[OfficialModel, ...]:
    """The list as it is on the site now; licences are those that we know.

    Raises EchoError where the site cannot be reached, or answers with something else.
    """
    licences = {model.name: model.licence for model in shipped()}
    with reach(f"{site}model-list.json", "Without it, the list that ships: echo-device models") as answer:
        content = answer.read(LONGEST)
    return listed(content, licences, site)


def listed(content: bytes, licences: Mapping[str, str], site: str = SITE) -> tuple[OfficialModel, ...]:
    """The site's model-list.json, by language and size; `licences` by name. Raises EchoError where it is none."""
    try:
        found = [
            _entry(entry["name"], entry["lang_text"], entry["size"], entry["md5"], licences.get(entry["name"], ""))
            for entry in json.loads(content)
            if entry["obsolete"] != "true" and entry["type"] in KINDS
        ]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise EchoError(f"{site}model-list.json is no list of Vosk models. Is {site} right?") from error
    return tuple(sorted(found, key=lambda model: (model.language, model.size)))


def reach(address: str, remedy: str) -> Any:
    """Open an address of the web for reading. Raises EchoError, with the remedy, where that cannot be."""
    if not address.startswith(("https://", "http://")):
        raise EchoError(f"{address!r} is no address of the web. Begin it with https://")
    try:
        return urllib.request.urlopen(address, timeout=PATIENCE_S)  # noqa: S310 - only http, checked above
    except urllib.error.HTTPError as error:
        raise EchoError(f"{address} is not to be had: the server answers {error.code}. {remedy}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise EchoError(f"{address} cannot be reached ({reason}). {remedy}") from error


def _entry(name: str, language: str, size: str | int, md5: str, licence: str) -> OfficialModel:
    """Raises ValueError where a name is none: it becomes a folder's."""
    if not isinstance(name, str) or not name or name != Path(name).name or name.startswith("."):
        raise ValueError(name)
    return OfficialModel(name, str(language), int(size), str(md5).lower(), licence)

"""What fuzzing begins from: a good input or two of each decoder, and every input that once broke one.

`python -m tests.fuzz.seeds` writes them to corpus/TARGET/NAME, where both drivers read them.
"""

import io
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import soundfile
from msgspec import Meta, Struct

from cloud_stub.contract import trace
from cloud_stub.contract.channels import CHANNELS
from cloud_stub.contract.messages import DEVICE_PATTERN, ID_PATTERN, Interaction, encode, recording_topic
from cloud_stub.contract.partners import PartnerRequest
from cloud_stub.retention import policy
from device.settings import template
from tests.cloud_stub.house import flac

ID = "01998877-6655-7433-8211-00ffeeddccbb"
OTHER_ID = "01998877-6656-7433-8211-00ffeeddccbb"
AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

CORPUS = Path(__file__).parent / "corpus"
TOY = Path(__file__).parents[1] / "device/toy/recipe.toml"

DEEP = "[" * 3000
DIGITS = "9" * 5000
#: A time of the calendar, and beyond it in UTC.
BEYOND = "9999-12-31T23:59:59-01:00"


def claiming(samples: int) -> bytes:
    """A short FLAC file whose header says that it has so many samples; 0 says that nobody knows."""
    sound = bytearray(flac(seconds=0.02))
    # STREAMINFO begins at byte 8, and its byte 13 with the upper four of the number's 36 bits.
    sound[21] = sound[21] & 0xF0 | samples >> 32
    sound[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
    return bytes(sound)


def sound(kind: str, rate: int = 16_000, channels: int = 1, samples: int = 320) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((samples, channels), np.int16), rate, format=kind)
    return file.getvalue()


def on(topic: str, payload: bytes | str | dict[str, object]) -> bytes:
    """A message as the targets take it."""
    shown = json.dumps(payload) if isinstance(payload, dict) else payload
    return topic.encode() + b"\n" + (shown.encode() if isinstance(shown, str) else shown)


def message(kind: type[Struct]) -> Struct:
    """A message of that kind with every field in it."""
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{name: value(hints[name]) for name in kind.__struct_fields__})


def value(hint: Any) -> Any:
    """Something that a field of that type may hold."""
    base, *more = get_args(hint) if get_origin(hint) else (hint,)
    meta = more[0] if get_origin(hint) is Annotated else Meta()
    if get_origin(hint) in {Union, UnionType, Literal}:
        return value(base) if get_origin(hint) is not Literal else base
    if get_origin(hint) is dict:
        return {"size": "large", "quantity": 2}
    if get_origin(base) is list:
        return [value(get_args(base)[0])]
    if isinstance(base, type) and issubclass(base, Struct):
        return message(base)
    words = {ID_PATTERN: ID, DEVICE_PATTERN: "kitchen", None: "good morning"}
    return {str: words[meta.pattern], int: meta.ge, float: meta.ge, bool: True, datetime: AT}[base]


def lines(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def messages() -> Iterator[tuple[str, str, bytes]]:
    """(channel, topic, payload) of one message of every kind."""
    for channel in CHANNELS:
        made = message(channel.kind) if channel.kind is not None else None
        named = {
            "device": getattr(made, "device", "kitchen"),
            "interaction": ID,
            "partner": getattr(made, "partner", "pizza"),
        }
        payload = encode(made) if made is not None else flac(seconds=0.02)
        yield channel.name, channel.address.format(**named), payload


def examples() -> Iterator[tuple[str, str, bytes]]:
    """(target, name, input) of what is good."""
    for name, topic, payload in messages():
        yield "contract", name, on(topic, payload)
        kind, _, last = name.partition("-")
        if kind in {"event", "partner"}:
            yield "ingest", name, on(topic, payload)
        if kind in {"control", "directive"}:
            yield kind, last, on(last, payload)
    week = trace.load(trace.locate("week"))
    for number, said in enumerate(trace.interactions(week)[:40:4]):
        yield "ingest", f"week-{number}", on(said.topic(), encode(said))
    spoken = Interaction(id=ID, device="kitchen", at=AT, source="text", wake_word="alexa", transcript="stop")
    yield "ingest", "recording-first", on(recording_topic("kitchen", OTHER_ID), flac(seconds=0.02))
    sent = [trace.Sent(AT, spoken.topic(), encode(spoken)), trace.Sent(AT, "partner/v1/pizza/reply", b"{}")]
    yield "trace", "two", lines(*map(trace.line, sent))
    yield "captured", "two", lines(f"{spoken.topic()} {encode(spoken).hex()}", "echo/v1/kitchen/control/stop ")
    yield "recording", "noise", flac(seconds=0.02)
    yield "recording", "silence", sound("FLAC")
    for name, kind, rate, channels in (
        ("wav", "WAV", 8_000, 2),
        ("float", "WAV", 44_100, 1),
        ("flac", "FLAC", 48_000, 2),
    ):
        yield "control", f"hear-{name}", on("hear", sound(kind, rate, channels))
    asked = PartnerRequest(id=ID, verb="perform", account="a", interaction=ID, at=AT, details={"size": "large", "n": 2})
    yield "third_party", "perform", encode(asked)
    yield "third_party", "delete", encode(PartnerRequest(id=ID, verb="delete", account="a", interaction=ID, at=AT))
    shipped = (policy.SHIPPED / "erase-everything.toml").read_bytes()
    yield "policy", "whole", shipped
    yield "policy", "based", (policy.SHIPPED / "auto-delete-3-months.toml").read_bytes()
    more = '[settings]\nsave_recordings = "no"\n[backups]\nevery = "P1D"\nkeep = "PT36H"\n'
    yield "policy", "backed-up", f'name = "x"\nbased_on = "erase-everything"\nsealed = true\n{more}'.encode()
    values = [line.removeprefix("# ") for line in template().splitlines() if " = " in line]
    yield "settings", "all", lines(*values)
    yield "settings", "some", lines('device = "bedroom"', 'outbox_age = "P1DT2H"', "voice = false", 'data = "~/echo"')
    yield "switches", "muted", b'{"muted": true, "volume": 20}'
    yield "transcripts", "two", lines("file\tsplit\ttranscript", "a.flac\ttrain\thello there", "b.flac\tdev\tstop")
    entry = {"name": "vosk-model-small-xx-0.1", "lang_text": "Xish", "size": 40_000, "md5": "0" * 32, "type": "small"}
    yield "models", "one", json.dumps([entry | {"obsolete": "false"}, entry | {"obsolete": "true"}]).encode()
    yield "recipe", "toy", TOY.read_bytes()
    kept = {"name": "2026", "time": "2026-11-23T10:00:00.000000Z", "policy": "x", "sealed": True, "keys": "k"}
    yield "manifest", "one", json.dumps(kept | {"bytes": {"primary": 4096}}).encode()
    yield "receipt", "signed", json.dumps(signed({"deletion": ID, "decisions": [], "ledger": head()})).encode()
    for name, text in {"plain": "mqtt://127.0.0.1:1883", "all": "mqtts://user:p%40ss@[::1]:8883/"}.items():
        yield "broker_address", name, text.encode()
    for name, text in {"utc": "2026-11-23T10:00:00Z", "day": "2026-11-23", "zone": "2026-11-23T10:00+05:45"}.items():
        yield "time", name, text.encode()


def head() -> dict[str, object]:
    return {"length": 3, "head": "0" * 64}


def signed(body: dict[str, object]) -> dict[str, object]:
    """A receipt that anybody could make, with a key of theirs."""
    from base64 import b64encode

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    public = key.public_key().public_bytes_raw()
    return body | {"key": b64encode(public).decode(), "signature": b64encode(key.sign(text)).decode()}


def alert(**changes: object) -> bytes:
    fields = {"id": OTHER_ID, "interaction": ID, "kind": "alarm", "due": "2026-11-23T10:00:00Z"} | changes
    return on("alert", fields)


#: (target, name, input, words of the refusal; None: it is taken, or what is wrong is noted, and nothing breaks).
FOUND: list[tuple[str, str, bytes, str | None]] = [
    ("contract", "deep", on("echo/v1/kitchen/directive/clock", f'{{"version": {DEEP}'), "no Clock message"),
    ("ingest", "deep", on("echo/v1/kitchen/event/confirm", f'{{"version": {DEEP}'), None),
    ("directive", "deep", on("clock", f'{{"version": {DEEP}'), None),
    ("third_party", "deep", f'{{"details": {{"a": {DEEP}'.encode(), "no PartnerRequest message"),
    (
        "third_party",
        "beyond",
        json.dumps({"id": ID, "verb": "perform", "account": "a", "interaction": ID, "at": BEYOND}).encode(),
        "at is in the year 9999",
    ),
    ("contract", "beyond", on("echo/v1/kitchen/directive/clock", {"id": ID, "now": BEYOND}), "now is in the year 9999"),
    (
        "contract",
        "version-of-many-digits",
        on(f"echo/v{DIGITS}/kitchen/event/confirm", "{}"),
        "no topic of this contract",
    ),
    ("directive", "clock-beyond", on("clock", {"id": ID, "now": BEYOND}), None),
    ("directive", "clock-at-its-end", on("clock", {"id": ID, "now": "9999-12-31T23:59:59.999999Z"}), None),
    ("directive", "alert-beyond", alert(due=BEYOND), None),
    ("directive", "alert-at-the-end-elsewhere", alert(due="9999-12-31T23:59:59Z", zone="Pacific/Kiritimati"), None),
    ("directive", "alert-at-the-beginning-elsewhere", alert(due="0001-01-01T00:00:00Z", zone="Pacific/Honolulu"), None),
    ("directive", "alert-on-a-continent", alert(zone="Europe"), None),
    ("recording", "of-years", claiming(2**36 - 1), "claims 68719476735 samples"),
    ("recording", "of-nobody-knows", claiming(0), "Send 1 to 60 s"),
    ("recording", "breaks-off", claiming(400), "Send all of it"),
    ("recording", "torn", flac(seconds=0.02)[:-40], "Send all of it"),
    ("ingest", "recording-of-years", on(recording_topic("kitchen", ID), claiming(2**36 - 1)), None),
    ("control", "hear-of-years", on("hear", claiming(2**36 - 1)), "Send at most 60 s"),
    ("policy", "deep", f"name = {DEEP}".encode(), "not TOML"),
    ("policy", "digits", f"name = {DIGITS}".encode(), "not TOML"),
    ("policy", "hexadecimal-digits", f"name = 0x{DIGITS}".encode(), "not TOML"),
    ("policy", "based-on-nul", b'name = "x"\nbased_on = "a\\u0000b"', "based_on"),
    ("settings", "deep", f"data = {DEEP}".encode(), "no TOML"),
    ("settings", "digits", f"volume = {DIGITS}".encode(), "no TOML"),
    ("settings", "hexadecimal-digits", f"volume = 0x{DIGITS}".encode(), "no TOML"),
    ("settings", "home-of-nobody", b'data = "~nobody-of-that-name/x"', "Expected a path"),
    ("recipe", "deep", f"name = {DEEP}".encode(), "cannot be used"),
    ("transcripts", "no-columns", lines("file\ttranscript", "a.flac\thello"), "has no split"),
    ("transcripts", "short-row", lines("file\tsplit\ttranscript", "a.flac\ttrain"), "row 1 has no transcript"),
    ("transcripts", "not-utf-8", b"file\tsplit\ttranscript\n\xff\ttrain\tx\n", "Write it as UTF-8"),
    (
        "models",
        "infinite",
        b'[{"name": "a", "lang_text": "b", "size": Infinity, "md5": "", "obsolete": "", "type": "big"}]',
        "no list of Vosk models",
    ),
    ("models", "deep", DEEP.encode(), "no list of Vosk models"),
    ("manifest", "not-utf-8", b'{"name": "\xff"}', "Remove its folder"),
    (
        "manifest",
        "no-time",
        b'{"name": "a", "time": "soon", "policy": "b", "sealed": true, "keys": "", "bytes": {}}',
        "Remove its folder",
    ),
    ("receipt", "deep", DEEP.encode(), "is no receipt"),
    ("receipt", "digits", DIGITS.encode(), "is no receipt"),
    ("receipt", "of-nothing", json.dumps(signed({"ledger": {}})).encode(), "is no receipt"),
    ("time", "beyond", b"0001-01-01T00:00:00+01:00", "is no time"),
]


def main() -> None:
    """Write them all; what is there and is not made here was found by a fuzzer, and stays."""
    found = ((target, f"found-{name}", given) for target, name, given, _ in FOUND)
    for target, name, given in (*examples(), *found):
        file = CORPUS / target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(given)


if __name__ == "__main__":
    main()

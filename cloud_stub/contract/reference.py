"""Writes docs/messages.md: one table of all that crosses the wire, made from the contract's structs.

Run it after a change to the contract: python -m cloud_stub.contract.reference > docs/messages.md
"""

import re
import sys
from collections.abc import Iterator
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields

from cloud_stub.contract import control, messages

HEAD = """\
# Messages

Everything that crosses the wire between a device and its cloud, or is sent to a device. Made from the contract
(`cloud_stub/contract/`) by `python -m cloud_stub.contract.reference`; a test keeps it in step.

Payloads are JSON in UTF-8 unless the table says otherwise; times are RFC 3339 UTC; a field with `= value` may be left
out. `{device}` is the device's name.
"""

RECORDING = "The sound of an interaction, sent beside it. The payload is the FLAC file, 16 kHz mono."


def table() -> str:
    """The page, as Markdown."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield HEAD
    yield from _section("Events: the device to the cloud, at least once")
    for name, kind in messages.EVENTS.items():
        yield _row(messages.event_topic("{device}", name), kind)
    yield f"| `{messages.recording_topic('{device}', '{interaction}')}` | bytes | {RECORDING} |"
    yield from _section("State: the device to whoever wants to know, retained")
    yield _row(messages.state_topic("{device}"), messages.State)
    yield from _section("Directives: the cloud to the device, repeated until confirmed")
    for name, directive in messages.DIRECTIVES.items():
        yield _row(messages.directive_topic("{device}", name), directive)
    yield from _section("Control: anybody who may, to the device")
    for name, command in control.COMMANDS.items():
        yield _row(control.control_topic("{device}", name), command)
    yield "\nThe parts:\n"
    for part in (messages.Word, messages.MicrophoneHealth):
        yield f"- `{part.__name__}`: {_fields(part)}. {_when(part)}"
    yield "\nThe attention states are " + ", ".join(f"`{state}`" for state in get_args(messages.Attention)) + "."


def _section(title: str) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield "| topic | payload | when, and what it says |"
    yield "|---|---|---|"


def _row(topic: str, kind: type[Struct]) -> str:
    payload = "bytes" if kind is control.Hear else _fields(kind) or "empty, or `{}`"
    return f"| `{topic}` | {payload} | {_when(kind)} |"


def _when(kind: type[Struct]) -> str:
    return re.sub(r"\s+", " ", kind.__doc__ or "").strip()


def _fields(kind: type[Struct]) -> str:
    hints = get_type_hints(kind, include_extras=True)
    shown = []
    tag = kind.__struct_config__.tag
    if tag is not None:
        shown.append(f'`{kind.__struct_config__.tag_field}: "{tag}"`')
    for field in fields(kind):
        default = field.default if field.default_factory is NODEFAULT else field.default_factory()
        standard = "" if default is NODEFAULT else f" = {msgspec.json.encode(default).decode()}"
        shown.append(f"`{field.encode_name}: {_type(hints[field.name])}{standard}`")
    return ", ".join(shown)


def _type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _limited(arguments[0], arguments[1])
    if origin is Literal:
        return " or ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in arguments)
    if origin in {Union, UnionType}:
        return " or ".join("null" if argument is NoneType else _type(argument) for argument in arguments)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    plain = {str: "text", bool: "true or false", int: "number", float: "number", datetime: "time", bytes: "bytes"}
    return plain.get(hint, getattr(hint, "__name__", str(hint)))


def _limited(base: Any, meta: Meta) -> str:
    if meta.pattern == messages.ID_PATTERN:
        return "id"
    if meta.pattern == messages.DEVICE_PATTERN:
        return "name"
    if meta.ge is not None and meta.le is not None:
        return f"{int(meta.ge)} to {int(meta.le)}" if meta.le < 10**9 else "count"
    return _type(base)


if __name__ == "__main__":
    sys.stdout.write(table())

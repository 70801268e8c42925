"""Writes the contract as documents: docs/asyncapi.yaml (AsyncAPI 3.0), and a JSON Schema for each message.

Run it after a change to the contract: python -m cloud_stub.contract.asyncapi docs
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from cloud_stub.contract.channels import CHANNELS, PARAMETERS, Channel
from cloud_stub.contract.messages import MAX_MESSAGE_BYTES, MAX_RECORDING_BYTES, VERSION
from cloud_stub.contract.schemas import parts, schema

ABOUT = f"""
What crosses the wire between an emulated smart speaker, its cloud and third parties. Payloads are JSON in UTF-8, at
most {MAX_MESSAGE_BYTES} bytes, or a sound file of at most {MAX_RECORDING_BYTES}. Operations are those of the device.
Each event but error and confirm ends in one answer: stored, forgotten, refused or settings.
Made by python -m cloud_stub.contract.asyncapi; messages.md says the same as a table.
"""


def documents() -> dict[str, str]:
    """What is written, by the path below docs/."""
    made = {f"schemas/{channel.name}.json": _json(schema(channel.kind)) for channel in CHANNELS if channel.kind}
    return made | {"asyncapi.yaml": msgspec.yaml.encode(document()).decode()}


def document() -> dict[str, Any]:
    """The AsyncAPI document, complete in itself."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Residual Echo",
            "version": f"{VERSION}.0.0",
            "description": " ".join(ABOUT.split()),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:1883", "protocol": "mqtt", "protocolVersion": "3.1.1"}},
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {
            f"{_action(channel)}-{channel.name}": _operation(channel)
            for channel in CHANNELS
            if "{device}" in channel.address
        },
        "components": {
            "schemas": {name: part for channel in CHANNELS for name, part in _schemas(channel).items()},
            "messages": {channel.name: _message(channel) for channel in CHANNELS},
            "parameters": {name: {"description": f"Matches {pattern}"} for name, pattern in PARAMETERS.items()},
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    named = [name for name in PARAMETERS if f"{{{name}}}" in channel.address]
    return {
        "address": channel.address,
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in named},
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
    }


def _action(channel: Channel) -> str:
    return "send" if channel.sender == "device" else "receive"


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": _action(channel),
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retained}},
    }


def _message(channel: Channel) -> dict[str, Any]:
    about = {"name": channel.name, "summary": channel.says}
    if channel.kind is None:
        return about | {"contentType": "audio/flac"}
    return about | {"payload": {"$ref": f"#/components/schemas/{channel.name}"}}


def _schemas(channel: Channel) -> dict[str, Any]:
    """The message's own under the channel's name, for two messages may bear one; its parts under theirs."""
    if channel.kind is None:
        return {}
    made = parts([channel.kind], "#/components/schemas/{name}")
    return {channel.name: made.pop(channel.kind.__name__)} | made


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def main(folder: Path) -> None:
    """Write all of it there."""
    for name, text in documents().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

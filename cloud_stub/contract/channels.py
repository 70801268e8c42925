"""Every topic of the contract with what is sent on it, and the check of a message against it."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from msgspec import Struct

from cloud_stub.contract import control, messages
from cloud_stub.contract.messages import DEVICE_PATTERN, ID_PATTERN, MAX_MESSAGE_BYTES, MAX_RECORDING_BYTES, VERSION
from cloud_stub.contract.partners import PartnerNotice, PartnerReply, PartnerRequest, partner_topic

Sender = Literal["device", "cloud", "anybody", "third party"]

#: What the braces of an address stand for.
PARAMETERS = {"device": DEVICE_PATTERN, "interaction": ID_PATTERN, "partner": DEVICE_PATTERN}

RECORDING = "The sound of an interaction, sent beside it. The payload is the FLAC file, 16 kHz mono."


@dataclass(frozen=True)
class Channel:
    """One topic. `address` has {device} and its like in it; `kind` is None where the payload is no JSON but a file."""

    name: str
    address: str
    sender: Sender
    kind: type[Struct] | None
    says: str
    qos: Literal[0, 1] = 1
    retained: bool = False

    def match(self, topic: str) -> dict[str, str] | None:
        """What stands for each name in braces, if the topic is one of this channel's."""
        found = _pattern(self.address).fullmatch(topic)
        return found.groupdict() if found else None


@cache
def _pattern(address: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>[^/]+)", address))


def _says(kind: type[Struct]) -> str:
    return re.sub(r"\s+", " ", kind.__doc__ or "").strip()


def _channels() -> list[Channel]:
    device, partner = "{device}", "{partner}"
    found = [
        Channel(f"event-{name}", messages.event_topic(device, name), "device", kind, _says(kind))
        for name, kind in messages.EVENTS.items()
    ]
    topic = messages.recording_topic(device, "{interaction}")
    found.append(Channel("event-recording", topic, "device", None, RECORDING))
    state = messages.State
    found.append(Channel("state", messages.state_topic(device), "device", state, _says(state), 0, retained=True))
    found += [
        Channel(f"directive-{name}", messages.directive_topic(device, name), "cloud", directive, _says(directive))
        for name, directive in messages.DIRECTIVES.items()
    ]
    for name, command in control.COMMANDS.items():
        kind = None if command is control.Hear else command
        found.append(
            Channel(f"control-{name}", control.control_topic(device, name), "anybody", kind, _says(command), 0)
        )
    request, reply, notice = PartnerRequest, PartnerReply, PartnerNotice
    return [
        *found,
        Channel("partner-request", partner_topic(partner, "request"), "cloud", request, _says(request)),
        Channel("partner-reply", partner_topic(partner, "reply"), "third party", reply, _says(reply)),
        Channel("partner-notice", partner_topic(partner, "notice"), "third party", notice, _says(notice)),
    ]


CHANNELS = _channels()


def check(topic: str, payload: bytes) -> None:
    """Raises ValueError where no such message may be sent on that topic: what is wrong, and what was expected."""
    channel, named = _found(topic)
    for name, value in named.items():
        if not re.match(PARAMETERS[name], value):
            raise ValueError(f"{value[:80]!r} is no {name}. Expected {PARAMETERS[name]}")
    if channel.sender == "anybody":
        control.read_command(topic.rsplit("/", 1)[1], payload)
        return
    limit = MAX_MESSAGE_BYTES if channel.kind else MAX_RECORDING_BYTES
    if len(payload) > limit:
        raise ValueError(f"{len(payload)} bytes are too many. Send at most {limit}.")
    if channel.kind is None:
        if not payload.startswith(b"fLaC"):
            raise ValueError("the recording is no FLAC file. Expected one, 16 kHz mono.")
        return
    sent = messages.decode(channel.kind, payload)
    for name in ("device", "partner"):
        if name in named and getattr(sent, name, named[name]) != named[name]:
            raise ValueError(f"{named[name]} spoke for {getattr(sent, name)}. Each sends only in its own name.")


def _found(topic: str) -> tuple[Channel, dict[str, str]]:
    for channel in CHANNELS:
        if (named := channel.match(topic)) is not None:
            return channel, named
    other = re.match(r"(?:echo|partner)/v([0-9]{1,9})/", topic)
    if other and int(other[1]) != VERSION:
        raise ValueError(
            f"it is of version {other[1]} of the contract, and this is version {VERSION}. Update the older of the two."
        )
    raise ValueError(f"{topic[:200]!r} is no topic of this contract. docs/messages.md lists them.")

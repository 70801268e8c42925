"""Control commands: what a person, a test or a home automation may ask of a device over MQTT.

Each goes to `echo/v1/{device}/control/{command}`, at any quality of service, never retained. Each is answered by the
device's state on `echo/v1/{device}/state`, and a bad one by an `event/error` before that. A device that is offline
misses it: nobody wants a device to listen because of a command of yesterday.
"""

from typing import ClassVar

from msgspec import Struct

from cloud_stub.contract.messages import MAX_RECORDING_BYTES, ROOT, Percent, Text, decode


class Hear(Struct, frozen=True):
    """Hear this sound as if it were spoken, wake word and all. The payload is the file itself, WAV or FLAC, up to a
    minute of it.
    """

    name: ClassVar[str] = "hear"

    sound: bytes


class Say(Struct, frozen=True, forbid_unknown_fields=True):
    """Take this text as if it were heard after the wake word. It has no recording."""

    name: ClassVar[str] = "say"

    text: Text


class Speak(Struct, frozen=True, forbid_unknown_fields=True):
    """Speak this text in the room. Nothing of it is sent or kept."""

    name: ClassVar[str] = "speak"

    text: Text


class PushToTalk(Struct, frozen=True, forbid_unknown_fields=True):
    """Listen at once, without the wake word."""

    name: ClassVar[str] = "push_to_talk"


class Mute(Struct, frozen=True, forbid_unknown_fields=True):
    """Close the microphone. It stays closed, also after a restart, until `unmute`, or until `mute` with `on` false, as
    a switch says it.
    """

    name: ClassVar[str] = "mute"

    on: bool = True


class Unmute(Struct, frozen=True, forbid_unknown_fields=True):
    """Open the microphone again."""

    name: ClassVar[str] = "unmute"


class Stop(Struct, frozen=True, forbid_unknown_fields=True):
    """Stop speaking, stop listening to the request that is under way and forget its sound."""

    name: ClassVar[str] = "stop"


class Volume(Struct, frozen=True, forbid_unknown_fields=True):
    """How loud the device speaks, 0 to 100; kept over a restart."""

    name: ClassVar[str] = "volume"

    level: Percent


class DoNotDisturb(Struct, frozen=True, forbid_unknown_fields=True):
    """While on, the device speaks only when it was spoken to: `speak` is refused. Kept over a restart."""

    name: ClassVar[str] = "do_not_disturb"

    on: bool


Command = Hear | Say | Speak | PushToTalk | Mute | Unmute | Stop | Volume | DoNotDisturb

#: Commands by the last segment of their topic.
COMMANDS: dict[str, type[Command]] = {
    kind.name: kind for kind in (Hear, Say, Speak, PushToTalk, Mute, Unmute, Stop, Volume, DoNotDisturb)
}


def control_topic(device: str, command: str) -> str:
    """`echo/v1/{device}/control/{command}`; with `+` for the command, what a device subscribes to."""
    return f"{ROOT}/{device}/control/{command}"


def read_command(name: str, payload: bytes) -> Command:
    """The command of that name. A command without fields needs no payload.

    Raises ValueError naming what is wrong and what was expected.
    """
    kind = COMMANDS.get(name)
    if kind is None:
        raise ValueError(f"there is no control command {name[:40]!r}. There are: {', '.join(COMMANDS)}")
    if len(payload) > MAX_RECORDING_BYTES:
        raise ValueError(f"the payload of {name!r} has {len(payload)} bytes. Send at most {MAX_RECORDING_BYTES}.")
    if kind is Hear:
        return Hear(payload)
    try:
        return decode(kind, payload.strip() or b"{}")
    except ValueError as error:
        fields = ", ".join(kind.__struct_fields__)
        wanted = f"a JSON object with {fields}" if fields else "no payload"
        raise ValueError(f"{name!r} cannot be read: {error}. Expected {wanted}.") from error

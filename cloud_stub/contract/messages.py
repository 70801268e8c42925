"""Every message that crosses the wire, each with its topic beside its fields.

Device and cloud both import this module and nothing else of each other. All times are RFC 3339 UTC, all
payloads JSON in UTF-8 except a recording's, which is FLAC.

*Events* go from a device to the cloud, *directives* from the cloud to a device: the names that the Alexa Voice
Service gives the two directions.
"""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from cloud_stub.contract.recurrence import Recurrence

VERSION: Literal[1] = 1
ROOT = f"echo/v{VERSION}"

#: A device may not make the cloud hold more than this: a minute of 16-bit sound at 16 kHz, uncompressed.
MAX_RECORDING_BYTES = 2_000_000
MAX_MESSAGE_BYTES = 64_000

#: In Python a $ also matches before a line break at the end, hence the look-ahead.
DEVICE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)"
ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$(?!\n)"

#: The first and the last year of a time on the wire, on its own clock. A year short of what a calendar holds at both
#: ends, so that every zone's clock can show it, and what is added to it is still a time.
YEARS = (2, 9998)

Utc = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
Name = Annotated[str, Meta(pattern=DEVICE_PATTERN)]
Text = Annotated[str, Meta(max_length=2000)]
Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]
#: What an answer is about. A setting's event has an id of its own, which stands where an interaction's would.
Part = Literal["interaction", "recording", "setting"]
YesNo = Literal["yes", "no"]
Source = Literal["microphone", "file", "injected", "text"]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST = datetime.max.replace(tzinfo=UTC) - _EPOCH


def new_id(at: datetime | None = None, random: bytes | None = None) -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds (of `at`, or now), then random, so that ids sort by time.

    `random` is ten bytes for who has to make the same id again.
    """
    milliseconds = (at - _EPOCH) // _MILLISECOND if at is not None else time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(random or os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def time_of(made: str) -> datetime:
    """The time that a UUIDv7 carries, to the millisecond; the calendar's last where that is beyond it."""
    milliseconds = int(made.replace("-", "")[:12], 16)
    return _EPOCH + min(milliseconds * _MILLISECOND, _LONGEST)


def rfc3339(moment: datetime) -> str:
    """`moment` as text in UTC with microseconds, of one width, so that text order is time order.

    Raises ValueError for a time without a zone, which would silently mean another moment elsewhere, and for one that
    is beyond the calendar in UTC.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone. Give one: 2026-11-23T10:00:00Z")
    try:
        utc = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{moment.isoformat()} is beyond the calendar. Set the clock.") from error
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Word(Struct, frozen=True, forbid_unknown_fields=True):
    """One word as Vosk heard it; times count from the start of the recording."""

    word: Annotated[str, Meta(max_length=100)]
    start_ms: Milliseconds
    end_ms: Milliseconds
    confidence: Annotated[float, Meta(ge=0.0, le=1.0)]


class Interaction(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One request after the wake word. Its account is never in the message: the cloud looks it up."""

    name: ClassVar[str] = "interaction"

    id: Id
    version: Literal[1] = VERSION
    device: Name
    at: Utc
    source: Source
    wake_word: Annotated[str, Meta(max_length=40)]
    transcript: Text
    """The words after the wake word; empty when only the wake word was heard."""
    words: Annotated[list[Word], Meta(max_length=400)] = []
    model: Annotated[str, Meta(max_length=100)] = ""
    has_recording: bool = False

    def topic(self) -> str:
        """Where this event is published."""
        return f"{ROOT}/{self.device}/event/{self.name}"


class Setting(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Change a setting of the household that the device belongs to. Which there are, the cloud knows."""

    name: ClassVar[str] = "setting"

    id: Id
    at: Utc
    setting: Annotated[str, Meta(max_length=100)] = msgspec.field(name="name")
    value: Annotated[str, Meta(max_length=100)]


class Confirm(Struct, frozen=True, forbid_unknown_fields=True):
    """The device has acted on these directives; the cloud may erase them."""

    name: ClassVar[str] = "confirm"

    directives: Annotated[list[Id], Meta(min_length=1, max_length=500)]


class DeviceError(Struct, frozen=True, forbid_unknown_fields=True):
    """Something went wrong on the device. Names the cause and the remedy, never what was said."""

    name: ClassVar[str] = "error"

    at: Utc
    problem: Text
    remedy: Text


Attention = Literal["idle", "listening", "thinking", "speaking", "alerting", "muted", "deaf"]


Count = Annotated[int, Meta(ge=0, le=2**53)]
#: As far as every reader of JSON keeps whole numbers apart.
Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Percent = Annotated[int, Meta(ge=0, le=100)]


class MicrophoneHealth(Struct, frozen=True, forbid_unknown_fields=True):
    """How well sound arrives. The counts begin anew with the device's process."""

    name: Annotated[str, Meta(max_length=300)]
    """Which microphone at which rate, or why there is none."""
    overflows: Count = 0
    """Times that the sound system reported lost input."""
    late: Count = 0
    """Times that sound fell a tenth of a second further behind the clock: nothing reports that, so it is measured."""
    dropped: Count = 0
    """Blocks of 20 ms that the device was too busy to take."""
    returns: Count = 0
    """Times that the microphone came back after it was gone."""


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """Published retained on `state`, at every change and as the answer to every control command; the last will says
    offline.
    """

    attention: Attention
    connection: Literal["online", "offline"]
    at: Utc | None = None
    muted: bool = False
    do_not_disturb: bool = False
    volume: Percent = 50
    microphone: MicrophoneHealth | None = None
    last_heard: Utc | None = None
    """When the device last heard a request; what it was is said nowhere."""


class Stored(Struct, frozen=True, forbid_unknown_fields=True, tag="stored", tag_field="directive"):
    """This part of the interaction is stored: the device's outbox may forget it."""

    name: ClassVar[str] = "stored"

    id: Id
    interaction: Id
    part: Part


class Forgotten(Struct, frozen=True, forbid_unknown_fields=True, tag="forgotten", tag_field="directive"):
    """This part is not kept: it was deleted, or a setting forbids keeping it. The outbox may forget it."""

    name: ClassVar[str] = "forgotten"

    id: Id
    interaction: Id
    part: Part


class Refused(Struct, frozen=True, forbid_unknown_fields=True, tag="refused", tag_field="directive"):
    """The message could not be taken. `interaction` is None where the message was too torn to name one."""

    name: ClassVar[str] = "refused"

    id: Id
    reason: Text
    interaction: Id | None = None
    part: Part | None = None


class Speak(Struct, frozen=True, forbid_unknown_fields=True, tag="speak", tag_field="directive"):
    """The answer to an interaction, to be spoken. It holds words: the cloud erases it once confirmed."""

    name: ClassVar[str] = "speak"

    id: Id
    interaction: Id
    intent: Annotated[str, Meta(max_length=100)]
    text: Text


class Settings(Struct, frozen=True, forbid_unknown_fields=True, tag="settings", tag_field="directive"):
    """The answer to a Setting event: the household's settings now in force. `interaction` is the event's id."""

    name: ClassVar[str] = "settings"

    id: Id
    interaction: Id
    auto_delete: Annotated[str, Meta(max_length=100)]
    """"never", or an ISO 8601 period."""
    save_recordings: YesNo
    use_for_improvement: YesNo
    delete_by_voice: YesNo


AlertKind = Literal["alarm", "timer", "reminder"]


class Alert(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="alert", tag_field="directive"):
    """Ring at `due`, also while offline, and again as it recurs. (interaction, position) is what it is known by."""

    name: ClassVar[str] = "alert"

    id: Id
    interaction: Id
    position: Annotated[int, Meta(ge=0, le=1000)] = 0
    kind: AlertKind
    due: Utc
    recurrence: Recurrence = ""
    zone: Annotated[str, Meta(max_length=100)] = "UTC"
    """The IANA time zone on whose wall clock it recurs."""
    about: Text = ""


class Forget(Struct, frozen=True, forbid_unknown_fields=True, tag="forget", tag_field="directive"):
    """The cloud has erased what it held of these interactions: erase the device's copies of it."""

    name: ClassVar[str] = "forget"

    id: Id
    what: Literal["interaction", "recording", "alert", "about"]
    """What waits in the outbox; the sound that waits or was saved; what would ring; what that is about."""
    interactions: Annotated[list[Id], Meta(min_length=1, max_length=500)]


class Clock(Struct, frozen=True, forbid_unknown_fields=True, tag="clock", tag_field="directive"):
    """The cloud's simulated time: alerts ring by it where it is ahead of the device's own."""

    name: ClassVar[str] = "clock"

    id: Id
    now: Utc


Directive = Stored | Forgotten | Refused | Speak | Settings | Alert | Forget | Clock


#: Directives by the last segment of their topic.
DIRECTIVES: dict[str, type[Directive]] = {
    kind.name: kind for kind in (Stored, Forgotten, Refused, Speak, Settings, Alert, Forget, Clock)
}

#: Events that carry JSON, by the last segment of their topic. A recording's event is bytes.
EVENTS: dict[str, type[Interaction | Setting | Confirm | DeviceError]] = {
    kind.name: kind for kind in (Interaction, Setting, Confirm, DeviceError)
}


def event_topic(device: str, event: str) -> str:
    """`echo/v1/{device}/event/{event}`."""
    return f"{ROOT}/{device}/event/{event}"


def recording_topic(device: str, interaction: str) -> str:
    """`echo/v1/{device}/event/recording/{interaction}`: the payload is the FLAC file."""
    return f"{ROOT}/{device}/event/recording/{interaction}"


def state_topic(device: str) -> str:
    """`echo/v1/{device}/state`, retained."""
    return f"{ROOT}/{device}/state"


def directive_topic(device: str, directive: str) -> str:
    """`echo/v1/{device}/directive/{directive}`; with `+` for the directive, what a device subscribes to."""
    return f"{ROOT}/{device}/directive/{directive}"


def sender_of(topic: str) -> str | None:
    """The device that a topic says it is an event of, whether that is an event of this contract or not."""
    match topic.split("/", 4):
        case ["echo", "v1", device, "event", _] if re.match(DEVICE_PATTERN, device):
            return device
    return None


def read_event_topic(topic: str) -> tuple[str, str, str | None]:
    """(device, event, interaction id of a recording or None) of an event's topic.

    Raises ValueError for any other topic, saying which form was expected.
    """
    match topic.split("/"):
        case ["echo", "v1", device, "event", event] if re.match(DEVICE_PATTERN, device) and event in EVENTS:
            return device, event, None
        case ["echo", "v1", device, "event", "recording", interaction] if re.match(DEVICE_PATTERN, device):
            if not re.match(ID_PATTERN, interaction):
                raise ValueError(f"{interaction!r} is no interaction id. Expected a UUIDv7 in lower case.")
            return device, "recording", interaction
    raise ValueError(
        f"topic {topic!r} is no event of this contract. Expected {ROOT}/DEVICE/event/NAME, "
        f"NAME one of {', '.join(EVENTS)} or recording/ID."
    )


M = TypeVar("M", bound=Struct)


def _other_version(payload: bytes | bytearray) -> str:
    """What is wrong with a message that says of itself that it is of another version; empty for any other."""
    try:
        version = dict(msgspec.json.decode(payload)).get("version", VERSION)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError, RecursionError):
        return ""
    if not isinstance(version, int) or version == VERSION:
        return ""
    return f"it is of version {version} of the contract, and this is version {VERSION}. Update the older of the two"


#: A NUL character as JSON can say it, and not every store can keep it: not where the backslash is itself escaped.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@cache
def _times(kind: type[Struct]) -> tuple[str, ...]:
    """Which fields of such a message are times."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if "datetime" in str(field.type))


def decode(kind: type[M], payload: bytes | bytearray) -> M:
    """`payload` as a message of that kind. Raises ValueError naming what is wrong and what was expected."""
    try:
        message = msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # An unknown field's name is repeated, whatever it is.
        said = _other_version(payload) or str(error).replace("\0", "\\u0000")
        raise ValueError(f"no {kind.__name__} message: {said}") from error
    if b"\\u0000" in payload and _NUL.search(payload):
        raise ValueError(f"no {kind.__name__} message: a text holds a NUL character (\\u0000). Leave it out.")
    for name in _times(kind):
        moment = getattr(message, name)
        if moment is not None and not YEARS[0] <= moment.year <= YEARS[1]:
            raise ValueError(
                f"no {kind.__name__} message: {name} is in the year {moment.year}. Set the clock; the calendar is kept "
                f"from {YEARS[0]} to {YEARS[1]}."
            )
    return message


def encode(message: Struct) -> bytes:
    """The message as it crosses the wire: JSON in UTF-8."""
    return msgspec.json.encode(message)

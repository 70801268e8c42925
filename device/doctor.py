"""`echo-device doctor`: what a first start needs, checked one after the other, in the words of whoever must mend it."""

import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from cloud_stub.contract.messages import ROOT
from device import speech_models
from device.connection import LOGIN_REMEDY
from device.errors import EchoError
from device.settings import Settings
from device.tls import context

T = TypeVar("T")

SECOND = 50  # blocks
QUIET = -70.0  # dBFS: quieter than any room that people live in
DISK = 200_000_000  # bytes that should be free
PATIENCE_S = 5.0
RELEASED = datetime(2026, 11, 1, tzinfo=UTC)  # no clock that is right is before this


@dataclass(frozen=True)
class Finding:
    """One line. `problem` is empty where all is well; then `detail` says what was found."""

    check: str
    detail: str = ""
    problem: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """`ok` and what was found, or the problem with its remedy below."""
        if not self.problem:
            return f"ok       {self.check}: {self.detail}"
        return f"PROBLEM  {self.check}: {self.problem}\n         remedy: {self.remedy}"


class _Amiss(Exception):
    """A check has failed, and those after it in its group make no sense."""

    def __init__(self, check: str, error: EchoError) -> None:
        problem, mark, remedy = str(error).rpartition(". ")
        self.finding = Finding(check, problem=f"{problem}{mark.strip()}" or remedy, remedy=remedy if mark else "")


def examine(chosen: Settings) -> Iterator[Finding]:
    """Check everything; a check that cannot be made because an earlier one failed is left out."""
    yield from checked(sound(chosen.microphone))
    yield from checked(_model(chosen.model))
    yield from checked(_broker(chosen))
    yield from checked(_clock())
    yield from checked(_disk(chosen.data_folder))


def checked(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings; where one of them makes those after it senseless, it is the last."""
    try:
        yield from findings
    except _Amiss as amiss:
        yield amiss.finding


def about(check: str, question: Callable[[], T]) -> T:
    """The answer, or the check that has failed."""
    try:
        return question()
    except EchoError as error:
        raise _Amiss(check, error) from error


def sound(name: str | None) -> Iterator[Finding]:
    """PortAudio, the microphone of that name, and a second of its sound."""
    if name == "none":
        return
    from device.microphone import Microphone, find, level, microphones  # noqa: PLC0415 - loads PortAudio

    names = about("PortAudio", microphones)
    yield Finding("PortAudio", "is installed")
    about("microphones", lambda: find(None if name == "auto" else name))
    yield Finding("microphones", ", ".join(names))

    def second() -> tuple[str, float]:
        with Microphone(name) as microphone:
            return microphone.description, level(list(islice(microphone, SECOND)))

    description, loudness = about("sample rate", second)
    yield Finding("sample rate", description)
    if loudness == float("-inf"):
        remedy = "Switch it on, at the microphone and in the system's privacy settings, or choose another one."
        yield Finding("a second of sound", problem="nothing but digital zeros.", remedy=remedy)
    elif loudness < QUIET:
        remedy = "Turn up its input level (alsamixer, or the system's sound settings)."
        yield Finding("a second of sound", problem=f"{loudness:.0f} dBFS, almost nothing.", remedy=remedy)
    else:
        yield Finding("a second of sound", f"{loudness:.0f} dBFS")


def _model(name: str | None) -> Iterator[Finding]:
    loaded = about("speech model", lambda: speech_models.load(speech_models.locate(name)))
    yield Finding("speech model", f"{loaded.name} in {loaded.path}")


def _broker(chosen: Settings) -> Iterator[Finding]:
    address = chosen.broker
    try:
        numbers = sorted({entry[4][0] for entry in socket.getaddrinfo(address.host, address.port)})
    except OSError as error:
        remedy = "Check the spelling of --broker and that this machine's network is up."
        yield Finding("broker's name", problem=f"{address.host!r} cannot be resolved: {error}.", remedy=remedy)
        return
    yield Finding("broker's name", f"{address.host} is {', '.join(map(str, numbers))}")
    try:
        connection = socket.create_connection((address.host, address.port), timeout=PATIENCE_S)
    except OSError as error:
        remedy = f"Start one (mosquitto -p {address.port}, or cloud-stub serve --embedded-broker), or give --broker."
        yield Finding("broker", problem=f"nothing answers at {address}: {error}.", remedy=remedy)
        return
    with connection:
        yield Finding("broker", f"answers at {address}")
        if address.tls:
            made = about("TLS", lambda: context(chosen.tls))
            try:
                with made.wrap_socket(connection, server_hostname=address.host) as secure:
                    yield Finding("TLS", str(secure.version()))
            except (ssl.SSLError, OSError) as error:
                remedy = "Give the authority that signed the broker's certificate with --ca-file, or the name in it."
                yield Finding("TLS", problem=f"{error}.", remedy=remedy)
                return
    yield _round_trip(chosen)


def _round_trip(chosen: Settings) -> Finding:
    """Log in, and receive what we publish ourselves."""
    import paho.mqtt.client as mqtt  # noqa: PLC0415
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

    address, device = chosen.broker, chosen.device
    check, answered, refused = "login and round trip", threading.Event(), []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    topic = f"{ROOT}/{device}/doctor"  # of the device's own, so that an access list lets it pass, and nobody else's

    def connected(_client: mqtt.Client, _data: object, _flags: object, reason: object, _properties: object) -> None:
        if getattr(reason, "is_failure", False):
            refused.append(str(reason))
            answered.set()
        else:
            client.subscribe(topic, qos=1)

    client.on_connect = connected

    def subscribed(_client: mqtt.Client, _data: object, _id: int, _reasons: object, _properties: object) -> None:
        client.publish(topic, b"", qos=1)

    client.on_subscribe = subscribed
    client.on_message = lambda *_: answered.set()
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        client.tls_set_context(context(chosen.tls))
    began = time.monotonic()
    try:
        client.connect(address.host, address.port, keepalive=15)
        client.loop_start()
        came = answered.wait(PATIENCE_S)
    except OSError as error:
        return Finding(check, problem=f"{error}.", remedy="See whether the broker's own log says more.")
    finally:
        client.disconnect()
        client.loop_stop()
    if refused:
        return Finding(check, problem=f"the broker refuses us: {refused[0]}.", remedy=LOGIN_REMEDY)
    if not came:
        remedy = f"Let this user publish and subscribe to echo/v1/{device}/# in the broker's access list."
        return Finding(check, problem="what we publish does not come back.", remedy=remedy)
    return Finding(check, f"{(time.monotonic() - began) * 1000:.0f} ms")


def _clock() -> Iterator[Finding]:
    now = datetime.now(UTC)
    if now < RELEASED:
        remedy = "Set it: timedatectl set-ntp true. Alarms and deletions by time go by it."
        yield Finding("clock", problem=f"it says {now:%Y-%m-%d %H:%M} UTC, which is in the past.", remedy=remedy)
    else:
        yield Finding("clock", f"{now:%Y-%m-%d %H:%M} UTC")


def _disk(data: Path) -> Iterator[Finding]:
    place = next(folder for folder in (data, *data.absolute().parents) if folder.is_dir())
    probe = place / ".echo-device-doctor"
    try:
        probe.write_bytes(b"\0")
        probe.unlink()
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Finding("disk", problem=f"{place} cannot be written to: {error}.", remedy="Choose another --data.")
        return
    if free < DISK:
        remedy = "Free some: what is heard waits on this disk while the cloud is away."
        yield Finding("disk", problem=f"{free / 1e6:.0f} MB are free in {place}.", remedy=remedy)
    else:
        yield Finding("disk", f"{free / 1e9:.1f} GB free in {place}")

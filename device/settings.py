"""The device's settings: one TOML file, then the environment, then the command line, each over the one before.

`OPTIONS` is the one list of them: the file, the environment's names, the command line and the documentation come of it.
"""

import argparse
import logging
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import platformdirs

from cloud_stub.contract import address
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import DEVICE_PATTERN
from device import durable
from device.decoys import SENSITIVITY, WAKE_WORDS
from device.errors import EchoError
from device.keeping import Bounds
from device.outbox import LONGEST, MOST_BYTES
from device.pins import PANELS, PARTS
from device.tls import Tls

ENVIRONMENT = "RESIDUAL_ECHO_"

#: An outbox that does not hold the longest request would hold nothing at all.
LEAST_BYTES = 4_000_000

_PERIOD = re.compile(r"P(?=.)(?:(\d{1,5})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,5})M)?)?")


class _Wrong(ValueError):
    """What was expected instead."""


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong("a text")
    return value


def _device(value: object) -> str:
    if not isinstance(value, str) or not re.match(DEVICE_PATTERN, value):
        raise _Wrong("lower-case letters, digits, - and _, up to 64")
    return value


def _broker(value: object) -> BrokerAddress:
    try:
        return BrokerAddress.parse(_text(value))
    except ValueError:
        raise _Wrong("mqtt://[USER:PASSWORD@]HOST[:PORT], or mqtts:// for TLS") from None


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value.expanduser()
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise _Wrong("a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise _Wrong("a path; of nobody here is that the home folder") from None


def _yes_or_no(value: object) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = value if isinstance(value, bool) else known.get(str(value).lower())
    if found is None:
        raise _Wrong("true or false")
    return found


def _whole(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value).replace("_", "")
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,18}", text) or not least <= int(text) <= most:
            raise _Wrong(f"a whole number from {least} to {most}")
        return int(text)

    return read


# Which numbers are pins, and free, is for the panel to say: it knows what else is wired.
_gpio = _whole(0, 99)


def _period(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    days, hours, minutes = (int(number or 0) for number in found.groups()) if found else (0, 0, 0)
    if not days + hours + minutes:
        raise _Wrong("an ISO 8601 period such as P30D or PT12H")
    return timedelta(days=days, hours=hours, minutes=minutes)


def _level(value: object) -> str:
    levels = ("debug", "info", "warning", "error")
    if str(value).lower() not in levels:
        raise _Wrong(f"one of {', '.join(levels)}")
    return str(value).lower()


def _setting(read: Callable[[object], Any], default: Any, text: str, example: str = "") -> Any:
    """A field with how it is read, what it is for, and an example where it has no default."""
    return field(default=default, metadata={"read": read, "help": text, "example": example})


@dataclass(frozen=True)
class Settings:
    """What holds for one run of the device. `sources` says where each came from."""

    device: str = _setting(_device, "kitchen", "this device's name")
    broker: BrokerAddress = _setting(
        _broker, BrokerAddress.parse(address.DEFAULT), "the MQTT broker's address; mqtts:// for TLS"
    )
    ca_file: Path | None = _setting(
        _path, None, "who signed the broker's certificate (PEM); without it the system's authorities", "ca.pem"
    )
    certificate: Path | None = _setting(_path, None, "the device's own certificate (PEM), with its key", "kitchen.pem")
    key: Path | None = _setting(_path, None, "the key of the device's certificate (PEM)", "kitchen.key")
    microphone: str | None = _setting(
        _text, None, "by name or a part of it; auto: the loudest; none: no microphone; without it the system's", "auto"
    )
    wake_word: str = _setting(_text, "alexa", f"the word that the device listens for: {', '.join(WAKE_WORDS)}")
    sensitivity: int = _setting(
        _whole(0, 100), SENSITIVITY, "0 to 100: more hears more people, and more of what only sounds like the wake word"
    )
    model: str | None = _setting(
        _text,
        None,
        "a Vosk model, by name or folder; without it the small one that ships",
        "vosk-model-small-en-us-0.15",
    )
    data: Path | None = _setting(_path, None, "the data folder; without it the user's own", "/var/lib/residual-echo")
    save_audio: Path | None = _setting(
        _path, None, "save the sound of each request in that folder; without it none is saved", "recordings"
    )
    outbox_age: timedelta = _setting(_period, LONGEST, "how long what the cloud does not fetch is kept (ISO 8601)")
    outbox_bytes: int = _setting(
        _whole(LEAST_BYTES, 10**12), MOST_BYTES, "how much of it is kept; then the oldest is dropped"
    )
    voice: bool = _setting(_yes_or_no, True, "speak answers aloud, where there is a voice")
    volume: int | None = _setting(
        _whole(0, 100), None, "how loud, 0 to 100, at the start; without it as it was left", "50"
    )
    panel: str | None = _setting(
        _text, None, f"the lights and buttons on the GPIO pins: {', '.join(PANELS)}; without it none", "leds"
    )
    brightness: int = _setting(_whole(5, 100), 25, "of the panel's lights, in per cent: at 0 they could not warn")
    action_button_pin: int = _setting(_gpio, PARTS["action_button_pin"].default, "GPIO number of the action button")
    mute_button_pin: int = _setting(_gpio, PARTS["mute_button_pin"].default, "GPIO number of the mute button")
    mute_led_pin: int = _setting(_gpio, PARTS["mute_led_pin"].default, "GPIO number of the mute button's red LED")
    red_led_pin: int = _setting(_gpio, PARTS["red_led_pin"].default, "GPIO number of the red LED (leds)")
    green_led_pin: int = _setting(_gpio, PARTS["green_led_pin"].default, "GPIO number of the green LED (leds)")
    blue_led_pin: int = _setting(_gpio, PARTS["blue_led_pin"].default, "GPIO number of the blue LED (leds)")
    home_assistant: bool = _setting(_yes_or_no, False, "let Home Assistant discover the device over the same broker")
    log_level: str = _setting(_level, "warning", "debug, info, warning or error")

    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def tls(self) -> Tls:
        """The files that TLS needs."""
        return Tls(self.ca_file, self.certificate, self.key)

    @property
    def bounds(self) -> Bounds:
        """What may be kept on disk."""
        return Bounds(self.outbox_age, self.outbox_bytes, self.save_audio)

    @property
    def data_folder(self) -> Path:
        """`data`, or the user's own data folder."""
        return self.data or platformdirs.user_data_path("residual-echo", appauthor=False)


#: The settings that only a device in a room has a use for, and not one that hears files.
IN_ROOM = ("microphone", "voice", "volume", "home_assistant", "panel", "brightness", *PARTS)

OPTIONS = {option.name: option for option in fields(Settings) if option.name != "sources"}


def load(config: Path | None, environment: Mapping[str, str], command_line: Mapping[str, object]) -> Settings:
    """The settings in force. `command_line` maps keys to what was given; None means not given.

    Raises EchoError naming file (or variable, or option), key, value and what was expected.
    """
    named = config or (Path(environment[ENVIRONMENT + "CONFIG"]) if environment.get(ENVIRONMENT + "CONFIG") else None)
    file = named or default_file()
    values: dict[str, Any] = {}
    sources: dict[str, str] = dict.fromkeys(OPTIONS, "default")
    for key, value in _read(file, must=named is not None).items():
        if key not in OPTIONS:
            raise EchoError(f"{file}: there is no setting {key!r}. There are: {', '.join(OPTIONS)}")
        values[key], sources[key] = _value(key, value, f"{file}: {key}"), str(file)
    for name in environment:
        key = name.removeprefix(ENVIRONMENT).lower()
        if name.startswith(ENVIRONMENT) and key in OPTIONS and environment[name]:
            values[key], sources[key] = _value(key, environment[name], name), name
    for key, given in command_line.items():
        if key in OPTIONS and given is not None:
            option = f"--{key.replace('_', '-')}"
            values[key], sources[key] = _value(key, given, option), option
    return Settings(**values, sources=sources)


def chosen(options: argparse.Namespace) -> Settings:
    """What holds for a command: its options over the environment over the file. Sets the log's level besides."""
    found = load(options.config, os.environ, vars(options))
    logging.getLogger().setLevel(found.log_level.upper())
    return found


def default_file() -> Path:
    """Where the settings are looked for unless told otherwise."""
    return platformdirs.user_config_path("residual-echo", appauthor=False) / "device.toml"


def written(key: str, value: object) -> str | int | bool | None:
    """A setting as a file holds it; without the password."""
    if isinstance(value, timedelta):
        days, rest = divmod(int(value.total_seconds()), 86_400)
        hours, minutes = rest // 3600, rest % 3600 // 60
        clock = f"T{hours}H" * bool(hours) + ("" if hours or not minutes else "T") + f"{minutes}M" * bool(minutes)
        return f"P{days}D" * bool(days) + ("" if days else "P") + clock
    if isinstance(value, BrokerAddress):
        login = f"{value.user}{':***' if value.password else ''}@" if value.user else ""
        return str(value).replace("://", f"://{login}")
    assert key in OPTIONS
    return value if isinstance(value, int | bool | None) else str(value)


def template() -> str:
    """A file with every setting, its default and what it is for, all commented out."""
    lines = [
        "# Settings of echo-device. Each can also be set as RESIDUAL_ECHO_NAME in the environment, and as --name.\n"
    ]
    for key, option in OPTIONS.items():
        value = written(key, option.default)
        shown = value if value is not None else option.metadata["example"]
        quoted = str(shown).lower() if isinstance(shown, bool | int) or str(shown).isdigit() else f'"{shown}"'
        lines.append(f"# {option.metadata['help']}\n# {key} = {quoted}\n")
    return "\n".join(lines)


def create(file: Path) -> None:
    """Write the template to a new file. Raises EchoError where one is there already, or it cannot be written."""
    try:
        durable.make_folder(file.parent)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(template())
        durable.sync(file)
        durable.sync(file.parent)
    except FileExistsError as error:
        raise EchoError(f"{file} is there already. Edit it, or name another with --config.") from error
    except OSError as error:
        raise EchoError(f"{file} cannot be written: {error.strerror}. Name another with --config.") from error


def _value(key: str, value: object, where: str) -> object:
    try:
        return OPTIONS[key].metadata["read"](value)
    except _Wrong as wrong:
        shown = "***" if "@" in str(value) else value  # it may hold a password
        raise EchoError(f"{where} is {shown!r}. Expected {wrong}.") from wrong


def _read(file: Path, *, must: bool) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text("utf-8"))
        repr(found)  # a number of thousands of digits cannot be shown: not read, and not complained about
    except FileNotFoundError as error:
        if must:
            raise EchoError(f"there is no settings file {file}. Write one: echo-device settings --init") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise EchoError(f"{file} cannot be read: {error}. Check the path and its permissions.") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError among them; numbers and nesting beyond all bounds
        raise EchoError(f"{file} is no TOML: {error}. Write key = value, texts in quotes.") from error
    return found

"""`echo-device`: the emulated smart speaker on the command line."""

import argparse
import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cloud_stub.contract import address
from device import settings
from device.errors import EchoError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0, 1 for what it looked for and found amiss, 2 for an error."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except EchoError as error:
        print(f"echo-device: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="echo-device", description="An emulated Echo-style smart speaker.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, metavar="DIR", help="the data folder (default: the user's own)")
    common.add_argument("--model", metavar="NAME|DIR", help="a Vosk model (default: the small one that ships)")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON and nothing else on standard output")

    on_wire = _settings_options(*(key for key in settings.OPTIONS if key not in settings.IN_ROOM))
    on_wire.add_argument("--config", type=Path, metavar="FILE", help="the settings (see `echo-device settings`)")
    in_room = _settings_options(*settings.IN_ROOM)
    run = commands.add_parser("run", parents=[on_wire, in_room], help="listen to the microphone")
    run.set_defaults(command=_later("listening", "run"))
    run.add_argument("--once", action="store_true", help="stop after the first answered interaction")

    hear = commands.add_parser(
        "hear", parents=[on_wire, as_json], help="hear sound files as if spoken; 1 if one has no call"
    )
    hear.set_defaults(command=_later("listening", "hear"))
    hear.add_argument("files", nargs="+", metavar="FILE", help="any sound file: WAV, FLAC, OGG, MP3")
    hear.add_argument("--timeout", type=float, default=20.0, metavar="S", help="wait so long for the cloud (20 s)")

    demo = commands.add_parser("demo", parents=[common, as_json], help="say it, delete it, see what stays")
    demo.set_defaults(command=_later("stories", "demo"))
    demo.add_argument("--policy", default="amazon-2019", metavar="NAME|FILE", help="retention policy (amazon-2019)")
    demo.add_argument("--real-time", action="store_true", help="at the pace of speech, aloud where there is a speaker")
    demo.add_argument("--sounds", type=Path, metavar="DIR", help="another set of spoken requests")

    walnut = commands.add_parser("walnut", parents=[as_json], help="one sentence: who still knows it, and for how long")
    walnut.set_defaults(command=_later("stories", "walnut"))
    walnut.add_argument("--policy", default="amazon-2019", metavar="NAME|FILE", help="retention policy (amazon-2019)")
    walnut.add_argument("--model", metavar="NAME|DIR", help="a Vosk model (default: the small one that ships)")
    walnut.add_argument("--svg", type=Path, metavar="FILE", help="draw it there")

    _add_tracing(commands)
    contract = commands.add_parser("contract", help="hold captured messages against the wire contract")
    actions = contract.add_subparsers(required=True, metavar="ACTION")
    validate = actions.add_parser("validate", parents=[as_json], help="exit code 1 for any bad message, or none at all")
    validate.set_defaults(command=_later("contract", "validate"))
    validate.add_argument("file", metavar="FILE|-", help="lines of mosquitto_sub -F '%%t %%x'; - is standard input")
    _add_fleet(commands, as_json)
    effective = commands.add_parser(
        "settings", parents=[on_wire, in_room, as_json], help="what holds, and where it comes from"
    )
    effective.set_defaults(command=_later("settings", "show"))
    effective.add_argument("--init", action="store_true", help="write a commented file to start from")

    _add_models(commands, as_json)
    microphones = commands.add_parser("microphones", parents=[as_json], help="list the inputs, each with its level")
    microphones.set_defaults(command=_later("checks", "microphones"))
    microphones.add_argument("--seconds", type=float, default=1.0, metavar="S", help="listen so long to each (1 s)")

    doctor = commands.add_parser("doctor", parents=[on_wire, in_room, as_json], help="check what a first start needs")
    doctor.set_defaults(command=_later("checks", "doctor"))

    hardware = commands.add_parser(
        "hardware-check", parents=[on_wire, in_room, as_json], help="try lights, buttons, microphone and loudspeaker"
    )
    hardware.set_defaults(command=_later("checks", "hardware"))
    hardware.add_argument("--seconds", type=_positive, default=20.0, metavar="S", help="wait so long for each button")
    hardware.add_argument("--dark", action="store_true", help="check nothing: only switch the lights off")
    return parser


def _add_models(commands: Any, as_json: argparse.ArgumentParser) -> None:
    site = argparse.ArgumentParser(add_help=False)
    site.add_argument("--online", action="store_true", help="look at the newest list, not at the one that ships")
    site.add_argument("--site", metavar="URL", help="a mirror of the site of Vosk's models")
    models = commands.add_parser("models", parents=[site, as_json], help="the speech models that there are")
    models.set_defaults(command=_later("models", "show"))
    kinds = models.add_subparsers(metavar="COMMAND")
    download = kinds.add_parser("download", parents=[site], help="fetch an official one")
    download.set_defaults(command=_later("models", "download"))
    download.add_argument("name", metavar="NAME")
    graph = kinds.add_parser("build-graph", help="the same voice training, another vocabulary: under a minute")
    graph.set_defaults(command=_later("build_graph", "run"))
    graph.add_argument("out", type=Path, metavar="DIR", help="a new folder for the model")
    graph.add_argument("--templates", type=Path, metavar="DIR", help="sentence templates (default: the cloud's own)")
    graph.add_argument(
        "--pronunciations", type=Path, metavar="FILE", help="a line a word: WORD P H O N E S, as CMUdict"
    )
    graph.add_argument("--model", metavar="NAME|DIR", help="whose acoustic model (default: the one that ships)")


def _broker() -> argparse.ArgumentParser:
    broker = argparse.ArgumentParser(add_help=False)
    broker.add_argument("--broker", default=address.DEFAULT, metavar="URL", help=f"default: {address.DEFAULT}")
    text = "who signed its certificate, for mqtts:// (default: RESIDUAL_ECHO_CA_FILE, or the system's)"
    broker.add_argument("--ca-file", type=Path, metavar="FILE", help=text)
    return broker


def _add_tracing(commands: Any) -> None:
    broker = _broker()
    record = commands.add_parser(
        "record", parents=[broker], help="write what crosses the wire to a trace, until Ctrl-C"
    )
    record.set_defaults(command=_later("tracing", "record"))
    record.add_argument("file", type=Path, metavar="FILE", help="a new file (JSON lines)")
    replay = commands.add_parser("replay", parents=[broker], help="play a trace's events back to a cloud")
    replay.set_defaults(command=_later("tracing", "replay"))
    replay.add_argument("trace", metavar="NAME|FILE", help="week, walnut, or a file")
    pace = replay.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="so many times as fast (default 1)")
    pace.add_argument("--fast", action="store_true", help="without its pauses")


def _add_fleet(commands: Any, as_json: argparse.ArgumentParser) -> None:
    fleet = commands.add_parser("fleet", parents=[_broker(), as_json], help="many devices from one process, for load")
    fleet.set_defaults(command=_later("fleet", "fleet"))
    for name, kind, default, text in (
        ("devices", "count", "100", "so many devices, three to a household"),
        ("interactions", "count", "1000", "say so much, all together"),
        ("rate", "rate", "100/s", "so many interactions a second, in the mean"),
        ("duplicates", "share", "0.02", "share that is sent twice"),
        ("reordered", "share", "0.02", "share that is held back so that later ones overtake"),
        ("disconnects", "share", "0.002", "share after which the device's connection is cut"),
    ):
        fleet.add_argument(
            f"--{name}", type=_later_read("fleet", kind), default=default, metavar="N", help=f"{text} ({default})"
        )
    fleet.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed, the same households (1)")
    fleet.add_argument("--trace", metavar="NAME|FILE", help="say what was said in that trace: week, walnut, or a file")
    fleet.add_argument(
        "--households", action="store_true", help="print DEVICE ACCOUNT lines for cloud-stub register -, and stop"
    )


def _later_read(module: str, function: str) -> Callable[[str], Any]:
    """A reader of an option's value, whose module is imported when there is one."""

    def read(text: str) -> Any:
        return getattr(importlib.import_module(f"device.commands.{module}"), function)(text)

    return read


def _later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """A command whose module is imported when it runs: `--help` should not wait for it."""

    def run(options: argparse.Namespace) -> int:
        code: int = getattr(importlib.import_module(f"device.commands.{module}"), function)(options)
        return code

    return run


def _speed(text: str) -> float:
    return _positive(text, "is no speed. Write 1 for the trace's own, 60 for a minute a second")


def _positive(text: str, amiss: str = "is no number of seconds. Write 20, or 0.5") -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} {amiss}.")
    return number


def _settings_options(*keys: str) -> argparse.ArgumentParser:
    """One option a setting. None of them has a default: what is not given comes from elsewhere."""
    parser = argparse.ArgumentParser(add_help=False)
    for key in keys:
        option = settings.OPTIONS[key]
        name, text = f"--{key.replace('_', '-')}", option.metadata["help"]
        if isinstance(option.default, bool):
            parser.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
        else:
            parser.add_argument(name, metavar=key.rsplit("_", maxsplit=1)[-1].upper(), help=text)
    return parser

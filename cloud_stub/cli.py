"""`cloud-stub`: serve, and look into what is stored. Every command takes `--data`; tables come as `--json` too."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloud_stub.contract import address
from cloud_stub.contract.extras import install
from cloud_stub.errors import CloudError

ZONE = "the household's, such as Europe/Berlin (default: the system's)"
CA_FILE = "who signed the broker's certificate, for mqtts:// (default: RESIDUAL_ECHO_CA_FILE, or the system's)"

Commands = Any  # argparse names its type for sub-commands only privately


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, 1 where something unexplained is left, 2 for an error one can mend."""
    options = _parser().parse_args(arguments)
    # The command's module is imported only now: `--help` should not wait for a database layer.
    module, function = options.command.split(".")
    try:
        command = getattr(importlib.import_module(f"cloud_stub.commands.{module}"), function)
    except ModuleNotFoundError as error:
        print(f"cloud-stub: {error.name} is not installed. Run: {install('cloud')}", file=sys.stderr)
        return 2
    try:
        code: int = command(options)
    except CloudError as error:
        print(f"cloud-stub: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloud-stub", description="The cloud behind an emulated smart speaker.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_broker_config(commands)
    _add_looks(commands)
    _add_changes(commands)
    _add_papers(commands)
    _add_answers(commands)
    _add_views(commands)
    _add_backups(commands)
    return parser


def _shared(*names: str) -> list[argparse.ArgumentParser]:
    """Options that several commands share, in the order named."""
    return [_SHARED[name] for name in names]


def _options(*flags: tuple[str, dict[str, object]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    for flag, settings in flags:
        parser.add_argument(flag, **settings)  # type: ignore[arg-type]
    return parser


_SHARED = {
    "data": _options(
        ("--data", {"type": Path, "metavar": "DIR", "help": "the data folder (default: the user's own)"}),
        ("--policy", {"metavar": "NAME|FILE", "help": "a shipped policy or a file (default: the folder's own)"}),
        ("--store", {"metavar": "URL", "help": "postgresql://USER@HOST:PORT/DATABASE (default: the folder's own)"}),
    ),
    "json": _options(("--json", {"action": "store_true", "help": "print JSON and nothing else on standard output"})),
    "account": _options(("account", {"nargs": "?", "default": "household", "help": "whose (default: household)"})),
    "doing": _options(
        ("--dry-run", {"action": "store_true", "help": "print the plan and do nothing"}),
        ("--receipt", {"type": Path, "metavar": "FILE", "help": "write the signed receipt there"}),
    ),
}


def _add_serve(commands: Commands) -> None:
    serve = commands.add_parser(
        "serve", parents=_shared("data", "json"), help="take messages from a broker and store them"
    )
    serve.set_defaults(command="serving.run")
    text = f"or @FILE that has it, with its password (default: {address.DEFAULT})"
    serve.add_argument("--broker", default=address.DEFAULT, metavar="URL", help=text)
    serve.add_argument("--ca-file", type=Path, metavar="FILE", help=CA_FILE)
    serve.add_argument("--embedded-broker", action="store_true", help="start a broker on 127.0.0.1; needs no other")
    serve.add_argument("--port", type=int, default=1883, help="of the embedded broker; 0 for any free one")
    serve.add_argument("--broker-pid", type=int, metavar="PID", help="a Mosquitto to be told to save after deletions")
    serve.add_argument("--worker", metavar="NAME", help="one of several that share PostgreSQL and one subscription")
    serve.add_argument("--training-share", type=float, default=0.1, metavar="SHARE", help="0 to 1 (default 0.1)")
    kept = "of messages that cannot be taken are kept; then the oldest go (default 16000000)"
    serve.add_argument("--quarantine-bytes", type=int, metavar="BYTES", help=kept)
    serve.add_argument("--time-zone", metavar="ZONE", help=ZONE)
    serve.add_argument("--http", metavar="HOST:PORT", help="of the privacy page (default: 127.0.0.1:8019, or near it)")
    serve.add_argument("--no-page", action="store_true", help="do not serve the privacy page")
    for name, text in (
        ("certificate", "serve the page with TLS; needed beyond 127.0.0.1, and names the hosts that it is reached by"),
        ("key", "of that certificate"),
        ("password-file", "the page asks for this password; needed beyond 127.0.0.1"),
    ):
        serve.add_argument(f"--http-{name}", type=Path, metavar="FILE", help=text)
    serve.add_argument(
        "--simulated-clock",
        type=_time,
        nargs="?",
        const=True,
        metavar="TIME",
        help="time stands still at TIME (default: now); `advance` sets it forward",
    )


def _add_broker_config(commands: Commands) -> None:
    config = commands.add_parser("broker-config", help="write a Mosquitto configuration: TLS, passwords, an ACL")
    config.set_defaults(command="broker.config")
    config.add_argument("folder", type=Path, metavar="DIR", help="where; run it again to add devices")
    config.add_argument("--device", action="append", metavar="NAME", help="one that may come (default: kitchen)")
    config.add_argument(
        "--host",
        action="append",
        metavar="NAME",
        help="by which devices find it (as before, or this machine's)",
    )
    config.add_argument("--port", type=int, help="for devices, with TLS (as before, or 8883)")
    config.add_argument("--cloud-port", type=int, metavar="P", help="for the cloud, on loopback (as before, or 1883)")
    config.add_argument("--home-assistant", action="store_true", help="devices may announce themselves to it")


def _add_looks(commands: Commands) -> None:
    for name, text in (
        ("history", "the household's voice history"),
        ("left", "what is left, and under which rule"),
        ("due", "what will ring, fire, be met or be charged"),
    ):
        look = commands.add_parser(name, parents=_shared("account", "data", "json"), help=text)
        look.set_defaults(command=f"look.{name}")
        if name == "due":
            look.add_argument("--time-zone", metavar="ZONE", help=ZONE)
    _add_residue(commands)
    status = commands.add_parser("status", parents=_shared("data", "json"), help="counts: stored, waiting, quarantined")
    status.set_defaults(command="look.status")


def _add_residue(commands: Commands) -> None:
    residue = commands.add_parser(
        "residue", parents=_shared("data", "json"), help="search every byte of every file for what was deleted"
    )
    residue.set_defaults(command="residue.run")
    residue.add_argument("about", nargs="?", default="household", metavar="ACCOUNT|INTERACTION", help="whose, or which")
    given = residue.add_mutually_exclusive_group()
    given.add_argument("--phrase", metavar="TEXT", help="search for these words instead (three at least)")
    given.add_argument("--file", type=Path, metavar="SOUND", help="search for this sound instead")
    residue.add_argument("--html", type=Path, metavar="FILE", help="write the report there too, as a page")
    residue.add_argument("--memory", type=int, default=64, metavar="MIB", help="hold at most so much of a file (64)")
    residue.add_argument(
        "--devices", action="append", default=[], type=Path, metavar="DIR", help="search a device's own folder too"
    )
    residue.add_argument("--broker", metavar="URL", help="search the messages too that this broker retains")
    residue.add_argument("--ca-file", type=Path, metavar="FILE", help=CA_FILE)
    residue.add_argument("--broker-pid", type=int, metavar="PID", help="a Mosquitto that may be told to save")
    residue.add_argument("--broker-data", type=Path, metavar="DIR", help="the folder of its persistence file")


def _add_changes(commands: Commands) -> None:
    shared = _shared("account", "data", "json", "doing")
    erase = commands.add_parser("erase", parents=shared, help="delete as the household would")
    erase.set_defaults(command="change.erase")
    erase.add_argument("--interaction", metavar="ID", help="delete one interaction")
    erase.add_argument("--since", type=_time, metavar="TIME", help="from then on (RFC 3339, or a date)")
    erase.add_argument("--until", type=_time, metavar="TIME", help="up to then")
    erase.add_argument("--all", action="store_true", help="delete everything said so far")

    close = commands.add_parser("close-account", parents=_shared("data", "json", "doing"), help="close it for good")
    close.set_defaults(command="change.close_account")
    close.add_argument("account")

    settings = commands.add_parser("settings", parents=_shared("data", "json"), help="show a household's, or set one")
    settings.set_defaults(command="change.settings")
    settings.add_argument("--account", default="household", help="whose (default: household)")
    settings.add_argument("name", nargs="?", help="auto_delete, save_recordings, use_for_improvement, delete_by_voice")
    settings.add_argument("value", nargs="?", help="never, P3M or P18M; yes or no")

    register = commands.add_parser("register", parents=_shared("data"), help="give a device to an account")
    register.set_defaults(command="change.register")
    register.add_argument("device", help="its name; or - for lines of DEVICE ACCOUNT on standard input")
    register.add_argument("--account")
    register.add_argument("--child", action="store_true", help="the account is a child's")

    advance = commands.add_parser("advance", parents=_shared("data", "json"), help="set the simulated clock forward")
    advance.set_defaults(command="change.advance")
    advance.add_argument("period", metavar="PERIOD", help="ISO 8601: P18M, P30D, PT1H")
    advance.add_argument(
        "--device", action="append", default=[], metavar="NAME", help="tell it the time, though it said nothing yet"
    )


def _add_papers(commands: Commands) -> None:
    policy = commands.add_parser("policy", help="check a policy file, show one in plain words, list those that ship")
    actions = policy.add_subparsers(required=True, metavar="ACTION")
    for name, text in (("check", "name every hole and conflict; then exit code 2"), ("show", "in plain words")):
        action = actions.add_parser(name, help=text)
        action.set_defaults(command=f"policies.{name}")
        action.add_argument("policy", metavar="NAME|FILE")
    actions.add_parser("list", help="the policies that ship").set_defaults(command="policies.listed")

    receipt = commands.add_parser("receipt", help="what deletions did, signed")
    actions = receipt.add_subparsers(required=True, metavar="ACTION")
    listed = actions.add_parser("list", parents=_shared("data", "json"), help="the deletions that the ledger knows of")
    listed.set_defaults(command="receipts.listed")
    show = actions.add_parser("show", parents=_shared("data"), help="the receipt of a deletion")
    show.set_defaults(command="receipts.show")
    show.add_argument("deletion", nargs="?", help="its id (default: the last one's)")
    show.add_argument("--out", type=Path, metavar="FILE", help="write it there")
    verify = actions.add_parser("verify", help="check a receipt's signature; needs no cloud")
    verify.set_defaults(command="receipts.verify")
    verify.add_argument("file", type=Path)
    verify.add_argument("--key", metavar="BASE64", help="the cloud's public key, to be sure of the signer")

    ledger = commands.add_parser("ledger", help="verify the ledger")
    actions = ledger.add_subparsers(required=True, metavar="ACTION")
    verify = actions.add_parser("verify", parents=_shared("data"), help="check the chain; exit code 1 if it is broken")
    verify.set_defaults(command="look.ledger_verify")
    verify.add_argument("receipts", nargs="*", type=Path, metavar="RECEIPT", help="hold these receipts against it")


def _add_answers(commands: Commands) -> None:
    compare = commands.add_parser(
        "compare", parents=_shared("json"), help="what is left of a trace under other policies"
    )
    compare.set_defaults(command="answering.compare")
    compare.add_argument("--trace", default="week", metavar="NAME|FILE", help="week, walnut, or a file (default: week)")
    compare.add_argument("--policies", metavar="A,B", help="names or files (default: all that ship)")
    compare.add_argument("--until", default="P24M", metavar="PERIOD", help="look so long after the deletion (P24M)")
    compare.add_argument("--html", type=Path, metavar="FILE", help="write a page with a chart, too")

    claims = commands.add_parser("claims", parents=_shared("json"), help="put each sentence of the letter to the test")
    claims.set_defaults(command="answering.claims")
    claims.add_argument("--policy", default="amazon-2019", metavar="NAME|FILE", help="under which (amazon-2019)")


def _add_views(commands: Commands) -> None:
    trace = commands.add_parser("trace", parents=_shared("data", "json"), help="where an utterance went, and why")
    trace.set_defaults(command="answering.trace")
    trace.add_argument("interaction", metavar="INTERACTION")
    trace.add_argument("--svg", type=Path, metavar="FILE", help="draw it there")

    export = commands.add_parser("export", parents=_shared("data", "json"), help="everything of an account, in one ZIP")
    export.set_defaults(command="answering.export")
    export.add_argument("account")
    export.add_argument("file", type=Path, metavar="FILE.zip")

    shared = _shared("account", "data", "json")
    outsiders = commands.add_parser("outsiders", parents=shared, help="what developers, trainers and finders see")
    outsiders.set_defaults(command="answering.outsiders")
    digest = commands.add_parser("digest", parents=_shared("data"), help="one hash of what the stores hold")
    digest.set_defaults(command="answering.digest")


def _add_backups(commands: Commands) -> None:
    backup = commands.add_parser("backup", parents=_shared("data", "json"), help="copy the stores, without the keys")
    backup.set_defaults(command="backing_up.backup")
    backup.add_argument("action", nargs="?", choices=["list"], help="list the backups instead of making one")
    restore = commands.add_parser(
        "restore", parents=_shared("data", "json"), help="bring back what was lost, not what was deleted"
    )
    restore.set_defaults(command="backing_up.restore")
    restore.add_argument("name", help="of the backup; see: cloud-stub backup list")


def _time(text: str) -> datetime:
    """An RFC 3339 time; without a zone it is local, as the person at the keyboard means it."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time. Write 2026-11-23T10:00:00Z or 2026-11-23.") from error

"""Commands on traces: record, replay."""

import argparse
import signal
import sys
import threading

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.tls import with_authority
from cloud_stub.contract.trace import load, locate
from device import trace
from device.errors import EchoError


def record(options: argparse.Namespace) -> int:
    """Write what crosses the wire until Ctrl-C."""
    address = broker_address(options)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with trace.open_new(options.file) as out:
        count = trace.record(
            address, out, stop, lambda: _say(f"recording {address} into {options.file}; Ctrl-C ends it")
        )
    _say(f"{count} messages. {options.file} holds what was said, and is under no retention rule: delete it yourself.")
    return 0


def replay(options: argparse.Namespace) -> int:
    """Play a trace's events."""
    try:
        wanted = load(locate(options.trace))
    except ValueError as error:
        raise EchoError(str(error)) from error
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("")
        count = trace.replay(
            broker_address(options),
            wanted,
            None if options.fast else options.speed,
            lambda done, whole: bar.update(task, completed=done, total=whole),
        )
    print(f"{count} messages replayed")
    return 0


def broker_address(options: argparse.Namespace) -> BrokerAddress:
    """`--broker` with `--ca-file`. Raises EchoError where that is no address."""
    try:
        return with_authority(BrokerAddress.parse(options.broker), options.ca_file)
    except ValueError as error:
        raise EchoError(str(error)) from error


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

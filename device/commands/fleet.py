"""The fleet command: many devices from one process, a live table, a report."""

import argparse
import json
import re
import resource
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table

from cloud_stub.contract.trace import interactions, load, locate
from device.commands.tracing import broker_address
from device.errors import EchoError
from device.fleet import Fleet, Trouble
from device.fleet_report import Report
from device.households import registrations, sayings

#: Their names have four digits.
MOST_DEVICES = 10_000

#: Files that a process needs beside one for each device.
SPARE_FILES = 50


def fleet(options: argparse.Namespace) -> int:
    """Let the fleet speak. Exit code 1 where an interaction was lost, refused or acted on twice."""
    if options.devices > MOST_DEVICES:
        raise EchoError(f"a fleet has {MOST_DEVICES} devices at most. Start several, each with a broker of its own.")
    names = dict(registrations(options.devices))
    if options.households:
        print("\n".join(f"{device} {account}" for device, account in names.items()))
        return 0
    address = broker_address(options)
    _allow_files(options.devices + SPARE_FILES)
    trouble = Trouble(options.duplicates, options.reordered, options.disconnects)
    said = sayings(options.devices, options.seed, _texts(options.trace))
    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        show = _shown(live) if console.is_terminal else lambda _: None
        report = Fleet(address, list(names), said, trouble, options.seed).run(options.interactions, options.rate, show)
    if options.json:
        print(json.dumps(report.figures(), indent=2))
    else:
        Console().print(_table(report))
    if report.reason:
        print(f"echo-device: refused: {report.reason}", file=sys.stderr)
    return int(report.lost > 0 or report.duplicated > 0 or report.answered["refused"] > 0)


def rate(text: str) -> float:
    """Interactions a second, from "500/s", "30/min" or "500". Raises argparse's error for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(s|min))?", text)
    number = float(found[1]) / (60 if found[2] == "min" else 1) if found else 0.0
    if not 0 < number <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate. Write 500/s or 30/min.")
    return number


def share(text: str) -> float:
    """A share from 0 to 1. Raises argparse's error for anything else."""
    if not re.fullmatch(r"0|1|[01]?\.\d+", text) or float(text) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share. Write a number from 0 to 1, such as 0.02.")
    return float(text)


def count(text: str) -> int:
    """A number from 1 on. Raises argparse's error for anything else."""
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no count. Write a number from 1 on.")
    return int(text)


def _texts(trace: str | None) -> list[str] | None:
    if trace is None:
        return None
    try:
        texts = [one.transcript for one in interactions(load(locate(trace))) if one.transcript]
    except ValueError as error:
        raise EchoError(str(error)) from error
    if not texts:
        raise EchoError(f"the trace {trace} has no interaction. Record one: echo-device record {trace}")
    return texts


def _allow_files(wanted: int) -> None:
    """Each connection is an open file. Raises EchoError where the system allows too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise EchoError(f"{wanted} open files are needed, and {hard} are allowed. Take fewer --devices, or ulimit -n.")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _shown(live: Live) -> Callable[[Report], None]:
    """Refresh the table four times a second."""
    next_at = 0.0

    def show(report: Report) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + 0.25
            live.update(_table(report), refresh=True)

    return show


def _table(report: Report) -> Table:
    table = Table("fleet", "", box=None)
    latency = ", ".join(f"{name} {value}" for name, value in report.latency_ms().items())
    for name, value in (
        ("devices online", report.online),
        ("sent", report.sent),
        ("  sent again", report.sent_again),
        ("  connections cut", report.cuts),
        ("acknowledged by the broker", report.acknowledged),
        ("stored", report.answered["stored"]),
        ("forgotten", report.answered["forgotten"]),
        ("refused", report.answered["refused"]),
        ("without an answer", report.lost),
        ("acted on twice", report.duplicated),
        ("latency, ms", latency),
    ):
        table.add_row(name, str(value))
    return table

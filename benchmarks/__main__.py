"""Every benchmark in one table: python -m benchmarks [--full] [--json]

Each figure is a ratio against a named baseline in the same run, or a time of our own beside a bound. Without --full the
sizes are small, so that it ends in some minutes; the README's figures are those of --full.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import LISTENED_TO, SITUATIONS

#: Module, its options in full, those that make it small, and for each line of the table (a figure, as it names it) the
#: baseline.
BENCHMARKS = (
    (
        "hearing_cost",
        (),
        ("--turns", "1"),
        dict.fromkeys(LISTENED_TO, "a bare loop of Vosk over the same blocks, processor time"),
    ),
    (
        "ingest",
        ("--interactions", "10000"),
        ("--interactions", "1500"),
        {
            "ingest against counting (wanted: at least 0.3)": "bare counting paho subscriber, same Mosquitto",
            "paho and sqlite3 alone against counting": "the same subscriber: no cloud is faster here",
            "processor, ingest against counting": "its processor time",
        },
    ),
    (
        "latency",
        ("--rounds", "5"),
        ("--rounds", "1"),
        {
            "decision to answer, median ms (wanted: under 50)": "none: a time of our own",
            "decision to answer against there and back": "two bare paho clients, same Mosquitto",
        },
    ),
    (
        "residue",
        (),
        ("--bytes", "50000000", "--recordings", "20"),
        {
            "speed against grep (wanted: at least 0.5)": "LC_ALL=C grep -F -f -b -o -a",
            "processor, speed against grep": "its processor time",
        },
    ),
    (
        "retention",
        (),
        ("--interactions", "50000", "--trials", "1"),
        {
            "A ratio (wanted: at most 1.3)": "the same account in a store of 10000",
            "B ratio (wanted: at least 0.7)": "bare chunked DELETEs of the same rows",
            "B ratio of processor times": "their processor time",
            "C longest step, ms (wanted: under 250)": "none: a time of our own",
        },
    ),
    (
        "page",
        (),
        ("--interactions", "10000", "--rounds", "10"),
        {
            "first page, ratio": "the same page with few interactions",
            "from the middle, ratio": "the same page with few interactions",
            "a search, ratio": "the same search with few interactions",
        },
    ),
    (
        "budget",
        (),
        ("--seconds", "60"),
        {
            f"{situation}, {figure}": "none: a figure of our own"
            for situation in SITUATIONS
            for figure in ("MB", "share of a core")
        },
    ),
    (
        "startup",
        (),
        ("--rounds", "10"),
        {"echo-device --help against python -c pass (wanted: at most 6)": "python -c pass"},
    ),
)


def main() -> None:
    """Run them one after another, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes of the README's figures")
    parser.add_argument("--json", action="store_true", help="all figures of all benchmarks")
    options = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    found = {}
    for number, (name, full, small, _) in enumerate(BENCHMARKS, 1):
        print(f"{name}, {number} of {len(BENCHMARKS)}", file=sys.stderr, flush=True)
        found[name] = run(name, full if options.full else small) | {"load": round(os.getloadavg()[0], 1)}
    if options.json:
        print(json.dumps({"machine": machine, **found}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table(found, machine))
    if any("failed" in figures for figures in found.values()):
        sys.exit(1)


def table(found: dict[str, dict[str, Any]], machine: str) -> Table:
    """The lines of BENCHMARKS, with what was found."""
    shown = Table("benchmark", "figure", "value", "baseline", title=machine)
    for name, _, _, lines in BENCHMARKS:
        if "failed" in found[name]:
            shown.add_row(name, "none", found[name]["failed"], "")
            continue
        for line, baseline in lines.items():
            shown.add_row(name, line, str(found[name][line]), baseline)
        shown.add_row(name, "load of the machine behind it", str(found[name]["load"]), "")
    return shown


def run(name: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    """The figures of one benchmark; only `failed` where it did not end well, so that the others are still shown."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=Path(__file__).parents[1])  # noqa: S603
    if done.returncode:
        return {"failed": f"ended with {done.returncode}; what it said is above"}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()

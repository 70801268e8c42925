"""How long `echo-device --help` takes: python -m benchmarks.startup [--rounds 20] [--json]

The baseline is Python itself, doing nothing: `python -c pass`. Both run in turn, each round once, so that a machine
with other work has as much of it for one as for the other; the figure is the ratio of the medians.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

NOTHING = (sys.executable, "-c", "pass")
HELP = (sys.executable, "-m", "device", "--help")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="each runs so often (20)")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args()
    for command in (NOTHING, HELP):
        seconds(command)  # the first run reads from the disk
    rounds = [(seconds(NOTHING), seconds(HELP)) for _ in range(options.rounds)]
    nothing, shown = (median(each) for each in zip(*rounds, strict=True))
    figures = {
        "python -c pass, median ms": round(nothing * 1000, 1),
        "echo-device --help, median ms": round(shown * 1000, 1),
        "echo-device --help against python -c pass (wanted: at most 6)": round(shown / nothing, 2),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    for name, value in figures.items():
        print(f"{name:62} {value:8}")


def seconds(command: Sequence[str]) -> float:
    """How long a command takes, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

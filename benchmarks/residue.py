"""Scanning for what is left, against grep: python -m benchmarks.residue [--bytes N] [--recordings N] [--json]

benchmarks.household writes a file like a data folder's, and needles. Then grep and the scanner search the file for the
same needles in turn, three times, each a process of its own on one thread, timed from its start to its end. The
baseline is `LC_ALL=C grep -F -f NEEDLES -b -o -a`: fixed strings, bytes for characters, offsets printed, which is what
the scanner does. (Measured: -c for -b -o, or -z, change its processor time by no more than two runs differ.) On a busy
machine compare the processor times.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.figures import show
from cloud_stub.residue.needles import outright
from cloud_stub.residue.scan import MEMORY_MIB, scan
from cloud_stub.residue.windows import WINDOW

ROUNDS = 3
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=1_000_000_000)
    parser.add_argument("--recordings", type=int, default=100, help="how many of the thousand are searched for")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scan:
        search(options.scan)
        return
    with tempfile.TemporaryDirectory(prefix="residue-") as name:
        figures = measure(Path(name), options.bytes, options.recordings)
    show(figures, as_json=options.json)


def search(folder: Path) -> None:
    """What the measured process does: make the needles, scan the file, write the offsets and its own peak memory."""
    needles = outright([np.fromfile(folder / "windows", np.uint8).reshape(-1, WINDOW)])
    offsets = [hit.offset for hit in scan(folder / "haystack", needles, memory=MEMORY_MIB)]
    np.array(offsets, np.int64).tofile(folder / "found")


def measure(folder: Path, size: int, recordings: int) -> dict[str, Any]:
    """All figures: seconds, their ratio, MiB, and the offsets that one found and the other did not."""
    python = [sys.executable, "-m"]
    tell("writing the file")
    run([*python, "benchmarks.household", str(folder), "--bytes", str(size), "--recordings", str(recordings)], folder)
    commands = {
        "grep": ["grep", "-F", "-f", str(folder / "lines"), "-b", "-o", "-a", str(folder / "haystack")],
        "scan": [*python, "benchmarks.residue", "--scan", str(folder)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    processor: dict[str, list[float]] = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0.0)
    for turn in range(ROUNDS):
        for name, command in commands.items():
            tell(f"{name}, {turn + 1} of {ROUNDS}")
            took, worked, peak = run(command, folder)
            seconds[name].append(took)
            processor[name].append(worked)
            peaks[name] = max(peaks[name], peak)
    middle = {name: median(times) for name, times in seconds.items()}
    work = {name: median(times) for name, times in processor.items()}
    found = np.fromfile(folder / "found", np.int64).tolist()
    apart = set(without_overlaps(found))
    lines = (folder / "printed-by-grep").read_bytes().split(b"\n")
    greps = {int(line.split(b":", 1)[0]) for line in lines if line}
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}",
        "bytes": size,
        "needles": (folder / "windows").stat().st_size // WINDOW,
        "grep -F -f -b -o -a, s (baseline)": [round(one, 2) for one in seconds["grep"]],
        "scan, s": [round(one, 2) for one in seconds["scan"]],
        "speed against grep (wanted: at least 0.5)": round(middle["grep"] / middle["scan"], 2),
        "grep, processor s (baseline)": round(work["grep"], 2),
        "scan, processor s": round(work["scan"], 2),
        "processor, speed against grep": round(work["grep"] / work["scan"], 2),
        "scan, MB/s": round(size / middle["scan"] / 1e6),
        "scan, peak MB (wanted: under 300)": round(peaks["scan"]),
        "grep, peak MB": round(peaks["grep"]),
        "hits": len(found),
        "hits without those that overlap one before": len(apart),
        "of these, not found by grep": len(apart - greps),
        "found by grep only": len(greps - apart),
    }


def run(command: list[str], folder: Path) -> tuple[float, float, float]:
    """(seconds, processor seconds, peak MB) of a process, from its start to its end.

    The kernel counts a process's peak from the program that started it; this one is smaller than what it measures.
    """
    with (folder / f"printed-by-{command[0].rsplit('/', 1)[-1]}").open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, env=os.environ | {"LC_ALL": "C"}, cwd=ROOT)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}.")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def without_overlaps(offsets: list[int]) -> list[int]:
    """What grep -o prints of them: from the left, none that overlaps one before it."""
    kept: list[int] = []
    for offset in offsets:
        if not kept or offset >= kept[-1] + WINDOW:
            kept.append(offset)
    return kept


def tell(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

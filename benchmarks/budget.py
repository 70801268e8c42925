"""What the device needs of a small computer: python -m benchmarks.budget [--seconds 60] [--microphone NAME] [--json]

Memory is the peak of the process (resident, in MB of a million bytes), processor the share of one core that a second of
sound takes; both of `echo-device hear` as it is, with a broker and a cloud that answers, less what its start takes (a
few seconds of quiet are too few for that). It reads as fast as it can, so other load on the machine changes little. A
running device has a second process, which only records: it is measured where there is a microphone. A light ring is
drawn ten times a second, here as WS2812 and with no wire behind it.

The figures are of the machine that they were measured on, which is named with them, and of no other.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from benchmarks import hearing_sets, voices
from benchmarks.broker import mosquitto
from benchmarks.figures import SITUATIONS
from benchmarks.latency import cloud
from cloud_stub.contract.extras import install
from device.audio_source import SAMPLE_RATE
from device.capture import Capture
from device.light_ring import RGB
from device.spoken_requests import FOLDER
from hardware import ws2812
from hardware.panel import Animation

MB = 1_000_000
QUIET = 3.0  # effective value in int16 steps: a quiet room
START_S = 1.0  # seconds of sound in the run that measures the start
DRAWING_S = 10.0
WITHIN_S = 20.0  # for a microphone to open


def main() -> None:
    """Measure, and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of quiet, and of recording")
    parser.add_argument("--microphone", help="by name; the system's where none is given")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.seconds, options.microphone)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table("the device", "memory, MB", "processor, share of a core", title=str(figures["machine"]))
    for name in ("start", *SITUATIONS, RECORDING, RING):
        memory, share = figures.get(f"{name}, MB", ""), figures.get(f"{name}, share of a core")
        shown = f"{share:.1%}" if share is not None else "no microphone here" * (name == RECORDING)
        table.add_row(name, str(memory), shown)
    Console(width=None if sys.stdout.isatty() else 100).print(table)


RECORDING = "its other process: recording"
RING = "drawing the light ring"


def measure(seconds: float, microphone: str | None) -> dict[str, str | float]:
    """All figures, by their names."""
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    figures: dict[str, str | float] = {"machine": machine}
    with mosquitto() as port, tempfile.TemporaryDirectory(prefix="budget-") as name, cloud(Path(name), port):
        sounds = situations(Path(name), seconds)
        start = hear([quiet(Path(name) / "start.flac", START_S)], port, Path(name))
        figures["start, MB"] = round(start[0] / MB, 1)
        for situation, files in zip(SITUATIONS, sounds, strict=True):
            memory, processor = hear(files, port, Path(name))
            length = sum(soundfile.info(file).duration for file in files)
            figures[f"{situation}, MB"] = round(memory / MB, 1)
            figures[f"{situation}, share of a core"] = round((processor - start[1]) / length, 4)
    if recorded := record(microphone, seconds):
        figures[f"{RECORDING}, MB"] = round(recorded[0] / MB, 1)
        figures[f"{RECORDING}, share of a core"] = round(recorded[1], 4)
    figures[f"{RING}, share of a core"] = round(drawing(), 4)
    return figures


def situations(folder: Path, seconds: float) -> tuple[list[Path], list[Path], list[Path]]:
    """Sound files for each of SITUATIONS."""
    talk = folder / "talk.flac"
    said = [sound for _, sound in voices.say(hearing_sets.TALK[20:60], 1, Path(".cache/voices"))]
    soundfile.write(talk, np.concatenate(said), SAMPLE_RATE)
    return [quiet(folder / "quiet.flac", seconds)], [talk], sorted(FOLDER.glob("*.flac"))


def quiet(file: Path, seconds: float) -> Path:
    """A sound file of a quiet room."""
    noise = np.random.default_rng(0).normal(0, QUIET, round(seconds * SAMPLE_RATE))
    soundfile.write(file, np.rint(noise).astype(np.int16), SAMPLE_RATE)
    return file


def hear(files: Sequence[Path], port: int, data: Path) -> tuple[int, float]:
    """Let a device hear these. The most memory that it took, in bytes, and its processor time in seconds."""
    command = [sys.executable, "-m", "device", "hear", *map(str, files), "--timeout", "120"]
    command += ["--broker", f"mqtt://127.0.0.1:{port}", "--data", str(data), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:  # 1: nobody called the device, as it should be with a quiet room and with talk
        sys.exit(f"echo-device hear ended with {process.returncode}; nothing was measured.")
    return used.ru_maxrss * 1024, used.ru_utime + used.ru_stime  # Linux counts in KiB


class Nowhere:
    """Lights of which only the bytes exist."""

    def draw(self, colours: Sequence[RGB]) -> None:
        """Work out what would go out on SPI."""
        ws2812.encode(colours)

    def close(self) -> None:
        """Nothing to release."""


def drawing() -> float:
    """The share of a core that the thread takes which draws the ring, while it thinks."""
    animation = Animation(Nowhere(), brightness=25)
    animation.show("thinking")
    spent, began = time.process_time(), time.monotonic()
    time.sleep(DRAWING_S)
    share = (time.process_time() - spent) / (time.monotonic() - began)
    animation.close()
    return share


def record(microphone: str | None, seconds: float) -> tuple[int, float] | None:
    """Memory in bytes, and share of a core, of the process that records; None where there is no microphone."""
    capture = Capture(microphone)
    capture.open()
    try:
        deadline = time.monotonic() + WITHIN_S
        while capture.read(0.1) is None:
            if time.monotonic() > deadline:
                return None
        try:
            import psutil  # noqa: PLC0415 - where there is no microphone it is not needed
        except ImportError:
            sys.exit(f"To measure what records needs psutil: {install('bench')}")
        recorder = next(child for child in psutil.Process().children() if "device.capture" in child.cmdline())
        before, began = recorder.cpu_times(), time.monotonic()
        while time.monotonic() < began + seconds:
            capture.read(0.1)
        spent, took = recorder.cpu_times(), time.monotonic() - began
        memory: int = recorder.memory_info().rss
    finally:
        capture.close()
    return memory, (spent.user + spent.system - before.user - before.system) / took


if __name__ == "__main__":
    main()

"""A command of one of the programs in a process of its own, forked from one that has loaded the cloud's modules.

Hundreds of commands are run by the tests, and most take less time than Python takes to start and to load SQLAlchemy.
"""

import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PRELOADED = [
    "cloud_stub.cli",
    "device.cli",
    *(
        f"cloud_stub.commands.{file.stem}"
        for file in (Path(__file__).parents[1] / "cloud_stub/commands").glob("[a-z]*.py")
    ),
]

_context = multiprocessing.get_context("forkserver") if hasattr(os, "fork") else None


def run(module: str, arguments: list[str], timeout: float) -> "subprocess.CompletedProcess[str]":
    """As subprocess.run of `python -m module`, its output captured. Raises subprocess.TimeoutExpired."""
    if _context is None:
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, encoding="utf-8")
    _context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name) / "out", Path(name) / "err"
        process = _context.Process(target=_work, args=(module, arguments, dict(os.environ), str(Path.cwd()), out, err))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired([module, *arguments], timeout)
        code = process.exitcode if process.exitcode is not None else 1
        return subprocess.CompletedProcess([module, *arguments], code, out.read_text("utf-8"), err.read_text("utf-8"))


def _work(module: str, arguments: list[str], environment: dict[str, str], folder: str, out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    for number, file in ((1, out), (2, err)):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = [module, *arguments]
    sys.exit(importlib.import_module(f"{module}.cli").main(arguments))

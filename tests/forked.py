"""Commands of our programs in processes of their own, forked from one that has loaded the programs' modules.

Hundreds of commands are run by the tests, and most take less time than Python takes to start and to load SQLAlchemy.
`Popen` and `run` are used as those of the standard library's subprocess, to which they leave every other command.
What starts our programs for others - `echo-device demo`, the fixtures of the pytest plugin - does so by forking too,
after `use()`. `make soak` and `make readme` start them as people do.
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver, reduction
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess, TimeoutExpired
from typing import IO, Any

from device import cloud_process
from device.testing import processes

__all__ = ["DEVNULL", "PIPE", "CompletedProcess", "Popen", "TimeoutExpired", "run"]

PRELOADED = [
    "cloud_stub.broker",
    "cloud_stub.cli",
    "cloud_stub.page.serving",
    "device.cli",
    "device.demo",
    "device.echo",
    "vosk",
    *(
        f"{package}.commands.{file.stem}"
        for package in ("cloud_stub", "device")
        for file in (Path(__file__).parents[1] / package / "commands").glob("[a-z]*.py")
    ),
    "tests.warmed",
]
OURS = ("cloud_stub", "device", "tests.faults.")

#: What is for Python itself, or for the loader, must be there as they start.
STARTERS = ("PYTHON", "LD_", "MALLOC_", "GLIBC_")

#: In the environment: the server that a test's processes are forked from, for a run of pytest that the test starts.
SERVER = "ECHO_TESTS_FORK_SERVER"

_context = multiprocessing.get_context("forkserver") if hasattr(os, "fork") else None


def Popen(command: Sequence[str], **options: Any) -> "Forked | subprocess.Popen[Any]":  # noqa: N802
    """Start `python -m MODULE ...` of ours by forking, anything else by subprocess."""
    if not _forkable(command, options):
        return subprocess.Popen(command, **options)
    return Forked(command, **options)


def run(command: Sequence[str], *, input: str | None = None, timeout: float | None = None, **options: Any) -> Any:  # noqa: A002
    """As subprocess.run, with `capture_output`, `text` and `check` where wanted."""
    check = options.pop("check", False)
    if options.pop("capture_output", False):
        options |= {"stdout": PIPE, "stderr": PIPE}
    if not _forkable(command, options):
        return subprocess.run(command, input=input, timeout=timeout, check=check, **options)
    with contextlib.ExitStack() as stack:
        # Files, as nobody reads a pipe while the command runs.
        files: dict[str, IO[str]] = {
            name: stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            for name in ("stdout", "stderr")
            if options.get(name) == PIPE
        }
        if input is not None:
            options["stdin"] = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            options["stdin"].write(input)
            options["stdin"].seek(0)
        process = Forked(command, **options | files)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        for file in files.values():
            file.seek(0)
        told = {name: file.read() for name, file in files.items()}
    done = CompletedProcess(command, code, told.get("stdout"), told.get("stderr"))
    if check:
        done.check_returncode()
    return done


def _forkable(command: Sequence[str], options: Mapping[str, Any]) -> bool:
    if options.get("stdin") == PIPE:  # nobody writes into one that is forked, but by run(input=...)
        return False
    if _context is None or list(command[:2]) != [sys.executable, "-m"] or not str(command[2]).startswith(OURS):
        return False
    environment = options.get("env") or os.environ
    other = {name for name, value in environment.items() if os.environ.get(name) != value}
    return not any(name.startswith(STARTERS) for name in other)


class Forked:
    """A process of ours, with the names of subprocess.Popen; its pipes are text, in UTF-8."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        text: bool = True,
        encoding: str = "utf-8",
    ) -> None:
        """Starts `python -m MODULE ...`."""
        assert text
        self.args = [str(each) for each in command]
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        with contextlib.ExitStack() as ours:
            handed = []
            for number, given in enumerate((stdin, stdout, stderr)):
                descriptor = number if given is None else -1
                if given == PIPE:
                    reading, descriptor = os.pipe()
                    setattr(self, ("", "stdout", "stderr")[number], os.fdopen(reading, encoding=encoding))
                    ours.callback(os.close, descriptor)
                elif given == DEVNULL or (given is None and not number):
                    descriptor = os.open(os.devnull, os.O_RDWR)
                    ours.callback(os.close, descriptor)
                elif given is not None:
                    descriptor = given.fileno()
                handed.append(_Handed(descriptor))
            assert _context is not None
            have_a_server()
            self._process = _context.Process(
                target=_work, args=(self.args[2:], dict(env or os.environ), str(cwd or Path.cwd()), handed)
            )
            self._process.start()
        self.pid = self._process.pid or 0
        # multiprocessing waits, at the end of the tests, for what one of them has left behind.
        atexit.register(self.kill)

    @property
    def returncode(self) -> int | None:
        """None while nobody has seen it end; -N where signal N ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended. Raises TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise TimeoutExpired(self.args, timeout or 0)
        atexit.unregister(self.kill)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        """All that it still prints into its pipes, to their ends; then its own end, for which alone `timeout` holds."""
        with ThreadPoolExecutor(2) as readers:
            out, err = readers.map(lambda pipe: pipe and pipe.read(), (self.stdout, self.stderr))
        self.wait(timeout)
        return out, err

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()
        self.wait()


class _Handed:
    """A file descriptor that becomes the new process's own number for the same file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> Any:
        return _taken, (reduction.DupFd(self._descriptor),)


def _taken(descriptor: Any) -> int:
    return int(descriptor.detach())


def use() -> None:
    """From now on, what starts our programs for people forks them; in the processes that are forked from here too."""
    for module in (cloud_process, processes):
        module.subprocess = sys.modules[__name__]  # type: ignore[attr-defined]


def have_a_server() -> None:
    """One for all: what is forked, and a run of pytest that a test starts, fork from the server that is there already.

    A server of their own would take longer to load than most of them live. The standard library means to let what is
    forked use its parent's, and does not notice that there is one.
    """
    server = forkserver._forkserver  # type: ignore[attr-defined]
    if server._forkserver_address is None and (given := os.environ.get(SERVER)):
        server._forkserver_address = given
        # It is handed on for the server to live as long as whoever holds it; whoever started the server holds that.
        server._forkserver_alive_fd = os.open(os.devnull, os.O_RDONLY)
    if server._forkserver_address is None:
        forkserver.set_forkserver_preload(PRELOADED)
        forkserver.ensure_running()
        if not getattr(server, "_forkserver_authkey", None):  # newer Pythons let nobody in who was not told a secret
            os.environ[SERVER] = server._forkserver_address
    elif server._forkserver_pid is None:
        server.ensure_running = lambda: None


def _work(arguments: list[str], environment: dict[str, str], folder: str, descriptors: list[int]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = arguments
    module = arguments[0]
    runpy.run_module(module, run_name="__main__", alter_sys=True)

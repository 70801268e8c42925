"""A progress bar on standard error; where that is no terminal, a line now and then."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

EVERY_S = 30.0


class Progress:
    """Use as a context manager; not shown for a process that is one of several."""

    def __init__(self, what: str, total: int, *, shown: bool = True) -> None:
        self._what, self._total, self._shown = what, total, shown
        self._done, self._told_at = 0, time.monotonic()
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        self._bar = Bar(*columns, console=Console(stderr=True), disable=not (shown and sys.stderr.isatty()))
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._bar.disable:
            self._tell("")

    def advance(self, by: int = 1, note: str = "") -> None:
        """So many more are done."""
        self._done += by
        self._bar.update(self._task, advance=by, description=f"{self._what} {note}".strip())
        if self._bar.disable and time.monotonic() - self._told_at > EVERY_S:
            self._tell(note)

    def _tell(self, note: str) -> None:
        if self._shown:
            self._told_at = time.monotonic()
            print(f"{self._what}: {self._done} of {self._total} {note}".rstrip(), file=sys.stderr, flush=True)

"""What if: the same trace under several policies, and what is left of it, step by step, until years later."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from cloud_stub.accounts import DEFAULT
from cloud_stub.answers.rehearsal import Rehearsal, memory, rehearsal
from cloud_stub.contract.trace import Sent, interactions
from cloud_stub.errors import CloudError
from cloud_stub.retention import policy as policies
from cloud_stub.retention.rules import Period

#: Policies that are worked on at once.
WORKERS = 2

#: When it is looked at after everything was deleted; `until` says how many of these.
LATER = ("P3M", "P18M", "P24M")

#: A store's kind, such as `actions/alarm`; third parties name theirs in the store.
Place = str


@dataclass(frozen=True)
class Compared:
    """What is left under one policy: for each place, how many records after each step."""

    policy: str
    title: str
    steps: tuple[str, ...]
    left: dict[Place, tuple[int, ...]]
    alone_steps: tuple[str, ...]
    alone: dict[Place, tuple[int, ...]]
    """The same where nobody deletes anything, and only time passes."""
    unexplained: int
    """Records without a rule, over all steps: a defect."""


def total(left: dict[Place, tuple[int, ...]], step: int, *, theirs: bool) -> int:
    """How many records are left after a step at third parties (`theirs`), or at the operator."""
    return sum(counts[step] for place, counts in left.items() if place.startswith("third_parties/") == theirs)


def compare(
    trace: Sequence[Sent], names: Sequence[str], until: str, told: Callable[[str], None] = lambda _: None
) -> list[Compared]:
    """Replay the trace under each policy, in processes of their own, and count after each step.

    `until` is the ISO 8601 period after which it is looked at last. Raises CloudError for a policy that does not load,
    a period that is none, and a trace in which nothing is said.
    """
    said = interactions(trace)
    if not said:
        raise CloudError("nothing is said in that trace. Record one with: echo-device record FILE")
    later = _later(until, said[-1].at)
    for name in names:
        policies.load(name)
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(under, list(trace), name, later) for name in names]
        found = []
        for name, one in zip(names, waiting, strict=True):
            found.append(one.result())
            told(name)
        return found


def under(trace: list[Sent], name: str, later: tuple[str, ...]) -> Compared:
    """The trace under one policy."""
    loaded = policies.load(name)
    said = interactions(trace)
    count, alone = _Count(), _Count()
    with TemporaryDirectory(prefix="alone-", dir=memory()) as folder, rehearsal(name, said[0].at) as house:
        house.play(trace)
        count.look(house)
        copy = Path(folder) / "data"
        shutil.copytree(house.house.data, copy)
        house.delete(DEFAULT, said[0].id)
        count.look(house)
        house.delete(DEFAULT)
        count.look(house)
        deleted = house.house.clock.now()
        for period in later:
            house.advance_to(Period(period).since(deleted))
            count.look(house)
        house.close_account(DEFAULT)
        # What is closed is forgotten step by step, too.
        house.advance("P3M")
        count.look(house)
        with rehearsal(name, deleted, data=copy) as untouched:
            for period in later:
                untouched.advance_to(Period(period).since(deleted))
                alone.look(untouched)
    spoken = tuple(_spoken(period) for period in later)
    return Compared(
        policy=loaded.name,
        title=loaded.title,
        steps=("all said", "one deleted", "all deleted", *spoken, "closed"),
        left=count.by_place(),
        alone_steps=spoken,
        alone=alone.by_place(),
        unexplained=count.unexplained + alone.unexplained,
    )


@dataclass
class _Count:
    """Counts what is left, step by step."""

    steps: list[Counter[Place]] = field(default_factory=list)
    unexplained: int = 0

    def look(self, house: Rehearsal) -> None:
        rows = house.left(DEFAULT)
        self.unexplained += sum(row.rule is None for row in rows)
        self.steps.append(Counter(_place(row.store, row.kind) for row in rows))

    def by_place(self) -> dict[Place, tuple[int, ...]]:
        places = sorted({place for step in self.steps for place in step}, key=order)
        return {place: tuple(step[place] for step in self.steps) for place in places}


def _later(until: str, since: datetime) -> tuple[str, ...]:
    """The moments up to `until`, which is one of them."""
    try:
        end = Period(until).since(since)
    except ValueError as error:
        raise CloudError(f"{error}. Write --until P24M.") from error
    before = tuple(period for period in LATER if Period(period).since(since) < end)
    return (*before, until)


def _spoken(period: str) -> str:
    return f"+{period[1:-1]} {'months' if period[-1] == 'M' else period[-1]}"


def _place(store: str, kind: str) -> Place:
    return store if store.startswith("third_parties/") else f"{store}/{kind}"


def order(place: Place) -> tuple[int, str]:
    """Sorts places: the operator's first, nearest to the words, then the third parties'."""
    stores = ("primary", "subsystems", "actions", "commerce", "training", "operations", "third_parties")
    return stores.index(place.split("/")[0]), place


def names_of(text: str | None) -> list[str]:
    """Policies by comma; all that ship where none is named."""
    return _split(text) if text else policies.names()


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def summary(compared: Sequence[Compared]) -> list[str]:
    """One line a policy: records left at the operator, and in brackets at third parties, after each step."""
    width = max(len(one.policy) for one in compared)
    deleted = [(one.policy, _cells(one.left, len(one.steps))) for one in compared]
    alone = [(one.policy, _cells(one.alone, len(one.alone_steps))) for one in compared]
    return [
        *_table("", compared[0].steps, deleted, width),
        "",
        *_table("if nobody deletes", compared[0].alone_steps, alone, width),
    ]


def details(one: Compared) -> list[str]:
    """One line a place: what is left there after each step."""
    width = max((len(place) for place in one.left), default=0)
    rows = [(place, [str(count or "-") for count in counts]) for place, counts in one.left.items()]
    return [f"{one.policy}: {one.title}", *_table("", one.steps, rows, width)]


def _cells(left: dict[Place, tuple[int, ...]], steps: int) -> list[str]:
    return [f"{total(left, step, theirs=False)} ({total(left, step, theirs=True)})" for step in range(steps)]


def _table(corner: str, steps: Sequence[str], rows: Sequence[tuple[str, list[str]]], width: int) -> list[str]:
    lines = [f"{corner:{width}}" + "".join(f"{step:>13}" for step in steps)]
    return lines + [f"{name:{width}}" + "".join(f"{cell:>13}" for cell in cells) for name, cells in rows]

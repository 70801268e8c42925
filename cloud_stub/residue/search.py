"""The residue search: every byte of every place that the data folder has, and a verdict for each place.

Nobody writes while it runs: logs are truncated first, the canary is put in, found and taken out, and then all files are
read once, from their first byte to their last.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.residue import canary, opened
from cloud_stub.residue.judge import Finding, Judge
from cloud_stub.residue.left import Rules
from cloud_stub.residue.needles import Key, Needles, of_contents
from cloud_stub.residue.places import LOG, TABLES, Place, of_postgres, places
from cloud_stub.residue.reading import Reader, reader
from cloud_stub.residue.scan import MEMORY_MIB, scan
from cloud_stub.residue.windows import of_text
from cloud_stub.stores import sqlite

Verdict = Literal["clean", "residue explained", "residue UNEXPLAINED", "not inspectable"]
Progress = Callable[[int, int, str], None]
"""Told of bytes read, bytes in all, and the place."""

IN_PLACE = "proved in place"
ON_A_COPY = "proved on a copy"
NOT_TAKEN_OUT = "the canary could not be taken out again"


@dataclass(frozen=True)
class Inspected:
    """What was found in one place."""

    place: str
    verdict: Verdict
    proof: str
    """How the scanner was proved there; why not, where it was not."""
    files: int
    bytes: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Message:
    """Content that lies in no file: a message that a broker keeps."""

    topic: str
    payload: bytes


def search(
    house: House,
    key: Key,
    wanted: Mapping[str, NDArray[np.void]],
    *,
    memory_mib: int = MEMORY_MIB,
    messages: Iterable[Message] = (),
    others: Iterable[Place] = (),
    progress: Progress = lambda *_: None,
) -> list[Inspected]:
    """Search every place for needles made under the key, `wanted` by what each content is of.

    `memory_mib` bounds what is held of any file. `messages` are searched like files of a place of their own, and so are
    `others`, places outside of the data folder. Raises sqlite.ErasureNotPhysical where another program keeps the logs
    from being truncated.
    """
    words = canary.words()
    bird = key.needles(of_text(words))
    # The canary is searched for along with the rest: it must be gone again.
    needles = of_contents(key, [*wanted.values(), bird])
    with house.stores.still(), reader(memory_mib) as at_files:
        searcher = _Searcher(house.data, needles, list(wanted), words, at_files)
        searcher.prove(house, of_contents(key, [bird]))
        _settle(house.data)
        found = [*places(house.data), *_of_server(house), *others]
        whole = sum(_size(file) for place in found for file in place.files)
        done = 0
        inspected = []
        with house.stores.read() as connection:
            rules = Rules(connection, house.keys, house.policy, house.clock.now())
            judge = Judge(rules)
            if house.policy.sealed:
                searcher.opened = opened.findings(rules, needles, list(wanted), house.stores.folder, memory_mib)
            for place in found:
                progress(done, whole, place.name)
                inspected.append(searcher.inspect(judge, place))
                done += inspected[-1].bytes
            progress(done, whole, "")
    kept = list(messages)
    return [*inspected, searcher.messages(kept)] if kept else inspected


class _Searcher:
    """One search: the needles, whose they are, and where the scanner has been proved."""

    def __init__(self, data: Path, needles: Needles, abouts: list[str], words: str, reader: Reader) -> None:
        self._data, self._needles, self._abouts, self._words = data, needles, abouts, words
        self._reader = reader
        self._bird = len(abouts)
        self.opened: dict[str, list[Finding]] = {}
        """By place, what was found in sealed rows whose keys exist."""
        self._proved: set[str] = set()

    def prove(self, house: House, bird: Needles) -> None:
        """Put the canary into the stores, look for it there, and take it out."""
        try:
            canary.put(house.stores, self._words)
            files: dict[str, tuple[Path, ...]] = {
                f"cloud/{store}": (file,) for store, file in house.stores.files.items()
            }
            files |= {place.name: place.files for place in _of_server(house) if not place.unreadable}
            self._proved = {name for name, some in files.items() if any(self._reader.read(file, bird) for file in some)}
        finally:
            canary.take(house.stores)

    def inspect(self, judge: Judge, place: Place) -> Inspected:
        """Read all files of a place, and judge what is found."""
        findings = list(self.opened.get(place.name, []))
        problems = {self._name(file): reason for file, reason in place.unreadable.items()}
        size = 0
        for file in (file for file in place.files if file not in place.unreadable):
            name = self._name(file)
            try:
                size += _size(file)
                found = self._reader.read(file, self._needles)
            except OSError as error:
                problems[name] = error.strerror or str(error)
                continue
            if place.name != LOG and any(self._bird in one.owners for one in found):
                problems[name] = NOT_TAKEN_OUT
            findings += [
                judge.judge(place.name, name, one.offset, self._abouts[owner], one.parts)
                for one in found
                for owner in one.owners
                if owner != self._bird
            ]
        proof = "; ".join(f"{name}: {reason}" for name, reason in problems.items()) or self._proof(place)
        verdict = _verdict(findings, sure=proof in {IN_PLACE, ON_A_COPY})
        return Inspected(place.name, verdict, proof, len(place.files), size, tuple(findings))

    def messages(self, kept: list[Message]) -> Inspected:
        """Messages that a broker keeps: nothing explains words in them, since no rule speaks of them."""
        findings = tuple(
            Finding(f"retained message on {message.topic}", hit.offset, self._abouts[owner], "a retained message")
            for message in kept
            for hit in scan(message.payload, self._needles)
            for owner in hit.owners
        )
        size = sum(len(message.payload) for message in kept)
        return Inspected("broker/retained messages", _verdict(findings, sure=True), IN_PLACE, len(kept), size, findings)

    def _proof(self, place: Place) -> str:
        if place.name in self._proved:
            return IN_PLACE
        files = [file for file in place.files if file not in place.unreadable]
        bird = of_contents(self._needles.key, [self._needles.key.needles(of_text(self._words))])
        try:
            found = self._reader.finds_in_copies(files, self._words, bird)
        except sqlite3.DatabaseError as error:
            return f"the canary cannot be put there: {error}"
        return ON_A_COPY if found else "the canary that was put there was not found"

    def _name(self, file: Path) -> str:
        """A file by its path within the data folder, or by its whole path where it is not in it."""
        return str(file.relative_to(self._data)) if file.is_relative_to(self._data) else str(file)


def _of_server(house: House) -> list[Place]:
    """PostgreSQL's files, all written; none where the stores are files of our own."""
    try:
        where = house.stores.flushed()
    except CloudError as error:
        return [Place(name, (), {Path(name): str(error)}) for name in (TABLES, LOG)]
    return of_postgres(*where) if where else []


def _settle(data: Path) -> None:
    """Truncate the logs of the third parties' databases too, which run in processes of their own."""
    for file in (data / "third_parties").glob("*/*.db"):
        files = sqlite.Files({"main": file})
        try:
            files.checkpoint()
        finally:
            files.close()


def _verdict(findings: Iterable[Finding], *, sure: bool) -> Verdict:
    found = list(findings)
    if any(not finding.explained for finding in found):
        return "residue UNEXPLAINED"
    if not sure:
        return "not inspectable"
    return "residue explained" if found else "clean"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0

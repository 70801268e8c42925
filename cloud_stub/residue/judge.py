"""Whether a rule lets the bytes of a hit be where they are.

They are *explained* only where every one of them lies in a live cell (overflow pages included) of a record that a rule
keeps as it is. Free pages, free blocks, logs, indexes and every other kind of file explain nothing.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Table, and_, select

from cloud_stub import accounts
from cloud_stub.contract.messages import ID_PATTERN, Forget, rfc3339, time_of
from cloud_stub.errors import CloudError
from cloud_stub.residue.left import Left, Rules
from cloud_stub.residue.reading import Part
from cloud_stub.retention import device_copies
from cloud_stub.stores.tables import RECORDS, directive, quarantine

#: What stands in the place of a rule for what a device still has to say.
IN_OUTBOX = "the device's outbox: the cloud has not answered for it yet"
TOLD = "the device's own copy: it was told to erase it, and has not confirmed that yet"

#: A recording that a device saved, by the name that it gives its file.
_SAVED_SOUND = re.compile(rf"(?:^|/)({ID_PATTERN.removeprefix('^').partition('$')[0]})\.flac$")

_TABLES = RECORDS | {("operations", table.name): table for table in (directive, quarantine)}


@dataclass(frozen=True)
class Finding:
    """Content at one place of a file."""

    file: str
    offset: int | None
    """In the file; None in a row that had to be opened with its key."""
    about: str
    """The interaction, or the phrase or the sound, that the content is of."""
    where: str
    """Store, kind and field, or what the bytes are part of."""
    interaction: str | None = None
    """Whose record it lies in, where it lies in one."""
    rule: str | None = None
    clause: str | None = None

    @property
    def explained(self) -> bool:
        """Whether a rule lets it stay."""
        return self.rule is not None


class Judge:
    """Judges the parts of files that hits lie in; each row is looked up once."""

    def __init__(self, rules: Rules) -> None:
        """`rules` say what each record stays under; their connection reads the rows."""
        self._rules = rules
        self._known: dict[tuple[str, Part], Finding] = {}

    def judge(self, place: str, file: str, offset: int, about: str, parts: Sequence[Part]) -> Finding:
        """The worst that can be said of any of the parts."""
        judged = [self._part(place, part) for part in parts] or [_nowhere("nothing that the file knows of")]
        if saved := _SAVED_SOUND.search(file):
            judged = [self._copy("saved sound", (RECORDS["primary", "recording"],), saved[1], 0)]
        worst = min(judged, key=lambda finding: finding.explained)
        return replace(worst, file=file, offset=offset, about=about)

    def _part(self, place: str, part: Part) -> Finding:
        if (place, part) not in self._known:
            self._known[place, part] = self._row(place, part) if part.kind == "row" else _nowhere(part.kind)
        return self._known[place, part]

    def _row(self, place: str, part: Part) -> Finding:
        room, _, name = place.partition("/")
        key = dict(part.key)
        where = f"{place.removeprefix('cloud/')}/{part.table}.{','.join(part.columns)}"
        if room == "devices" and part.table == "waiting":
            return self._waiting(name, str(key["interaction"]), where)
        if room == "devices" and part.table == "alert":
            interaction, position = str(key["interaction"]), int(key["position"])
            return self._copy(where, device_copies.ALERTS, interaction, position, names=part.columns)
        if room == "third_parties" and part.table == "held":
            held = key | {"fields": json.loads(str(key["details"]))}
            return _kept(where, self._rules.held(name, held, str(key["account"])))
        found = self._record(name, part.table, key) if room == "cloud" else None
        return _kept(where, found) if found else _nowhere(where)

    def _record(self, store: str, kind: str, key: dict[str, Any]) -> Left | None:
        """The record with that key as the store itself tells it; None where it knows of none."""
        table = _TABLES.get((store, kind))
        if table is None:
            return None
        here = and_(*(column == key[column.name] for column in table.primary_key))
        row = self._rules.connection.execute(select(table).where(here)).mappings().first()
        if row is None:
            return None
        try:
            return self._rules.working(table, row) if store == "operations" else self._rules.record(table, row)
        except CloudError:
            # Its content is not what was sealed there, so no rule speaks of it.
            return None

    def _copy(
        self, where: str, tables: Sequence[Table], interaction: str, position: int, *, names: Sequence[str] = ()
    ) -> Finding:
        """A device's copy of a record: there by right as long as the record is, or until it is known to be erased.

        As little as the copy of an erased record is one of those of its fields, `names`, that a rule has taken out.
        """
        for table in tables:
            here = and_(table.c.interaction == interaction, table.c.position == position)
            row = self._rules.connection.execute(select(table).where(here)).mappings().first()
            if row is not None:
                if any(name in table.c and row[name] is None for name in names):
                    break
                return _kept(where, self._rules.record(table, row))
        told = self._rules.connection.execute(select(directive).where(directive.c.purpose == Forget.name)).mappings()
        if any(interaction.encode() in row["payload"] for row in self._rules.keys.seal.opened(directive, told)):
            return Finding("", 0, "", where, interaction, TOLD, TOLD)
        return Finding("", 0, "", where, interaction)

    def _waiting(self, device: str, interaction: str, where: str) -> Finding:
        """A message in an outbox: there by right until a deletion covers it."""
        owner = accounts.owners(self._rules.connection, [device]).get(device, "")
        if self._rules.deleted(owner, interaction, rfc3339(time_of(interaction))):
            return Finding("", 0, "", where, interaction)
        return Finding("", 0, "", where, interaction, IN_OUTBOX, IN_OUTBOX)


def _kept(where: str, left: Left) -> Finding:
    return Finding("", 0, "", where, left.interaction, left.rule, left.clause)


def _nowhere(what: str) -> Finding:
    return Finding("", 0, "", what)

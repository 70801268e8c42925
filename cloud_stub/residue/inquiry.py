"""One question put to every byte: what is searched for, the search, its report, and what the witness forgets then."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cloud_stub import accounts, quarantine
from cloud_stub.contract.messages import ID_PATTERN
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.residue import witness
from cloud_stub.residue.needles import NEEDLE, Key
from cloud_stub.residue.places import Place
from cloud_stub.residue.report import Report
from cloud_stub.residue.scan import MEMORY_MIB
from cloud_stub.residue.search import Inspected, Message, Progress, search
from cloud_stub.residue.witness import Kept, Witness, Witnessed
from cloud_stub.stores.sqlite import ErasureNotPhysical

#: So many devices at most are named whose files were not searched.
NAMED = 10


@dataclass
class Wanted:
    """What is searched for: what the witness knows, or content given outright."""

    about: str
    key: Key
    account: str | None = None
    """Whose; None where it may be anybody's."""
    known: list[Witnessed] = field(default_factory=list)
    given: Kept = field(default_factory=lambda: np.empty(0, NEEDLE))
    notes: list[str] = field(default_factory=list)


def witnessed(house: House, about: str) -> Wanted:
    """What the witness knows of an account, or of an interaction. Raises CloudError for an unknown interaction."""
    account, interaction = about, None
    with house.stores.read() as connection:
        if re.match(ID_PATTERN, about):
            interaction = about
            account = witness.account_of(connection, interaction)
        known = witness.of(connection, house.keys.seal, account, interaction)
    notes = [] if known else [f"The witness has no fingerprint of {about}: nothing was searched for."]
    return Wanted(about, Witness(house.stores.folder).key, account, known, notes=notes)


def inquire(
    house: House,
    wanted: Wanted,
    *,
    memory_mib: int = MEMORY_MIB,
    messages: Iterable[Message] = (),
    others: Iterable[Place] = (),
    notes: Sequence[str] = (),
    progress: Progress = lambda *_: None,
) -> Report:
    """Search, report, and let the witness forget what is proved to be gone; arguments as for `search`.

    Nothing is proved to be gone while the files of a device, one that is registered, spoke or was refused, are not
    among those searched. Raises CloudError where the search cannot begin.
    """
    contents = {one.interaction: one.needles for one in wanted.known} or {wanted.about: wanted.given}
    try:
        inspected = search(
            house, wanted.key, contents, memory_mib=memory_mib, messages=messages, others=others, progress=progress
        )
    except ErasureNotPhysical as error:
        raise CloudError(f"the search cannot begin: {error}") from error
    unseen = _unseen(house, wanted.account, inspected)
    if unseen:
        named = ", ".join(unseen[:NAMED]) + (f" and {len(unseen) - NAMED} more" if len(unseen) > NAMED else "")
        notes = [
            *notes,
            f"Not searched is what these devices may keep, such as what waits to be sent: {named}. A device's folder "
            "that is not in this one is searched where --devices names it.",
        ]
    report = Report(wanted.about, house.policy.name, inspected, wanted.known, [*wanted.notes, *notes])
    if not unseen:
        witness.settle(house, report.clean())
    return report


def _unseen(house: House, account: str | None, inspected: Iterable[Inspected]) -> list[str]:
    """The account's devices, or all, of which no file was among those searched."""
    searched = {one.place for one in inspected if one.files}
    with house.stores.read() as connection:
        known = (
            witness.devices(connection, account)
            | set(accounts.devices(connection, account))
            | quarantine.senders(connection, house.keys.seal, account)
        )
    return sorted(name for name in known if f"devices/{name}" not in searched)

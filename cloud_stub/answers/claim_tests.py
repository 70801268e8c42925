"""How each claim is put to the test: a household under the policy, what it says and does, and what is there then."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import LargeBinary

from cloud_stub.accounts import DEFAULT
from cloud_stub.answers.rehearsal import Rehearsal, rehearsal
from cloud_stub.contract.messages import rfc3339
from cloud_stub.due import due
from cloud_stub.residue.left import Left
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES
from cloud_stub.third_parties.partner import held
from cloud_stub.traces import sound
from cloud_stub.voice_history import history

Verdict = Literal["holds", "fails", "cannot be known from outside"]

START = datetime(2026, 6, 1, 9, tzinfo=UTC)

TRANSACTIONS = {
    "subscription": "subscribe to amazon music unlimited",
    "order": "order milk and eggs from amazon fresh",
    "ride": "request a ride from uber to the airport",
    "pizza": "order a large pepperoni pizza from dominos",
    "in_skill_purchase": "buy the extra questions in the quiz",
}
UNDERLYING = {
    "alarm": "set a recurring alarm for seven a m",
    "reminder": "remind me of my anniversary on june fourteenth",
    "meeting": "place a meeting with alice on my calendar for friday at ten",
    "message": "send a message to bob saying i am running late",
}
WALNUT = "remember that i am allergic to walnuts"


@contextmanager
def _home(policy: str) -> Iterator[Rehearsal]:
    """A household under that policy, of which everything is sampled for training."""
    with rehearsal(policy, START, training_share=1.0) as house:
        yield house


def _kinds(rows: Sequence[Left]) -> set[str]:
    return {f"{row.store}/{row.kind}" for row in rows}


def _named(kinds: set[str]) -> str:
    return ", ".join(sorted(kinds)) or "nothing"


def _judged(holds: bool, evidence: str) -> tuple[Verdict, str]:
    return ("holds" if holds else "fails"), evidence


def l1(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        house.say(WALNUT, sound=sound())
        house.advance("P24M")
        kinds = _kinds(house.left(DEFAULT))
        kept = {"primary/recording", "primary/transcript"} <= kinds
        return _judged(kept, f"24 months after a request that nobody deleted, there is {_named(kinds)}")


def l2(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        said = house.say(WALNUT, sound=sound())
        before = {kind for kind in _kinds(house.left(DEFAULT)) if kind.startswith("primary/")}
        house.delete(DEFAULT, said)
        after = {kind for kind in _kinds(house.left(DEFAULT)) if kind.startswith("primary/")}
        gone = {"primary/transcript", "primary/response"} <= before - after
        return _judged(gone, f"primary had {_named(before)}; after the deletion it has {_named(after)}")


def l3(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        house.say(WALNUT, sound=sound())
        house.delete(DEFAULT)
        now = _kinds(house.left(DEFAULT))
        house.advance("P31D")
        later = _kinds(house.left(DEFAULT))
        primary = not any(kind.startswith("primary/") for kind in now)
        copy = "subsystems/transcript"
        evidence = (
            f"after the deletion primary holds {'nothing' if primary else 'records'}; the copy in other systems is "
            f"{'there' if copy in now else 'gone'} at once and {'there' if copy in later else 'gone'} after 31 days"
        )
        return _judged(primary and copy not in later, evidence)


def l4(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        for text in (WALNUT, "what am i allergic to"):
            house.say(text, sound=sound())
        rows = house.left(DEFAULT)
        sounds = [row for row in rows if row.kind == "recording" and row.store == "primary"]
        heard = [row for row in rows if row.kind == "transcript" and row.store == "primary"]
        audio = [
            name
            for (store, kind), table in RECORDS.items()
            if kind == "response"
            for name, column in table.c.items()
            if isinstance(column.type, LargeBinary)
        ]
        evidence = f"{len(heard)} requests left {len(sounds)} recordings of requests and {len(audio)} of responses"
        return _judged(len(sounds) <= len(heard) and not audio, evidence)


def l5(policy: str) -> tuple[Verdict, str]:
    return kept_after_deletion(policy, UNDERLYING, "actions")


def l6(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        for text in TRANSACTIONS.values():
            house.say(text)
        house.delete(DEFAULT)
        house.advance("P31D")
        rows = {row.store: row.rule or "" for row in house.left(DEFAULT) if row.store.startswith("third_parties/")}
        seen = [f"{name}: {len(held(house.house.data, name, DEFAULT))}" for name in THIRD_PARTIES]
        evidence = f"records in the third parties' own folders after the deletion: {', '.join(seen)}"
        return _judged(bool(rows), evidence + "; the operator itself sees only what they answer")


def l7(policy: str) -> tuple[Verdict, str]:
    return kept_after_deletion(policy, TRANSACTIONS, "commerce")


def kept_after_deletion(policy: str, texts: dict[str, str], store: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        for text in texts.values():
            house.say(text, sound=sound())
        house.delete(DEFAULT)
        house.advance("P31D")
        kept = {row.kind for row in house.left(DEFAULT) if row.store == store}
        evidence = f"of {', '.join(texts)} the deletion left {', '.join(sorted(kept)) or 'nothing'}"
        return _judged(set(texts) <= kept, evidence)


def l8(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        for text in UNDERLYING.values():
            house.say(text, sound=sound())
        house.delete(DEFAULT)
        seal, now = house.house.keys.seal, house.house.clock.now()
        with house.house.stores.read() as connection:
            coming = {entry["kind"] for entry in due(connection, seal, DEFAULT, now, ZoneInfo("UTC"))}
        messages = [row.fields for row in house.left(DEFAULT) if row.kind == "message"]
        redacted = bool(messages) and messages[0]["text"] is None and messages[0]["recipient"] == "bob"
        evidence = (
            f"after the deletion still due: {', '.join(sorted(coming)) or 'nothing'}; of the message "
            f"{'its recipient and time are left, its text is not' if redacted else f'{messages or None} is left'}"
        )
        return _judged({"alarm", "reminder", "meeting"} <= coming and redacted, evidence)


def l9(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        house.say(WALNUT, sound=sound())
        taken = {kind for kind in _kinds(house.left(DEFAULT)) if kind.startswith("training/")}
        house.delete(DEFAULT)
        kept = {kind for kind in _kinds(house.left(DEFAULT)) if kind.startswith("training/")}
        return _judged(bool(taken), f"copied for training: {_named(taken)}; after the deletion: {_named(kept)}")


def l10(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        first, second, third = (house.say(text, sound=sound()) for text in (WALNUT, "what time is it", WALNUT))
        shown = _history(house)
        house.delete(DEFAULT, second)
        one = {row["id"] for row in _history(house)} == {first, third}
        house.delete(DEFAULT)
        every = not _history(house)
        heard = sum(bool(row["recording"]) for row in shown)
        evidence = (
            f"the history showed {len(shown)} requests with their words, {heard} with their sound; deleting one "
            f"{'took' if one else 'did not take'} just that one, deleting all {'took' if every else 'did not take'} all"
        )
        return _judged(len(shown) == 3 and heard == 3 and one and every, evidence)


def l11(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        for text in (WALNUT, *TRANSACTIONS.values()):
            house.say(text, sound=sound())
        rows = [row for row in house.left(DEFAULT) if not row.store.startswith(("third_parties/", "operations"))]
        with house.house.stores.read() as connection:
            names = {
                name
                for (store, _), table in RECORDS.items()
                for (name,) in connection.execute(table.select().with_only_columns(table.c.account))
            }
        return _judged(names == {DEFAULT}, f"{len(rows)} records, every one of them under the name {', '.join(names)}")


def l12(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        for text in (WALNUT, *TRANSACTIONS.values()):
            house.say(text, sound=sound())
        house.delete(DEFAULT)
        words = [row for row in house.left(DEFAULT) if row.kind in {"transcript", "response"}]
        house.advance("P24M")
        later = [row for row in house.left(DEFAULT) if row.kind in {"transcript", "response"}]
        where = {row.store for row in words}
        evidence = (
            f"transcripts of deleted requests are on {', '.join(sorted(where)) or 'no'} servers of the operator after "
            f"the deletion, {len(later)} of them 24 months later"
        )
        if words or later:
            return "holds", evidence
        return "cannot be known from outside", evidence + "; what third parties do with theirs only they know"


def f1(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        house.say(WALNUT, sound=sound())
        house.delete(DEFAULT)
        rows = house.left(DEFAULT)
        elsewhere = {row.store for row in rows if row.kind == "transcript"}
        recordings = [row for row in rows if row.store == "primary" and row.kind == "recording"]
        evidence = (
            f"after the deletion {'no' if not recordings else 'a'} recording is in primary, and transcripts are in "
            f"{', '.join(sorted(elsewhere)) or 'no other store'}"
        )
        return _judged(not recordings and bool(elsewhere), evidence)


def f2(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        house.register("nursery", "child", child=True)
        house.say(WALNUT, device="nursery", sound=sound())
        house.advance("P24M")
        kinds = _kinds(house.left("child"))
        kept = "primary/recording" in kinds
        return _judged(kept, f"24 months after a child's last word, there is {_named(kinds)}")


def f3(policy: str) -> tuple[Verdict, str]:
    with _home(policy) as house:
        house.register("kitchen", DEFAULT)
        house.register("nursery", "child", child=True)
        house.say(WALNUT, sound=sound())
        house.say(WALNUT, device="nursery", sound=sound())
        house.delete(DEFAULT)
        left = {kind for kind in _kinds(house.left(DEFAULT)) if not kind.startswith("operations/")}
        training = {kind for kind in left if kind.startswith("training/")}
        house.advance("P91D")
        silent = _kinds(house.left("child"))
        now = rfc3339(house.house.clock.now())[:10]
        evidence = (
            f"after the deletion: {_named(left)}, of it for training: {_named(training)}; of a child's profile silent "
            f"for 91 days, on {now}: {_named(silent)}"
        )
        return _judged(not left and not training and not silent, evidence)


def _history(house: Rehearsal) -> list[dict[str, object]]:
    with house.house.stores.read() as connection:
        return history(connection, house.house.keys.seal, DEFAULT)

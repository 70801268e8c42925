"""Carrying out what the assistant decided: records, requests to third parties, deletions, forgetting, settings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import and_, select

from cloud_stub.assistant import Change, Deletion, Draft, Forget, Outcome
from cloud_stub.assistant.facts import matching
from cloud_stub.batch import Batch, Origin
from cloud_stub.contract.messages import Alert, AlertKind, Interaction, encode, new_id, rfc3339
from cloud_stub.contract.partners import PartnerRequest, partner_topic
from cloud_stub.contract.recurrence import Recurrence
from cloud_stub.retention import device_copies, ledger
from cloud_stub.retention.clock import SystemClock
from cloud_stub.retention.engine import Engine
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import RECORDS, directive, fields

_FACT = RECORDS["actions", "fact"]
_TRANSCRIPT = RECORDS["primary", "transcript"]


class Memory:
    """What the assistant may look up while it answers, within the batch's transaction."""

    def __init__(self, batch: Batch) -> None:
        """Sees the batch's own rows too."""
        self._batch = batch

    def facts(self, account: str) -> list[str]:
        """Remembered facts, newest first; what a rule has redacted is not remembered."""
        return [row["text"] for row in self.actions(account, "fact") if row["text"] is not None]

    def actions(self, account: str, kind: str) -> list[Mapping[str, Any]]:
        """Records of that kind of action, newest first."""
        table = RECORDS["actions", kind]
        self._batch.flush(table)
        newest = select(table).where(table.c.account == account).order_by(table.c.interaction.desc())
        rows = self._batch.seal.opened(table, self._batch.connection.execute(newest).mappings())
        return [{name: row[name] for name in fields(table)} for row in rows if row["seal"] is None]


class Conductor:
    """Turns an Outcome into rows of the batch."""

    def __init__(self, keys: Keys, engine: Engine, clock: SystemClock, zone: ZoneInfo) -> None:
        """`keys` make the ledger's pseudonyms; settings are the engine's to change; in `zone` alarms recur."""
        self._keys, self._engine, self._clock, self._zone = keys, engine, clock, zone

    def act(self, batch: Batch, origin: Origin, outcome: Outcome, at: datetime) -> None:
        """Write the records of the action, and queue what a third party is asked to do."""
        order = outcome.partner
        for position, draft in enumerate(outcome.records):
            extra: dict[str, Any] = {}
            if order is not None and draft.store == "commerce":
                extra = {"partner": order.partner, "status": "requested"}
            batch.record(draft.store, draft.kind, origin, position=position, **draft.fields, **extra)
            if RECORDS[draft.store, draft.kind] in device_copies.ALERTS and draft.fields["due"]:
                batch.send(self._alert(origin, draft, position), origin, origin.interaction)
        if order is not None:
            request = PartnerRequest(
                id=new_id(),
                verb="perform",
                account=origin.account,
                interaction=origin.interaction,
                at=at,
                details=dict(order.details),
            )
            batch.add(
                directive,
                {
                    "id": request.id,
                    "account": origin.account,
                    "interaction": origin.interaction,
                    "received_at": origin.received_at,
                    "recipient": f"partner/{order.partner}",
                    "purpose": "perform",
                    "topic": partner_topic(order.partner, "request"),
                    "payload": encode(request),
                    "attempts": 0,
                },
            )
        if outcome.forget is not None:
            self._forget(batch, origin, outcome.forget)
        if outcome.change is not None:
            self.change(batch, origin, outcome.change)

    def change(self, batch: Batch, origin: Origin, wanted: Change) -> None:
        """Change a setting of the account. Raises CloudError for a setting or a value that does not exist."""
        # What was said before in the same batch is taken back too, where a setting takes something back.
        batch.flush()
        self._engine.change_setting(batch.connection, origin.account, wanted.setting, wanted.value)
        batch.changed(origin.account)

    def _alert(self, origin: Origin, draft: Draft, position: int) -> Alert:
        """What makes the device that was asked ring."""
        return Alert(
            id=new_id(),
            interaction=origin.interaction,
            position=position,
            kind=cast("AlertKind", draft.kind),
            due=datetime.fromisoformat(str(draft.fields["due"])),
            recurrence=cast("Recurrence", draft.fields.get("recurrence") or ""),
            zone=self._zone.key,
            about=str(draft.fields.get("about") or "")[:2000],
        )

    def delete(self, batch: Batch, origin: Origin, wanted: Deletion, message: Interaction) -> None:
        """Remember a deletion asked for by voice: what it names, and the request itself.

        The request is named by its id too, so that its recording, which arrives later, is covered whatever its time.
        """
        batch.flush()
        batch.delete(self._scope(origin, interaction=origin.interaction))
        if wanted.kind == "last":
            last = self._last(batch, origin)
            if last is not None:
                batch.delete(self._scope(origin, interaction=last))
            return
        until = min(wanted.until or message.at, message.at)
        since = rfc3339(wanted.since) if wanted.since else None
        batch.delete(self._scope(origin, since=since, until=rfc3339(until)))

    def _scope(
        self, origin: Origin, interaction: str | None = None, since: str | None = None, until: str | None = None
    ) -> Scope:
        return Scope(
            id=new_id(),
            account=origin.account,
            requested_at=origin.received_at,
            requested_by=origin.interaction,
            interaction=interaction,
            since=since,
            until=until,
        )

    def _last(self, batch: Batch, origin: Origin) -> str | None:
        """The interaction before this one on the same device."""
        before = and_(
            _TRANSCRIPT.c.account == origin.account,
            _TRANSCRIPT.c.device == origin.device,
            _TRANSCRIPT.c.interaction != origin.interaction,
            _TRANSCRIPT.c.at <= origin.at,
        )
        newest = select(_TRANSCRIPT.c.interaction).where(before).order_by(_TRANSCRIPT.c.interaction.desc()).limit(1)
        return batch.connection.execute(newest).scalar()

    def _forget(self, batch: Batch, origin: Origin, wanted: Forget) -> None:
        """Drop remembered facts because the household said so: its own data, not a deletion of an interaction."""
        batch.flush()
        mine = select(_FACT).where(_FACT.c.account == origin.account).order_by(_FACT.c.interaction.desc())
        if not wanted.every:
            mine = mine.where(_FACT.c.text.is_not(None))
        rows = batch.seal.opened(_FACT, batch.connection.execute(mine).mappings())
        if wanted.about is not None:
            about = matching(wanted.about, [row["text"] for row in rows if row["text"] is not None])
            rows = [row for row in rows if row["text"] in about]
        elif not wanted.every:
            rows = rows[:1]
        for row in rows:
            one = and_(_FACT.c.interaction == row["interaction"], _FACT.c.position == row["position"])
            batch.seal.erase(batch.connection, _FACT, and_(_FACT.c.account == origin.account, one))
        if rows:
            decision = ledger.Decision(
                trigger="forget",
                action="erase",
                store="actions",
                kind="fact",
                rule="the household told the assistant to forget it",
                subjects=tuple((origin.account, row["interaction"]) for row in rows),
                records=len(rows),
            )
            ledger.append(batch.connection, self._keys, self._clock.now(), [decision])

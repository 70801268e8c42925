"""What is left: the stores before and after, under which clause; years later; and what a search of every byte says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from cloud_stub.page import picture
from cloud_stub.page.context import Here, Me, Page, go, render
from cloud_stub.page.door import Session
from cloud_stub.residue.forecast import Moment, forecast
from cloud_stub.residue.inquiry import inquire, witnessed
from cloud_stub.residue.left import Left
from cloud_stub.retention.rules import Period

router = APIRouter(tags=["what is left"])

#: The slider's stops, as the form says them, and in words; without a deletion there is no second one.
STOPS = {
    "now": "now",
    "deleted": "just after the deletion",
    "P3M": "3 months later",
    "P18M": "18 months later",
    "P24M": "24 months later",
}

#: How many records of one kind a page shows; the archive in Settings has them all.
SHOWN = 25


class Look(BaseModel):
    """At which moment, and whether everything is deleted first."""

    model_config = ConfigDict(extra="forbid")

    at: Literal["now", "deleted", "P3M", "P18M", "P24M"] = "now"
    delete: Literal["everything", "nothing"] = "everything"


@dataclass(frozen=True)
class Clause:
    """What one rule lets stay, with its clause."""

    rule: str
    clause: str
    rows: list[Left]
    more: int


@router.get("/left")
def shown(request: Request, here: Here, me: Me, look: Annotated[Look, Query()]) -> Response:
    """The map of stores at one moment, and the words that are left there."""
    before, after = _moments(here, me, look)
    return render(
        request,
        "left.html",
        room="left",
        look=look,
        stops=STOPS,
        at=after.at,
        map=picture.stores(before.counts(), after.counts()),
        before=len(before.left),
        after=len(after.left),
        clauses=_clauses(after.left),
        unexplained=sum(row.rule is None for row in after.left),
        report=me.report,
    )


@router.get("/left/picture", responses={200: {"content": {"image/svg+xml": {}}}}, response_class=Response)
def drawn(here: Here, me: Me, look: Annotated[Look, Query()]) -> Response:
    """The map as a file to keep."""
    before, after = _moments(here, me, look)
    what = "everything deleted" if look.delete == "everything" and look.at != "now" else "nothing deleted"
    with here.desk.house() as house:
        policy = house.policy.name
    title = f"What is left of {me.account} under {policy}: {what}, {STOPS[look.at]}"
    headers = {"content-disposition": 'attachment; filename="what-is-left.svg"'}
    return Response(picture.file(title, before.counts(), after.counts()), media_type="image/svg+xml", headers=headers)


@router.post("/left/search", status_code=303, response_class=Response)
def search(request: Request, here: Here, me: Me) -> Response:
    """Search every byte of every place for what was said."""
    with here.desk.house() as house:
        me.report = inquire(house, witnessed(house, me.account))
    return go(request, "/left#bytes", "Every byte was searched.")


def _moments(here: Page, me: Session, look: Look) -> tuple[Moment, Moment]:
    """The moment before anything, and the one that is looked at."""
    later = [Period(look.at)] if look.at.startswith("P") else []
    deleted = look.delete == "everything" and look.at != "now"
    with here.desk.house() as house, house.stores.read() as connection:
        moments = forecast(
            connection, house.keys, house.policy, me.account, house.clock.now(), house.data, later, deleted=deleted
        )
    return moments[0], moments[-1]


def _clauses(rows: Sequence[Left]) -> list[Clause]:
    """Records by the rule under which they are there, in the order of the stores; those without a rule first."""
    by_rule: dict[tuple[str, str], list[Left]] = {}
    for row in sorted(rows, key=lambda row: row.rule is not None):
        by_rule.setdefault((row.rule or "", row.clause or ""), []).append(row)
    return [
        Clause(rule, clause, found[:SHOWN], max(len(found) - SHOWN, 0)) for (rule, clause), found in by_rule.items()
    ]

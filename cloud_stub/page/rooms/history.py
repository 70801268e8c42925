"""Voice history: read, hear, search, and delete, with the plan before and the receipt after."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cloud_stub import browsing, wishes
from cloud_stub.contract.messages import ID_PATTERN
from cloud_stub.house import House
from cloud_stub.page import waveform
from cloud_stub.page.context import Here, Me, Page, go, local, render
from cloud_stub.page.door import Session
from cloud_stub.retention import receipt
from cloud_stub.retention.scopes import Scope

router = APIRouter(tags=["voice history"])

#: As the contract's, in the words of every schema; pydantic knows no look-ahead, and needs none for a line's end.
Id = Annotated[str, Field(pattern=ID_PATTERN.removesuffix(r"(?!\n)"))]
Device = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$")]
#: A form sends what was left empty as an empty text.
Empty = Literal[""]


def _written(given: object) -> object:
    """A day or a time as people write it: pydantic would also take a number of seconds."""
    if isinstance(given, str) and not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        raise ValueError("write it as 2026-11-23, or 2026-11-23T10:00")
    return given


Day = Annotated[date, BeforeValidator(_written)]
Moment = Annotated[datetime, BeforeValidator(_written)]


class Sought(BaseModel):
    """What the list is narrowed to."""

    model_config = ConfigDict(extra="forbid")

    device: Device = ""
    day: Day | Empty = ""
    words: Annotated[str, Field(max_length=200)] = ""
    before: Id | Empty = ""


class Deletion(BaseModel):
    """What is to be deleted: one interaction, what was said within a time, today's, or all."""

    model_config = ConfigDict(extra="forbid")

    what: Literal["one", "range", "today", "all"]
    id: Id | Empty = ""
    since: Moment | Empty = ""
    until: Moment | Empty = ""


class Confirmed(Deletion):
    """The same, from the form that shows the plan."""

    csrf: str = ""


@router.get("/history")
def listed(request: Request, here: Here, me: Me, sought: Annotated[Sought, Query()]) -> Response:
    """The account's interactions, newest first."""
    wanted = browsing.Filter(device=sought.device, words=sought.words.strip(), **_day(here, sought.day))
    with here.desk.house() as house, house.stores.read() as connection:
        found = browsing.page(connection, house.keys.seal, me.account, wanted, before=sought.before or None)
        devices = browsing.devices(connection, me.account)
    now = datetime.now(here.desk.zone)
    return render(
        request,
        "history.html",
        room="history",
        page=found,
        devices=devices,
        sought=sought,
        today=now.date().isoformat(),
    )


@router.get("/history/{interaction}")
def one(request: Request, here: Here, me: Me, interaction: Id) -> Response:
    """One interaction: what was heard, word by word, and what came of it."""
    with here.desk.house() as house, house.stores.read() as connection:
        said = browsing.one(connection, house.keys.seal, me.account, interaction)
        flac = browsing.sound(connection, house.keys.seal, me.account, interaction)
    if said is None:
        raise _unknown()
    picture = waveform.picture(flac, said["words"] or []) if flac else ""
    return render(request, "interaction.html", room="history", said=said, picture=picture)


@router.get("/recordings/{interaction}", responses={200: {"content": {"audio/flac": {}}}}, response_class=Response)
def recording(here: Here, me: Me, interaction: Id) -> Response:
    """The recording, as FLAC."""
    flac = _sound(here, me, interaction)
    return Response(flac, media_type="audio/flac", headers={"content-disposition": "inline"})


@router.get(
    "/recordings/{interaction}/waveform",
    responses={200: {"content": {"image/svg+xml": {}}}},
    response_class=Response,
)
def outline(here: Here, me: Me, interaction: Id) -> Response:
    """A small picture of the recording, for the list."""
    return Response(waveform.small(_sound(here, me, interaction)), media_type="image/svg+xml")


@router.get("/delete")
def planned(request: Request, here: Here, me: Me, wanted: Annotated[Deletion, Query()]) -> Response:
    """What a deletion would do. Nothing is carried out."""
    with here.desk.house() as house:
        scope = _scope(here, house, me, wanted)
        steps = wishes.plan(house, scope)
        if wanted.what == "one" and not steps:
            raise _unknown()
    return render(
        request, "plan.html", room="history", wanted=wanted, steps=steps, title=_title(wanted), policy=house.policy
    )


@router.post("/delete", status_code=303, response_class=Response)
def delete(request: Request, here: Here, me: Me, wanted: Annotated[Confirmed, Form()]) -> Response:
    """Delete, for good."""
    with here.desk.house() as house:
        scope = _scope(here, house, me, wanted)
        if not wishes.plan(house, scope):
            if wanted.what == "one":
                raise _unknown()
            return go(request, "/history", "There was nothing to delete.")
        house.engine.erase([scope])
    me.deletions.add(scope.id)
    return go(request, f"/receipts/{scope.id}")


@router.get("/receipts/{deletion}")
def shown(request: Request, here: Here, me: Me, deletion: Id) -> Response:
    """The receipt of a deletion."""
    return render(request, "receipt.html", room="history", receipt=_receipt(here, me, deletion))


@router.get(
    "/receipts/{deletion}/file", responses={200: {"content": {"application/json": {}}}}, response_class=Response
)
def file(here: Here, me: Me, deletion: Id) -> Response:
    """The signed receipt, for `cloud-stub receipt verify`."""
    headers = {"content-disposition": 'attachment; filename="receipt.json"'}
    return JSONResponse(_receipt(here, me, deletion), headers=headers)


def _receipt(here: Page, me: Session, deletion: str) -> dict[str, Any]:
    with here.desk.house() as house, house.stores.read() as connection:
        made = receipt.make(connection, house.keys, house.policy, deletion) if _known(connection, deletion) else None
        mine = house.keys.pseudonym(me.account, "")
    if made is None or (made["account"] != mine and deletion not in me.deletions):
        raise HTTPException(404, "There is no such receipt of this account.")
    return made


def _known(connection: Any, deletion: str) -> bool:
    return any(row["deletion"] == deletion for row in receipt.listed(connection))


def _sound(here: Page, me: Session, interaction: str) -> bytes:
    with here.desk.house() as house, house.stores.read() as connection:
        flac = browsing.sound(connection, house.keys.seal, me.account, interaction)
    if flac is None:
        raise HTTPException(404, "There is no such recording of this account.")
    return flac


def _scope(here: Page, house: House, me: Session, wanted: Deletion) -> Scope:
    """As the form says. Raises HTTPException where it says too little."""
    zone = here.desk.zone
    since, until = (_moment(given, zone) if given else None for given in (wanted.since, wanted.until))
    match wanted.what:
        case "one":
            if not wanted.id:
                raise HTTPException(409, "Say which interaction to delete.")
            return wishes.deletion(house, me.account, interaction=wanted.id)
        case "range":
            if since is None and until is None:
                raise HTTPException(409, "Say from when or until when to delete.")
            return wishes.deletion(house, me.account, since=since, until=until)
        case "today":
            now = local(house.clock.now().isoformat(), zone)
            midnight = datetime.combine(now.date(), time(), zone)
            return wishes.deletion(house, me.account, since=midnight.astimezone(UTC))
        case "all":
            return wishes.deletion(house, me.account)


def _title(wanted: Deletion) -> str:
    if wanted.what == "range":
        ends = (("from", wanted.since), ("until", wanted.until))
        return "Delete what was said " + " ".join(f"{word} {when:%Y-%m-%d %H:%M}" for word, when in ends if when)
    return {"one": "Delete this request", "today": "Delete what was said today", "all": "Delete everything"}[
        wanted.what
    ]


def _day(here: Page, day: date | Empty) -> dict[str, datetime]:
    if not day:
        return {}
    first = _moment(datetime.combine(day, time()), here.desk.zone)
    return {"since": first, "until": first + timedelta(days=1)}


def _moment(given: datetime, zone: tzinfo) -> datetime:
    """A time from a form, on the household's wall clock unless it says otherwise; within what ids can say."""
    first, last = datetime(1971, 1, 1, tzinfo=zone), datetime(2999, 12, 31, tzinfo=zone)
    return min(max(given if given.tzinfo else given.replace(tzinfo=zone), first), last).astimezone(UTC)


def _unknown() -> HTTPException:
    return HTTPException(404, "There is no such interaction of this account.")

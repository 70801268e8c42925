"""What every room is handed: the page's house, its wire, the session, and the templates."""

import hmac
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from cloud_stub.page.desk import Desk
from cloud_stub.page.door import Door, Session
from cloud_stub.page.wire import Wire

FOLDER = Path(__file__).parent

ROOMS = {
    "live": "Live",
    "history": "Voice history",
    "left": "What is left",
    "compare": "Compare",
    "settings": "Settings",
    "devices": "Devices",
}


@dataclass(frozen=True)
class Page:
    """The page as a whole."""

    desk: Desk
    wire: Wire
    door: Door
    cookie: str
    """The session cookie's name: browsers tell ports apart for nothing else, so it has ours in it."""
    tls: bool


def _page(request: Request) -> Page:
    page: Page = request.app.state.page
    return page


def _session(request: Request) -> Session:
    session: Session | None = request.state.session
    if session is None:
        raise HTTPException(401, "This page opens with the link that cloud-stub prints in its terminal.")
    return session


Here = Annotated[Page, Depends(_page)]
Me = Annotated[Session, Depends(_session)]


async def from_our_form(request: Request) -> None:
    """Refuse to change anything for a request without the session's token, in a form or in a header."""
    session: Session | None = request.state.session
    if request.method in {"GET", "HEAD", "OPTIONS"} or session is None:
        return
    given = request.headers.get("x-csrf-token")
    if given is None and "form" in request.headers.get("content-type", ""):
        given = str((await request.form()).get("csrf", ""))
    if not hmac.compare_digest((given or "").encode(), session.csrf.encode()):
        raise HTTPException(403, "That form is from another session. Go back, reload the page, and send it again.")


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page of ours."""
    session: Session | None = request.state.session
    note = ""
    if session is not None:
        note, session.note = session.note, ""
    page: Page = request.app.state.page
    content = TEMPLATES.get_template(template).render(
        session=session, note=note, rooms=ROOMS, zone=page.desk.zone, **values
    )
    return HTMLResponse(content, status)


def go(request: Request, to: str, note: str = "") -> RedirectResponse:
    """After something was changed: look at it, by a request that may be repeated."""
    if note and request.state.session is not None:
        request.state.session.note = note
    return RedirectResponse(to, 303)


def local(at: str, zone: ZoneInfo) -> datetime:
    """An RFC 3339 time on the household's wall clock."""
    return datetime.fromisoformat(at).astimezone(zone)


def _clock(at: str, zone: ZoneInfo) -> str:
    return f"{local(at, zone):%H:%M}"


def _day(at: str, zone: ZoneInfo) -> str:
    when = local(at, zone)
    return f"{when:%A}, {when.day} {when:%B %Y}"


def _words(fields: dict[str, Any]) -> str:
    """A record's own words, without what is empty."""
    return ", ".join(str(value) for value in fields.values() if isinstance(value, str | int) and value != "")


def _by_rule(steps: Sequence[Any], goes: bool) -> list[tuple[tuple[str, str, str], list[Any]]]:
    """Steps of a plan or of a receipt by (rule, action, clause): those that erase, or those that let something stay."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for step in steps:
        row = step if isinstance(step, dict) else asdict(step)
        if row["action"].startswith("erase") == goes:
            # A receipt does not say when: the ledger's entry names the rule's period.
            found.setdefault((row["rule"], row["action"], row["clause"]), []).append({"due": None} | row)
    return list(found.items())


TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"clock": _clock, "day": _day, "words": _words, "by_rule": _by_rule}

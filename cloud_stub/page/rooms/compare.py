"""Compare: what two policies leave of the same trace."""

import threading
from functools import cache
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field

from cloud_stub.answers import compare as comparing
from cloud_stub.answers import compare_page
from cloud_stub.contract import trace as traces
from cloud_stub.contract.trace import Sent, load
from cloud_stub.page.context import Here, Me, render
from cloud_stub.retention import policy as policies

router = APIRouter(tags=["compare"])

UNTIL = "P24M"


class Chosen(BaseModel):
    """A trace that ships, and two policies that do: names of ours, never a path."""

    model_config = ConfigDict(extra="forbid")

    trace: Annotated[str, Field(pattern="^[a-z0-9-]{0,40}$")] = ""
    first: Annotated[str, Field(pattern="^[a-z0-9-]{0,40}$")] = "amazon-2019"
    second: Annotated[str, Field(pattern="^[a-z0-9-]{0,40}$")] = "erase-everything"


class Replays:
    """What has been replayed already: traces and policies that ship do not change, so once is enough."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: dict[tuple[str, str], comparing.Compared] = {}

    def under(self, trace: str, names: list[str]) -> list[comparing.Compared]:
        """The trace under each of these policies; one comparison at a time, since it takes all there is."""
        with self._turn:
            missing = [name for name in dict.fromkeys(names) if (trace, name) not in self._known]
            if missing:
                for one in comparing.compare(_loaded(trace), missing, UNTIL):
                    self._known[trace, one.policy] = one
            return [self._known[trace, name] for name in names]


_REPLAYS = Replays()


@router.get("/compare")
def compare(request: Request, here: Here, me: Me, chosen: Annotated[Chosen, Query()]) -> Response:  # noqa: ARG001
    """Choose, and see both side by side."""
    ship = policies.names()
    for name in (chosen.first, chosen.second):
        if name not in ship:
            raise HTTPException(404, f"No policy of that name ships. There are {', '.join(ship)}.")
    if chosen.trace and chosen.trace not in traces.names():
        raise HTTPException(404, f"No trace of that name ships. There are {', '.join(traces.names())}.")
    compared = _REPLAYS.under(chosen.trace, [chosen.first, chosen.second]) if chosen.trace else []
    tallest = max((sum(counts[0] for counts in one.left.values()) for one in compared), default=1) or 1
    sides = [(one, Markup(compare_page.chart(one, tallest, wide=640))) for one in compared]  # noqa: S704 - it escapes
    return render(
        request,
        "compare.html",
        room="compare",
        chosen=chosen,
        policies={name: policies.load(name).title for name in ship},
        traces=traces.names(),
        sides=sides,
        holders=compare_page.HOLDERS,
        places=sorted({place for one in compared for place in one.left}, key=comparing.order),
    )


@cache
def _loaded(trace: str) -> list[Sent]:
    return load(traces.locate(trace))

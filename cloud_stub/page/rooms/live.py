"""Live: an interaction's way through the house, as it happens."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from cloud_stub.page.context import Here, Me, render
from cloud_stub.page.wire import told

router = APIRouter(tags=["live"])


@router.get("/live")
def live(request: Request, here: Here, me: Me) -> Response:
    """The devices' rings; the rest arrives by events."""
    states = here.wire.devices(me.account)
    return render(request, "live.html", room="live", devices={name: told(state) for name, state in states.items()})


@router.get("/live/events", include_in_schema=False)
async def events(here: Here, me: Me) -> StreamingResponse:
    """Server-sent events, one JSON object each, until the browser leaves; nothing is kept for later."""

    async def stream() -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        async for event in here.wire.watch(me.account):
            # A session that has ended meanwhile sees nothing more.
            if not here.door.holds(me):
                return
            yield f"data: {json.dumps(event)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")

"""Devices: their state, and what may be asked of them, by the control messages that everybody may send."""

from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, HTTPException, Path, Request, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from cloud_stub.contract.control import Hear, Mute, PushToTalk, Say, Stop, Unmute
from cloud_stub.contract.messages import MAX_RECORDING_BYTES, encode
from cloud_stub.page.context import Here, Me, Page, go, render
from cloud_stub.page.door import Session
from cloud_stub.page.wire import Unanswered, told

router = APIRouter(tags=["devices"])

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

#: The buttons, and what the page says when the device has done it.
BUTTONS = {
    Mute.name: "{} is muted: its microphone is off, and stays off after a restart.",
    Unmute.name: "{} has its microphone back.",
    PushToTalk.name: "{} listens: speak now, without the wake word.",
    Stop.name: "{} has stopped.",
}


@router.get("/devices")
def listed(request: Request, here: Here, me: Me) -> Response:
    """The account's devices."""
    states = here.wire.devices(me.account)
    shown = {name: (state, told(state)) for name, state in states.items()}
    return render(request, "devices.html", room="devices", devices=shown)


@router.post("/devices/{device}/say", status_code=303, response_class=Response)
def say(
    request: Request,
    here: Here,
    me: Me,
    device: Name,
    text: Annotated[str, Form(min_length=1, max_length=2000)],
    csrf: Annotated[str, Form()] = "",  # noqa: ARG001 - checked for every form
) -> Response:
    """Let the device take a text as heard."""
    return _tell(request, here, me, device, Say.name, encode(Say(text)), f"{device} has taken that as heard.")


@router.post("/devices/{device}/hear", status_code=303, response_class=Response)
async def hear(
    request: Request,
    here: Here,
    me: Me,
    device: Name,
    sound: Annotated[UploadFile, File()],
    csrf: Annotated[str, Form()] = "",  # noqa: ARG001 - checked for every form
) -> Response:
    """Let the device hear a sound file as if it were spoken, wake word and all."""
    content = await sound.read(MAX_RECORDING_BYTES + 1)
    if len(content) > MAX_RECORDING_BYTES:
        raise HTTPException(413, f"That sound is too long: at most {MAX_RECORDING_BYTES} bytes.")
    if not content:
        return go(request, "/devices", "Choose a sound file first: WAV or FLAC, up to a minute.")
    done = f"{device} hears it. See what comes of it in Live."
    return await run_in_threadpool(_tell, request, here, me, device, Hear.name, content, done)


@router.post("/devices/{device}/{button}", status_code=303, response_class=Response)
def press(
    request: Request, here: Here, me: Me, device: Name, button: Literal["mute", "unmute", "push_to_talk", "stop"]
) -> Response:
    """Press a button."""
    return _tell(request, here, me, device, button, b"", BUTTONS[button].format(device))


def _tell(request: Request, here: Page, me: Session, device: str, command: str, payload: bytes, done: str) -> Response:
    if device not in here.wire.devices(me.account):
        raise HTTPException(404, "There is no such device of this account.")
    try:
        here.wire.command(device, command, payload)
    except Unanswered as why:
        return go(request, "/devices", str(why))
    return go(request, "/devices", done)

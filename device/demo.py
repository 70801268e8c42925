"""`echo-device demo`: say it, delete it, see what stays. Everything real; nothing canned."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_stub.contract.address import BrokerAddress
from device import cloud_process, loudspeaker, speech_models
from device.audio_source import Recording
from device.echo import Echo
from device.errors import EchoError
from device.exchange import Exchange
from device.spoken_requests import FOLDER, SpokenRequest, spoken_requests

#: The story's chapters, by the files of the shipped sounds: what the household asks for, how it deletes, what it asks
#: afterwards. Files outside of these (other sounds in the folder) are not played.
DELETION = "12_delete_today.flac"
WALNUT = "13_allergic.flac"
STORY = 11

ANSWER_S = 20.0
SETTLE_S = 15.0

Tell = Callable[[str], None]


@dataclass
class Story:
    """What happened, as `--json` prints it."""

    policy: str
    interactions: list[dict[str, str]]
    deletion: dict[str, Any]
    left: list[dict[str, Any]]
    unexplained: int
    walnut: str


def run(
    policy: str,
    data: Path | None,
    model: str | None,
    *,
    real_time: bool = False,
    sounds: Path = FOLDER,
    tell: Tell | None = None,
    show: Callable[[Any], None] = lambda _: None,
) -> Story:
    """Play the story through a device and a cloud of its own, delete by voice, and look at what is left.

    `data` None means a temporary folder. With `tell`, which is told each line of the story, the cloud prints its table
    of what is left too. Raises EchoError where a part of the house does not start or does not answer.
    """
    requests = spoken_requests(sounds)
    files = [request.file.name for request in requests]
    if DELETION not in files or WALNUT not in files:
        raise EchoError(f"{sounds} is no set of requests: {DELETION} and {WALNUT} are missing from its table.")
    with ExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="residual-echo-")))
        loaded = speech_models.load(speech_models.locate(model))
        options = ["--embedded-broker", "--port", "0", "--policy", policy]
        broker = BrokerAddress.parse(stack.enter_context(cloud_process.running(data, options)).broker)
        echo = Echo("kitchen", data, broker, loaded, show=show)
        stack.callback(echo.close)
        echo.uplink.connect(must=True)
        stage = _Stage(echo, tell, real_time=real_time)

        told = [stage.play(request) for request in requests[:STORY]]
        wait_for_partners(data, echo)
        before = {row["id"] for row in cloud_process.ask(data, "history", "household")}
        told.append(stage.play(_named(requests, DELETION)))
        wait_for_partners(data, echo)
        after = {row["id"] for row in cloud_process.ask(data, "history", "household")}
        deleted = [row["id"] for row in told if row["id"] in before - after or row["id"] in stage.forgotten()]
        report = cloud_process.ask(data, "left", "household")
        if tell is not None:
            tell(f"deleted by voice: {len(deleted)} interactions")
            cloud_process.show(data, "left", "household")
            tell("")
        walnut = stage.play(_named(requests, WALNUT))
        return Story(
            policy=report["policy"],
            interactions=[*told, walnut],
            deletion={"requested_by": "voice", "interactions": deleted},
            left=report["left"],
            unexplained=report["unexplained"],
            walnut=walnut["response"],
        )


class _Stage:
    """Plays requests to the device, one after the other, each until it is answered."""

    def __init__(self, echo: Echo, tell: Tell | None, *, real_time: bool) -> None:
        self._echo, self._tell, self._real_time = echo, tell, real_time

    def play(self, request: SpokenRequest) -> dict[str, str]:
        """Let the device hear the request; what it heard and what it was answered."""
        sound = Recording(request.file)
        already = len(self._echo.exchanges)
        self._echo.listen(loudspeaker.aloud(sound) if self._real_time else sound, "file")
        self._echo.settle(ANSWER_S)
        new = list(self._echo.exchanges)[already:]
        said = request.said.split(" ", 1)[1]
        exchange = new[0] if new else None
        if self._tell is not None:
            self._tell(_line(said, exchange))
        return {
            "id": exchange.interaction.id if exchange else "",
            "said": said,
            "heard": exchange.interaction.transcript if exchange else "",
            "intent": exchange.intent if exchange else "",
            "response": exchange.response if exchange else "",
        }

    def forgotten(self) -> set[str]:
        """The interactions that the cloud would not keep: the deletion request is one."""
        return {exchange.interaction.id for exchange in self._echo.exchanges if exchange.answer == "forgotten"}


def _line(said: str, exchange: Exchange | None) -> str:
    if exchange is None:
        return f"said    {said}\nheard   nothing\n"
    return f"said    {said}\nheard   {exchange.interaction.transcript}\nanswer  {exchange.response}\n"


def _named(requests: list[SpokenRequest], file: str) -> SpokenRequest:
    return next(request for request in requests if request.file.name == file)


def wait_for_partners(data: Path, echo: Echo) -> None:
    """Until nothing is on its way any more: device and third parties have answered, or are taken to be silent."""
    deadline = time.monotonic() + SETTLE_S
    while cloud_process.ask(data, "status")["outgoing"]:
        if time.monotonic() > deadline:
            raise EchoError("messages of the cloud stay unconfirmed; look at `cloud-stub status`.")
        echo.attend(wait_s=0.1)

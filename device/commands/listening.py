"""`echo-device run` and `hear`: what the microphone hears, and what sound files hold."""

import argparse
import json
import sys
from typing import Any

from cloud_stub.contract.service_notice import ServiceNotice
from device import light_ring, panel, settings, speech_models, voice
from device.audio_source import Recording
from device.capture import Capture
from device.echo import Echo
from device.exchange import Exchange
from device.interrupt import Interrupt
from device.panel import Panel


def run(options: argparse.Namespace) -> int:
    """Listen to the microphone until Ctrl-C, or until one interaction is answered."""
    interrupt, service = Interrupt(), ServiceNotice()
    chosen = settings.chosen(options)
    # What does not go to a terminal goes to a log, and outlives there what is deleted.
    words = sys.stdout.isatty()
    with panel.opened(chosen) as lights:
        echo = _echo(chosen, voice=chosen.voice, panel=lights, words=words)
        if not words:
            print("no terminal here: what people say is not printed.", flush=True)
        return _live(echo, chosen, interrupt, service, once=options.once)


def _live(echo: Echo, chosen: settings.Settings, interrupt: Interrupt, service: ServiceNotice, *, once: bool) -> int:
    try:
        if chosen.volume is not None:
            echo.switches.set(volume=chosen.volume)
        if chosen.voice and not voice.available():
            print("no voice here (apt install espeak-ng): answers are text only.", flush=True)
        if chosen.microphone == "none":
            print("no microphone: what is heard comes by MQTT control alone. Stop with Ctrl-C.", flush=True)
        elif echo.switches.now.muted:
            print("muted: the microphone stays closed until control/unmute. Stop with Ctrl-C.", flush=True)

        def enough() -> bool:
            service.alive()  # asked at every pass of the device's loop: where that hangs, nothing is said any more
            heard = once and any(each.interaction.transcript for each in echo.exchanges)
            return interrupt.asked or heard

        echo.live(Capture(chosen.microphone), enough)
        if interrupt.asked:
            return 130
        echo.settle(20.0)
    finally:
        service.stopping()
        echo.close()
    return 0


def hear(options: argparse.Namespace) -> int:
    """Hear sound files as if spoken. Exit code 1 where there was one without the wake word."""
    # Open all before hearing any: a misspelled name should not be found out half way.
    recordings = [Recording(file) for file in options.files]
    chosen = settings.chosen(options)
    echo = _echo(chosen, quiet=options.json)
    try:
        echo.uplink.connect(must=True)
        heard = []
        for recording in recordings:
            already = len(echo.exchanges)
            echo.listen(recording, "file")
            echo.settle(options.timeout)
            new = list(echo.exchanges)[already:]
            heard += [_told(recording.name, exchange) for exchange in new] or [{"file": recording.name, "heard": None}]
            if not new and not options.json:
                print(f"{recording.name}: {echo.why_unheard(recording)}")
    finally:
        echo.close()
    if options.json:
        print(json.dumps(heard, indent=2, ensure_ascii=False))
    return 1 if any(one["heard"] is None for one in heard) else 0


def _told(file: str, exchange: Exchange) -> dict[str, Any]:
    return {
        "file": file,
        "id": exchange.interaction.id,
        "heard": exchange.interaction.transcript,
        "intent": exchange.intent,
        "response": exchange.response,
        "answer": exchange.answer,
    }


def _echo(
    chosen: settings.Settings,
    *,
    voice: bool = False,
    quiet: bool = False,
    words: bool = True,
    panel: Panel | None = None,
) -> Echo:

    def say(exchange: Exchange) -> None:
        if not quiet and words:
            print(f"heard   {exchange.interaction.transcript}\nanswer  {exchange.response}", flush=True)
        elif not quiet:
            print(f"answered interaction {exchange.interaction.id}", flush=True)

    def tell(line: str) -> None:
        if not quiet:
            print(line, flush=True)

    echo = Echo(
        chosen.device,
        chosen.data_folder,
        chosen.broker,
        speech_models.load(speech_models.locate(chosen.model)),
        wake_word=chosen.wake_word,
        sensitivity=chosen.sensitivity,
        voice=voice,
        bounds=chosen.bounds,
        tls=chosen.tls,
        home_assistant=chosen.home_assistant,
        panel=panel,
        words=words,
        show=light_ring.shown(quiet=quiet),
        say=say,
        tell=tell,
    )
    if echo.keeping.saved is not None:
        tell(echo.keeping.saved.announcement(chosen.data_folder))
    return echo

"""The real sounddevice path without a sound card: ALSA's file plugin for exact samples, PulseAudio for real time."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from device.audio_source import SAMPLE_RATE
from device.spoken_requests import FOLDER, spoken_requests
from device.testing.processes import device as running
from device.testing.remote import remote
from tests.processes import cloud, missing, until
from tests.real.virtual_microphone import virtual_microphone
from tests.soak import SOAK

MINUTES = 30 if SOAK else 1

ASOUNDRC = """\
pcm.vmic {{
  type file
  slave.pcm "null"
  file "/dev/null"
  infile "{infile}"
  format "raw"
  hint {{ show on description "virtual microphone" }}
}}
"""

#: Records so many blocks of a file that ALSA gives out as a microphone, as fast as it can, and hears what is said in
#: it. The microphone must wait for us, which no real one does: so its callback waits while the queue is full.
LISTEN = """
import hashlib, json, resource, sys, time
from itertools import islice
from device import speech_models
from device.hearing import Hearing
from device.microphone import Microphone
from device.utterance import Heard

class Paced(Microphone):
    def _arrived(self, *arguments):
        while self._queue.full() and not self._closed.is_set():
            time.sleep(0.0005)
        super()._arrived(*arguments)

count, rate, channels = map(int, sys.argv[1:])
if rate:
    Paced._choose = staticmethod(lambda *_: (rate, channels))
hearing = Hearing(speech_models.load(speech_models.locate()))
sound, heard, early = hashlib.blake2b(), [], 0
with Paced("vmic", keep_s=1) as microphone:
    for number, block in enumerate(islice(microphone, count)):
        sound.update(block.tobytes())
        heard += [event.transcript.text for event in hearing.accept(block) if isinstance(event, Heard)]
        if number == count // 4:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({
        "sound": sound.hexdigest(), "heard": heard, "description": microphone.description,
        "overflows": microphone.overflows, "dropped": microphone.dropped,
        "grown_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early,
    }))
import os; sys.stdout.flush(); os._exit(0)
"""


def speech(minutes: float) -> tuple[np.ndarray, list[str]]:
    """Requests one after the other, a second of room between them, for so long; and what was said."""
    room = np.random.default_rng(5).normal(0, 10, SAMPLE_RATE).astype(np.int16)
    requests = [request for request in spoken_requests() if request.file.name[:2] in {"01", "02", "08", "11"}]
    parts, said, length = [], [], 0
    while length < minutes * 60 * SAMPLE_RATE:
        request = requests[len(said) % len(requests)]
        parts += [room, soundfile.read(request.file, dtype="int16")[0], room]
        length += sum(part.size for part in parts[-3:])
        said.append(request.said.removeprefix("alexa "))
    return np.concatenate(parts), said


def listen(folder: Path, samples: np.ndarray, blocks: int, rate: int = 0, channels: int = 0) -> dict[str, object]:
    """What a microphone that gives out these samples brings, at a rate of the test's choice or the program's own."""
    (folder / "samples.raw").write_bytes(samples.tobytes() + bytes(1_000_000))
    (folder / ".asoundrc").write_text(ASOUNDRC.format(infile=folder / "samples.raw"))
    done = subprocess.run(
        [sys.executable, "-c", LISTEN, str(blocks), str(rate), str(channels)],
        env=os.environ | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=1200 if MINUTES > 1 else 60,
        check=False,
    )
    if "PortAudio is not installed" in done.stderr:
        missing("PortAudio", "apt install libportaudio2")
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.timeout(1300)
def test_looped_speech_loses_no_block_and_no_request_and_memory_stays_flat(tmp_path: Path) -> None:
    import hashlib

    samples, said = speech(MINUTES)
    blocks = samples.size // 320
    came = listen(tmp_path, samples, blocks)
    assert came["sound"] == hashlib.blake2b(samples[: blocks * 320].tobytes()).hexdigest(), "exactly these samples"
    assert came["heard"] == said
    assert (came["overflows"], came["dropped"]) == (0, 0)
    assert came["description"] == "vmic: 16000 Hz, channels: 1"
    assert int(str(came["grown_kib"])) < 4096, "of memory, in the last three quarters"


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (48_000, 2)])
def test_a_card_that_offers_only_its_own_rate_in_stereo_is_converted_and_understood(
    tmp_path: Path, rate: int, channels: int
) -> None:
    samples, said = speech(0.2)
    high = soxr.resample(samples.astype(np.float32) / 32768, SAMPLE_RATE, rate)
    stereo = np.repeat(np.rint(np.clip(high, -1, 1) * 32767).astype(np.int16)[:, None], channels, axis=1)
    came = listen(tmp_path, stereo, samples.size // 320, rate, channels)
    assert came["heard"] == said
    assert came["description"] == f"vmic: {rate} Hz, channels: {channels}, converted to 16000 Hz mono"


def test_a_source_that_goes_and_returns_is_told_once_and_the_next_command_is_heard(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        virtual_microphone(tmp_path / "sound") as microphone,
        cloud(data) as server,
        remote(server.broker) as person,
        running(server.broker, data, "--microphone", "pulse", "--no-voice", **microphone.environment),
    ):
        log = tmp_path / "run.log"
        until(lambda: "listening on pulse" in log.read_text(), "the device to listen")
        room = tmp_path / "room.wav"
        soundfile.write(room, np.random.default_rng(6).normal(0, 10, 60 * SAMPLE_RATE).astype(np.int16), SAMPLE_RATE)
        with microphone.playing(room):  # no real microphone is without noise
            microphone.play(FOLDER / "11_question.flac")
            until(lambda: len(person.interactions) == 1, "the first command")
            microphone.control("unload-module", "module-null-sink")
        until(lambda: person.attention() == "deaf", "the device to say that it is deaf")
        microphone.control(
            "load-module", "module-null-sink", "sink_name=vspk", "rate=16000", "channels=1", "format=s16le"
        )
        with microphone.playing(room):
            until(lambda: person.attention() == "idle", "the device to hear again")
            microphone.play(FOLDER / "08_pizza.flac")
            until(lambda: len(person.interactions) == 2, "the command after it")
        told = log.read_text()
    assert person.interactions[1]["transcript"] == "order a large pepperoni pizza from dominos"
    assert (told.count("deaf: "), told.count("sound is back")) == (1, 1)
    assert len(person.errors) == 1
    assert max(state["microphone"]["returns"] for state in person.states if state["microphone"]) == 1


def test_the_device_does_not_hear_its_own_voice(tmp_path: Path) -> None:
    if shutil.which("espeak-ng") is None:
        missing("espeak-ng", "apt install espeak-ng")
    data = tmp_path / "data"
    with (
        virtual_microphone(tmp_path / "sound") as microphone,
        cloud(data) as server,
        remote(server.broker) as person,
        # The loudspeaker is the microphone's only source: it could not stand nearer.
        running(server.broker, data, "--microphone", "pulse", **microphone.environment),
    ):
        log = tmp_path / "run.log"
        until(lambda: "listening on pulse" in log.read_text(), "the device to listen")
        person.ask("speak", {"text": "alexa. what time is it"})
        until(lambda: person.attention() == "speaking", "the device to speak")
        until(lambda: person.attention() in {"idle", "deaf"}, "the device to be quiet")
        microphone.play(FOLDER / "08_pizza.flac")
        until(lambda: person.interactions, "the command after it")
    assert [each["transcript"] for each in person.interactions] == ["order a large pepperoni pizza from dominos"]

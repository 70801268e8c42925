"""Whether a wake word that was heard was a call: decided when the request is over, as more is known then.

The recogniser of the wake word knows no other word, so that no call is lost; it wakes at "the lexicon", too. The other
witnesses are the transcriber, which knows the whole vocabulary, and what followed: a request is in words that it is
sure of, and talk that was cut in two in the middle of a word is not. Where these leave a doubt, or somebody was
speaking already, a recogniser is asked that knows what is often taken for the wake word. It comes last, since it loses
calls, too: of "alexa, start" it hears "lexus".
"""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cloud_stub.contract.messages import Word
from device.audio_source import BLOCK, SAMPLE_RATE
from device.decoys import DECOYS
from device.speech_models import UNKNOWN, SpeechModel
from device.wake_word import Wake

BEFORE = SAMPLE_RATE // 4, SAMPLE_RATE // 20  # from and to how many samples before the wake word nobody may speak
LOUD = 0.5  # of the wake word's effective value: so loud is somebody who speaks
SURE = 0.9  # confidence of the transcriber in a wake word that a request follows
UNDERSTOOD = 0.93  # mean confidence in the words of a request; one that it could not name counts nothing
CERTAIN = 0.98  # confidence in the wake word of the recogniser that knows its decoys
AFTER = SAMPLE_RATE // 2  # samples after the wake word that it hears: "a lexus" may become "a lexicon" there


def called(
    model: SpeechModel,
    wake: Wake,
    everything: Sequence[Word],
    request: Sequence[Word],
    sound: npt.NDArray[np.int16],
    started_at: int,
) -> bool:
    """Whether somebody called. `everything` was heard in `sound`, `request` of it after the wake word.

    `sound` is at 16 kHz, shape (n,), and begins at sample `started_at` of the stream, as the times of the words do.
    """
    start, end = wake.start - started_at, wake.end - started_at
    sure = [
        word.confidence
        for word in everything
        if word.word == wake.word and word.start_ms < _ms(end) and word.end_ms > _ms(start)
    ]
    if not sure or not request:
        return bool(sure)
    if max(sure) < SURE:
        return False
    known = sum(word.confidence for word in request if word.word != UNKNOWN)
    if known / len(request) >= UNDERSTOOD and not _in_mid_speech(sound, start, end):
        return True
    return _among_decoys(model, wake.word, sound[: end + AFTER], start) >= CERTAIN


def _in_mid_speech(sound: npt.NDArray[np.int16], start: int, end: int) -> bool:
    """Whether somebody spoke just before samples `start` to `end`: who calls begins with the call."""
    before = sound[max(0, start - BEFORE[0]) : max(0, start - BEFORE[1])]
    return before.size > 0 and _effective(before) > LOUD * _effective(sound[start:end])


def _effective(sound: npt.NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def _among_decoys(model: SpeechModel, word: str, sound: npt.NDArray[np.int16], start: int) -> float:
    """Confidence, 0 to 1, that the wake word is in a sound, not before sample `start`, and not one of its decoys."""
    import vosk  # noqa: PLC0415 - loads Kaldi

    decoys = (decoy for decoy in DECOYS.get(word, ()) if all(map(model.knows, decoy.split())))
    recogniser = vosk.KaldiRecognizer(model.vosk_model, SAMPLE_RATE, json.dumps([word, *decoys, UNKNOWN]))
    recogniser.SetWords(True)
    for at in range(0, sound.size, BLOCK):
        recogniser.AcceptWaveform(sound[at : at + BLOCK].tobytes())
    heard = json.loads(recogniser.FinalResult()).get("result", [])
    return max((w["conf"] for w in heard if w["word"] == word and w["end"] * SAMPLE_RATE > start), default=0.0)


def _ms(samples: int) -> float:
    return samples * 1000 / SAMPLE_RATE

"""Whether a wake word that was heard was a call: decided when the request is over, as more is known then.

The recogniser of the wake word knows no other word, so that no call is lost; it wakes at "the lexicon", too. The other
witnesses are the transcriber, which knows the whole vocabulary, and what followed: a request is in words that it is
sure of, and talk that was cut in two in the middle of a word is not.

Where these leave a doubt, or somebody was speaking already, the transcriber listens again, from a little later on: its
network looks at every third frame only, and then at others. A call is heard each time, what only sounds like one often
is not. Last comes a recogniser that knows what is often taken for the wake word, and no request; it loses calls, too:
of "alexa, start" it hears "lexus".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from cloud_stub.contract.messages import Word
from device.audio_source import BLOCK, SAMPLE_RATE
from device.decoys import DECOYS
from device.speech_models import UNKNOWN, SpeechModel
from device.transcriber import Transcriber
from device.wake_word import Wake

BEFORE = SAMPLE_RATE // 4, SAMPLE_RATE // 20  # from and to how many samples before the wake word nobody may speak
LOUD = 0.5  # of the wake word's effective value: so loud is somebody who speaks
SURE = 0.9  # confidence of the transcriber in a wake word that a request follows
CLEAR = 0.95  # mean confidence in the words of a request that leaves no doubt; one without a name counts nothing
UNDERSTOOD = 0.9  # the same, of the mean of several hearings
LATER = SAMPLE_RATE // 100, SAMPLE_RATE // 50  # samples, one and two frames: where it listens from again
CERTAIN = 0.98  # confidence in the wake word of the recogniser that knows its decoys
AFTER = SAMPLE_RATE // 2  # samples after the wake word that it hears: "a lexus" may become "a lexicon" there


@dataclass(frozen=True)
class _Hearing:
    """What the transcriber says."""

    sure: float
    """Confidence in the wake word at its time; 0 where it heard none there."""
    understood: float | None
    """Mean confidence in the words that followed; None where none did."""


def called(
    model: SpeechModel, wake: Wake, words: Sequence[Word], sound: npt.NDArray[np.int16], started_at: int
) -> bool:
    """Whether somebody called, where these words were heard in `sound`, the wake word among them.

    `sound` is at 16 kHz, shape (n,), and begins at sample `started_at` of the stream, as the times of the words do.
    """
    hearing = _hearing(wake, words, started_at)
    start, end = wake.start - started_at, wake.end - started_at
    speaking, beginning = _in_mid_speech(sound, start, end), sound[: end + AFTER]
    if hearing.understood is None:  # somebody only called
        return hearing.sure > 0 and (not speaking or _among_decoys(model, wake.word, beginning, start) >= CERTAIN)
    if hearing.sure < SURE:
        return False
    if hearing.understood >= CLEAR and not speaking:
        return True
    hearings = [hearing, *(_again(model, wake, sound[later:], started_at + later) for later in LATER)]
    if min(each.sure for each in hearings) < SURE:
        return False
    if fmean(each.understood or 0 for each in hearings) >= UNDERSTOOD and not speaking:
        return True
    return _among_decoys(model, wake.word, beginning, start) >= CERTAIN


def _hearing(wake: Wake, words: Sequence[Word], began: int) -> _Hearing:
    start, end = wake.times(began)
    there = (word for word in words if word.word == wake.word and word.start_ms < end and word.end_ms > start)
    request = [0.0 if word.word == UNKNOWN else word.confidence for word in wake.followed_by(words, began)]
    return _Hearing(max((word.confidence for word in there), default=0.0), fmean(request) if request else None)


def _again(model: SpeechModel, wake: Wake, sound: npt.NDArray[np.int16], began: int) -> _Hearing:
    """What is heard in a sound from sample `began` of the stream on."""
    transcriber = Transcriber(model)
    transcriber.start()
    transcriber.accept(sound)
    return _hearing(wake, transcriber.finish().words, began)


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

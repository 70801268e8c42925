"""Why a sound held no call, and what would help: each is tried on the sound before it is said."""

from collections.abc import Iterable, Sequence

import numpy as np

from device.audio_source import LEAD_S, SAMPLE_RATE, TAIL_S, Block
from device.decoys import WAKE_WORDS
from device.hearing import Event, Hearing
from device.microphone import level
from device.speech_models import SpeechModel
from device.utterance import Heard, Mistaken

QUIET = -50.0  # dBFS of the loudest 20 ms: a voice is louder
STEP = 10  # of the sensitivity
#: Samples of a file of 15 s; in a longer sound nothing is tried, as the device hears nothing else meanwhile.
LONGEST = round((LEAD_S + 15 + TAIL_S) * SAMPLE_RATE)


def why(model: SpeechModel, sound: Iterable[Block], word: str, sensitivity: int) -> str:
    """What there was instead of a call in a sound (blocks at 16 kHz); its last sentence is the remedy.

    A long sound is not held, only looked through.
    """
    blocks: list[Block] = []
    loudest, power, size = np.zeros(1, np.int16), 0, 0
    for block in sound:
        size += block.size
        if size <= LONGEST:
            blocks.append(block)
        if (now := int(np.dot(block.astype(np.int64), block))) > power:
            loudest, power = block, now
    said = f"No {word!r} was heard in the sound"
    if size <= LONGEST and (helps := _tried(model, blocks, word, sensitivity)):
        return f"{said}{helps}"
    if (height := level([loudest])) < QUIET:
        return f"{said}: it is quiet, {height:.0f} dBFS at its loudest. Record it louder, or nearer to who speaks."
    return f"{said}. Begin it with the wake word, spoken clearly."


def _tried(model: SpeechModel, blocks: Sequence[Block], word: str, sensitivity: int) -> str:
    """What helps; empty where nothing did."""
    for other in WAKE_WORDS:
        if other != word and model.knows(other) and _has(Heard, model, blocks, other, sensitivity):
            return f", but {other!r}. Set wake_word to {other!r}, or say {word!r}."
    if _has(Mistaken, model, blocks, word, sensitivity):
        return " that was a call: it was taken for talk. Say it after a moment of quiet, the request clearly."
    for more in range((sensitivity // STEP + 1) * STEP, 101, STEP):
        if _has(Heard, model, blocks, word, more):
            return f", but with a sensitivity of {more} it is. Set that, or say it more clearly."
    return ""


def _has(what: type[Event], model: SpeechModel, blocks: Sequence[Block], word: str, sensitivity: int) -> bool:
    return any(isinstance(event, what) for event in Hearing(model, word, sensitivity).hear(blocks))

"""Real time for a recording: blocks at the pace of a microphone, played aloud where a loudspeaker exists."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from device.audio_source import BLOCK, SAMPLE_RATE, Block


def aloud(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield `blocks` at 20 ms each; whoever is in the room hears them too, if a sound card will play them."""
    speaker = _open()
    due = time.monotonic()
    try:
        for block in blocks:
            if speaker is not None:
                speaker.write(block.tobytes())
            due += BLOCK / SAMPLE_RATE
            time.sleep(max(0.0, due - time.monotonic()))
            yield block
    finally:
        if speaker is not None:
            speaker.stop()
            speaker.close()


def _open() -> Any:
    """A playing stream, or None where there is no PortAudio or no loudspeaker: the demonstration goes on silently."""
    try:
        import sounddevice  # noqa: PLC0415

        stream = sounddevice.RawOutputStream(samplerate=SAMPLE_RATE, channels=1, dtype="int16", latency="high")
        stream.start()
    except (OSError, ImportError):
        return None
    except sounddevice.PortAudioError:
        return None
    return stream

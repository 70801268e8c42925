"""A recording as a picture: its loudness over time, and the words where they were heard, by how sure the device was."""

import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import soundfile
from markupsafe import Markup
from numpy.typing import NDArray

#: A word heard with less confidence than this is likely to be another (L10: see what was misunderstood).
UNSURE = 0.75

_WIDE, _HIGH = 1000, 120


def picture(flac: bytes, words: Sequence[dict[str, Any]]) -> Markup:
    """The recording with its words below, as SVG for the middle of a page."""
    peaks, seconds = _peaks(flac, 250)
    marks = []
    for row, word in enumerate(words):
        left, right = (word[end] / 1000 / seconds * _WIDE for end in ("start_ms", "end_ms"))
        sure = "unsure" if word["confidence"] < UNSURE else "sure"
        wide = max(right - left, 1)
        marks.append(
            f'<rect class="{sure}" x="{left:.1f}" y="{_HIGH + 4}" width="{wide:.1f}" height="4" rx="2"/>'
            f'<text class="{sure}" x="{(left + right) / 2:.1f}" y="{_HIGH + (28 if row % 2 == 0 else 50)}"'
            f' text-anchor="middle">{escape(word["word"])}</text>'
        )
    label = f"Waveform of the recording, {seconds:.1f} seconds"
    return Markup(  # noqa: S704 - words in it are escaped
        f'<svg class="wave" viewBox="0 0 {_WIDE} {_HIGH + 60}" role="img" aria-label="{label}">{_bars(peaks)}'
        f'{"".join(marks)}<line class="head" x1="0" x2="0" y1="0" y2="{_HIGH}"/></svg>'
    )


def small(flac: bytes) -> str:
    """The recording's outline, as an SVG file of one colour that is seen on light and dark."""
    peaks, _ = _peaks(flac, 90)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" preserveAspectRatio="none"'
        f' fill="#5b8db8">{_bars(peaks)}</svg>'
    )


def _bars(peaks: NDArray[np.float64]) -> str:
    step = _WIDE / len(peaks)
    return "".join(
        f'<rect x="{number * step:.1f}" y="{_HIGH / 2 - high:.1f}" width="{step * 0.6:.1f}" height="{2 * high:.1f}"/>'
        for number, high in enumerate(np.maximum(peaks * (_HIGH / 2 - 2), 0.8))
    )


def _peaks(flac: bytes, number: int) -> tuple[NDArray[np.float64], float]:
    """The loudest sample of each of `number` stretches, 1 for the loudest of all; and the length in seconds."""
    samples, rate = soundfile.read(io.BytesIO(flac), dtype="float64")
    parts = np.array_split(np.abs(samples), number)
    peaks = np.array([part.max(initial=0.0) for part in parts])
    return peaks / max(float(peaks.max()), 0.01), max(len(samples) / rate, 0.001)

"""Makes a clip sound as if somebody else said it elsewhere: size of the speaker, room, microphone, noise, level.

Every clip is brought to a whole number of grid steps, so that clips of one length can be trained on together without
padding, and the frames before and after the speech are known: they are trained towards silence. Digital silence is
among what is learned, as its features are like those of no noise (measured: a model without it hears "oh" there).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from device.audio_source import SAMPLE_RATE
from device.model_building.features import FRAME, GRID, STEP

Wave = NDArray[np.float64]
Sound = NDArray[np.int16]


@dataclass(frozen=True)
class Placed:
    """A sound of exactly `frames` feature frames with the speech somewhere in it."""

    sound: Sound
    frames: int
    speech: tuple[int, int]
    """Frames outside of this range are silence or noise; empty (`frames`, `frames`) where nobody speaks."""


def spoken(clip: Sound, chance: np.random.Generator, *, person: bool, babble: Sound | None = None) -> Placed:
    """One variation of a clip, 16 kHz, shape (n,). People's voices are varied less than synthetic ones."""
    wave = _level(_resized(clip / 32768.0, chance.uniform(0.88, 1.14) if person else chance.uniform(0.8, 1.25)))
    if chance.random() < 0.55:
        wave = _room(wave, chance)
    if chance.random() < 0.65:
        wave = _microphone(wave, chance)
    wave = _level(wave)
    lead, tail = _quiet(chance, person=person)
    frames, total = _grid(lead + wave.size + tail)
    start = lead + int(chance.integers(0, total - lead - wave.size - tail + 1))
    sound = np.zeros(total)
    clean = chance.random() < 0.2
    if clean and not person and chance.random() < 0.5:
        wave[:160] *= np.linspace(0, 1, wave[:160].size)
    sound[start : start + wave.size] = wave
    if not clean:
        sound += coloured(total, chance) * _decibels(-chance.uniform(8, 50) if person else -chance.uniform(2, 45))
        if babble is not None and chance.random() < 0.3:
            sound += _level(np.resize(babble, total).astype(float)) * _decibels(-chance.uniform(6, 25))
        if chance.random() < 0.45:
            _disturb(sound, start, start + wave.size, chance)
    sound *= 32767 * _decibels(chance.uniform(-34, -1)) / (np.abs(sound).max() + 1e-9)
    if clean and chance.random() < 0.5:
        sound += chance.normal(size=total) * chance.uniform(0.2, 3)  # dither
    return Placed(_int16(sound), frames, (start // STEP - 2, (start + wave.size) // STEP + 8))


def quiet(chance: np.random.Generator) -> Placed:
    """Two to five seconds in which nobody speaks: digital silence, dither, noise that swells, breath, clicks."""
    frames, total = _grid(int(chance.uniform(1.5, 5) * SAMPLE_RATE))
    sound = np.zeros(total)
    kind = chance.integers(4)
    if kind == 1:
        sound += chance.normal(size=total) * chance.uniform(0.2, 3)
    elif kind > 1:
        swell = np.linspace(chance.uniform(0, 1), chance.uniform(0, 1), total) if kind == 3 else 1.0
        sound += coloured(total, chance) * 10 ** chance.uniform(0, 3.6) * swell
    if chance.random() < 0.5:
        noises = np.zeros(total)
        for _ in range(int(chance.integers(1, 6))):
            _burst(noises, 0, total, chance)
        sound += noises * 10 ** chance.uniform(1, 4)
    return Placed(_int16(sound), frames, (frames, frames))


def coloured(samples: int, chance: np.random.Generator) -> Wave:
    """Noise of effective value 1 whose spectrum falls by a random power, sometimes with a hump."""
    bins = samples // 2 + 1
    spectrum = chance.normal(size=bins) + 1j * chance.normal(size=bins)
    spectrum *= np.maximum(np.arange(bins), 1.0) ** -chance.uniform(0, 1)
    if chance.random() < 0.3:
        middle, width = chance.uniform(0, 0.6), chance.uniform(0.05, 0.4)
        spectrum *= np.exp(-(((np.arange(bins) / bins - middle) / width) ** 2)) + 0.05
    return _level(np.fft.irfft(spectrum, samples))


def _resized(wave: Wave, factor: float) -> Wave:
    """Faster and higher for a factor above 1: the speaker's vocal tract is that much shorter."""
    resized: Wave = np.interp(np.arange(int(wave.size / factor)) * factor, np.arange(wave.size), wave)
    return resized


def _room(wave: Wave, chance: np.random.Generator) -> Wave:
    length = int(chance.uniform(0.08, 0.7) * SAMPLE_RATE)
    response = chance.normal(size=length) * np.exp(-6.9 * np.arange(length) / length) * chance.uniform(0.02, 0.14)
    response[: chance.integers(1, 60)] = 0
    response[0] = 1
    echoed: Wave = fftconvolve(wave, response)
    return echoed


def _microphone(wave: Wave, chance: np.random.Generator) -> Wave:
    """Tilt, a few resonances, and sometimes a narrow band as of a telephone."""
    heard: Wave = lfilter([1, chance.uniform(-0.75, 0.75)], [1], wave)
    for _ in range(int(chance.integers(0, 3))):
        angle, radius = chance.uniform(0.02, 0.9) * np.pi, chance.uniform(0.5, 0.92)
        resonance = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius * radius], heard)
        heard = heard + chance.uniform(-0.4, 0.8) * resonance
    if chance.random() < 0.25:
        spectrum = np.fft.rfft(heard)
        low, high = int(spectrum.size * chance.uniform(0, 0.05)), int(spectrum.size * chance.uniform(0.42, 1))
        spectrum[:low] = 0
        spectrum[high:] *= 0.01
        heard = np.fft.irfft(spectrum, heard.size)
    return heard


def _quiet(chance: np.random.Generator, *, person: bool) -> tuple[int, int]:
    """Samples before and after the speech. Half of the synthetic clips end in a long quiet, as commands do."""
    if person:  # these have a lead and a tail of their own
        lead, tail = (0.0, 0.0) if chance.random() < 0.5 else (chance.uniform(0, 0.4), chance.uniform(0.1, 1.2))
    else:
        lead = chance.uniform(0.05, 0.7 if chance.random() < 0.2 else 0.4)
        tail = chance.uniform(0.3, 1.5) if chance.random() < 0.5 else chance.uniform(0.05, 0.4)
    return int(lead * SAMPLE_RATE), int(tail * SAMPLE_RATE)


def _grid(samples: int) -> tuple[int, int]:
    """The frames of the grid that hold so many samples, and the samples that make exactly these frames."""
    frames = -(-max(1, -(-(samples - FRAME) // STEP) + 1) // GRID) * GRID
    return frames, (frames - 1) * STEP + FRAME


def _disturb(sound: Wave, start: int, end: int, chance: np.random.Generator) -> None:
    """One to three noises of people and things before or after the speech."""
    before, after = start, sound.size - end
    for _ in range(int(chance.integers(1, 4))):
        if after > 1600 and (after >= before or chance.random() < 0.75):
            _burst(sound, end - 800, sound.size, chance)
        elif before > 1600:
            _burst(sound, 0, start, chance)


def _burst(sound: Wave, start: int, end: int, chance: np.random.Generator) -> None:
    """Breath, click, thump or hum somewhere in the range."""
    kind = int(chance.integers(4))
    shortest, longest = ((0.15, 0.6), (0.002, 0.02), (0.03, 0.12), (0.1, 0.5))[kind]
    length = min(int(chance.uniform(shortest, longest) * SAMPLE_RATE), end - start - 1)
    if length < 16:
        return
    time = np.arange(length)
    match kind:
        case 0:
            breath = lfilter([1, -chance.uniform(0.2, 0.9)], [1, -chance.uniform(0, 0.8)], chance.normal(size=length))
            noise = breath * np.hanning(length)
        case 1:
            noise = chance.normal(size=length) * np.exp(-5 * time / length)
        case 2:
            noise = np.sin(2 * np.pi * chance.uniform(40, 160) * time / SAMPLE_RATE) * np.exp(-4 * time / length)
        case _:
            noise = coloured(length, chance) * np.hanning(length)
    at = int(chance.integers(start, end - length))
    sound[at : at + length] += noise / (np.std(noise) + 1e-9) * _decibels(-chance.uniform(8, 32))


def _level(wave: Wave) -> Wave:
    """The wave with an effective value of 1."""
    levelled: Wave = wave / (np.sqrt(np.mean(wave**2)) + 1e-9)
    return levelled


def _decibels(gain: float) -> float:
    return float(10 ** (gain / 20))


def _int16(wave: Wave) -> Sound:
    sound: Sound = np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
    return sound

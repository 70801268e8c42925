"""Which twelve bytes are evidence of a text or a sound, and that any rest of it, in any form, holds some."""

import io
import json
from base64 import b64encode

import numpy as np
import pytest
import soundfile
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloud_stub.residue.windows import Windows, of_flac, of_samples, of_text, too_short

SAID = "remember that i am allergic to walnuts"

#: Letters of one, two, three and four bytes, what JSON escapes, and half a surrogate pair.
LETTERS = 'abc \t\n"\\/éß?>~ ы語😀\ud800\x00\x07'
texts = st.text(st.sampled_from(LETTERS), max_size=40) | st.lists(st.sampled_from(SAID.split())).map(" ".join)


def cut(windows: Windows) -> set[bytes]:
    return {window.tobytes() for window in windows}


def within(windows: Windows, content: bytes) -> bool:
    return any(window in content for window in cut(windows))


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def flac(samples: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="FLAC")
    return file.getvalue()


def noise(seed: int, loudness: float, samples: int = 48_000) -> NDArray[np.int16]:
    return np.random.default_rng(seed).normal(0, loudness, samples).astype(np.int16)


def test_a_window_starts_at_every_word_of_a_group() -> None:
    plain = {window for window in cut(of_text(SAID)) if window in SAID.encode()}
    assert plain == {b"remember tha", b"that i am al", b"i am allergi", b"am allergic ", b"allergic to "}


@pytest.mark.parametrize(
    "text", ["", "two words", "stop", "extraordinarily uncomplicated", "i am ok", "a\tb  c\n", "à b cdefgh"]
)
def test_what_has_no_three_words_or_twelve_bytes_is_too_short_to_prove(text: str) -> None:
    assert too_short(text)
    assert len(of_text(text)) == 0


@pytest.mark.parametrize("text", ["i am so okay", "  i am so okay", "é b cdefghi", "stop the music please"])
def test_three_words_of_twelve_bytes_are_enough(text: str) -> None:
    assert not too_short(text)
    assert within(of_text(text), utf8(text))


@given(texts, texts, texts)
@example("", "ы語 is one", "")
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_group_of_words_is_found_in_every_form_wherever_it_lies(before: str, text: str, after: str) -> None:
    assume(not too_short(text))
    windows = of_text(text)
    # A text of wide letters may have twelve bytes in UTF-8 and too few in UTF-16.
    ahead = text.lstrip()[:12]
    whole = f"{before} {text} {after}"
    assert within(windows, utf8(whole))
    assert all(within(windows, b64encode(skipped + utf8(whole))) for skipped in (b"", b"-", b"--"))
    if len(ahead.encode("utf-16-le", "surrogatepass")) >= 12:
        assert within(windows, whole.encode("utf-16-le", "surrogatepass"))
        assert within(windows, whole.encode("utf-16-be", "surrogatepass"))
    for ascii_only in (True, False):
        if len(json.dumps(ahead[:6], ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")) <= 14:
            assert within(windows, utf8(json.dumps(whole, ensure_ascii=ascii_only)))


def test_windows_are_few() -> None:
    # Two words close together share a window of base64.
    assert len(of_text(SAID)) == 5 * (len(SAID.split()) - 2) - 1


def test_escapes_of_two_letters_are_no_evidence() -> None:
    assert not any(b"\\u" in window for window in cut(of_text("поставь будильник на семь утра")))
    assert b"caf\\u00e9 is" in cut(of_text("café is open"))


def test_a_sound_has_a_window_every_256_bytes_as_it_is_stored_and_as_samples() -> None:
    samples = noise(1, 3000)
    sound = flac(samples)
    stored = of_flac(sound)
    assert len(sound) // 256 * 0.95 < len(stored) <= len(sound) // 256
    assert all(sound.index(window.tobytes()) % 256 == 0 for window in stored)
    raw = of_samples(samples)
    assert len(raw) > 0.9 * len(samples) * 2 / 256
    assert all(samples.astype("<i2").tobytes().index(window.tobytes()) % 256 == 0 for window in raw)


def test_a_block_of_a_sound_is_found() -> None:
    sound, samples = flac(noise(1, 3000)), noise(1, 3000)
    assert within(of_flac(sound), sound[20_001 : 20_001 + 1024])
    assert within(of_samples(samples), samples[5001 : 5001 + 512].astype("<i2").tobytes())


def test_what_every_sound_has_is_no_evidence_of_one() -> None:
    silence = np.zeros(80_000, np.int16)
    one, other = np.concatenate([silence, noise(1, 3000)]), np.concatenate([silence, noise(2, 3000)])
    assert not cut(of_flac(flac(one))) & cut(of_flac(flac(other)))
    assert len(of_flac(flac(silence))) == 0
    assert len(of_samples(silence)) == 0
    # The header with its comment and padding, longer than a stride.
    padding = b"fLaC\x01\x00\x08\x00" + bytes(range(256)) * 8 + b"\x84\x00\x01\x00" + bytes(range(256))
    assert len(of_flac(padding)) == 0


def test_the_noise_of_a_quiet_room_is_no_evidence() -> None:
    assert len(of_samples(noise(1, 20))) == 0


@pytest.mark.parametrize(
    "torn", [b"", b"fLaC", b"fLaC\x00", b"fLaC\x84\xff\xff\xff", b"fLaC" + bytes(3000), b"RIFF" + bytes(400)]
)
def test_a_torn_sound_has_no_windows(torn: bytes) -> None:
    assert len(of_flac(torn)) == 0

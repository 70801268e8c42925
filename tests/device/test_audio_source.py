from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from device.audio_source import BLOCK, SAMPLE_RATE, Recording
from device.errors import EchoError


def heard(path: Path, tail_s: float = 0.0) -> NDArray[np.int16]:
    return np.concatenate(list(Recording(path, tail_s, lead_s=0)))


def tone(hertz: float, seconds: float, rate: int) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def test_a_recording_at_our_rate_comes_through_bit_for_bit(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32767, 5 * BLOCK, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype="PCM_16")
    assert np.array_equal(heard(tmp_path / "a.wav"), samples)


def test_blocks_are_20_ms_of_int16_and_the_last_is_filled_up(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.full(BLOCK + 1, 77, np.int16), SAMPLE_RATE)
    blocks = list(Recording(tmp_path / "a.flac", tail_s=0, lead_s=0))
    assert [(block.shape, block.dtype) for block in blocks] == [((320,), np.int16)] * 2
    assert blocks[1].tolist() == [77] + [0] * 319


def test_the_room_goes_on_after_the_end_faintly_and_the_same_each_time(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(BLOCK, np.int16), SAMPLE_RATE)
    tail = heard(tmp_path / "a.wav", tail_s=1.5)[BLOCK:]
    assert tail.size == 24_000
    assert 2 < tail.std() < 4
    assert np.array_equal(tail, heard(tmp_path / "a.wav", tail_s=1.5)[BLOCK:])


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile(np.array([1000, 3000], np.int16), (BLOCK, 1)), SAMPLE_RATE)
    assert set(heard(tmp_path / "a.wav")) == {2000}


@settings(max_examples=40, deadline=None)
@given(rate=st.sampled_from([8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000]), frames=st.integers(1, 60_000))
def test_resampling_keeps_the_length(tmp_path_factory: pytest.TempPathFactory, rate: int, frames: int) -> None:
    path = tmp_path_factory.mktemp("rates") / "a.wav"
    soundfile.write(path, np.zeros(frames, np.int16), rate)
    samples = frames * SAMPLE_RATE / rate
    came = sum(block.size for block in Recording(path, tail_s=0, lead_s=0))
    assert samples - 1 <= came < samples + 1 + BLOCK


def test_resampling_keeps_a_tone_and_its_level_without_clicks_at_block_edges(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(1000, 1, 44_100)] * 2, axis=1), 44_100)
    middle = heard(tmp_path / "a.wav")[1600:14_400] / 32768
    assert np.abs(middle - tone(1000, 1, SAMPLE_RATE)[1600:14_400]).max() < 0.001


def test_what_is_too_high_for_our_rate_vanishes_instead_of_folding_down(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(10_000, 1, 48_000), 48_000)
    assert np.abs(heard(tmp_path / "a.wav")[1600:14_400]).max() < 5


def test_nonsense_in_a_float_file_is_made_harmless(tmp_path: Path) -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 3e38, 0.5], np.float32)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    assert heard(tmp_path / "a.wav")[:5].tolist() == [0, 32767, -32768, 32767, 16384]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EchoError, match=r"no sound file '.*nowhere\.wav'. Check the path"):
        Recording(tmp_path / "nowhere.wav")


def test_a_folder_is_no_sound_file(tmp_path: Path) -> None:
    with pytest.raises(EchoError, match="no sound file"):
        Recording(tmp_path)


@pytest.mark.parametrize("name", ["letter.wav", "letter.raw", "letter.txt"])
def test_a_text_file_is_no_sound_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Dear Senator Coons, ...")
    with pytest.raises(EchoError, match=rf"'{name}' is not a sound file") as caught:
        Recording(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_recording_without_a_sample_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.empty(0, np.int16), SAMPLE_RATE)
    with pytest.raises(EchoError, match="holds no sound"):
        Recording(tmp_path / "a.wav")


def test_an_absurd_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(9, np.int16), 7)
    with pytest.raises(EchoError, match="claims a rate of 7 Hz"):
        Recording(tmp_path / "a.wav")


def test_a_recording_that_breaks_off_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, 5 * SAMPLE_RATE)
    soundfile.write(tmp_path / "whole.flac", noise, SAMPLE_RATE)
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EchoError, match=r"'half\.flac' breaks off"):
        heard(tmp_path / "half.flac")

"""The words go to the synthesiser by standard input: other users can read a command line."""

import shutil
import stat
from pathlib import Path

import pytest

from device import voice
from device.voice import Voice
from tests.processes import until

SYNTHESISER = """#!/bin/sh
echo "$@" > {folder}/arguments
cat > {folder}/words.new
mv {folder}/words.new {folder}/words
{then}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, and nothing but it and the system's own on the path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for tool in ("sh", "cat", "mv", "sleep"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(path: Path, name: str, then: str = "") -> None:
    (path / name).write_text(SYNTHESISER.format(folder=path, then=then))
    (path / name).chmod(stat.S_IRWXU)


@pytest.mark.parametrize("name", ["espeak-ng", "say", "powershell"])
def test_the_words_are_spoken_and_stand_on_no_command_line(path: Path, name: str) -> None:
    install(path, name)
    speaker = Voice()
    assert speaker.speak("you are allergic to [[walnuts", 30)
    until((path / "words").exists, "the synthesiser to read")
    assert (path / "words").read_text() == "you are allergic to walnuts"
    assert "walnuts" not in (path / "arguments").read_text()
    until(lambda: not speaker.speaking(), "the voice to end")


def test_espeak_is_as_loud_as_was_set(path: Path) -> None:
    install(path, "espeak-ng")
    speaker = Voice()
    speaker.speak("hello", 30)
    until((path / "words").exists, "the synthesiser to read")
    assert (path / "arguments").read_text().split()[-2:] == ["-a", "60"]
    speaker.stop()


def test_it_speaks_until_it_is_stopped(path: Path) -> None:
    install(path, "espeak-ng", "exec sleep 600")
    speaker = Voice()
    assert speaker.speak("hello", 30)
    until((path / "words").exists, "the synthesiser to read")
    assert speaker.speaking()
    speaker.stop()
    assert not speaker.speaking()


def test_without_a_synthesiser_or_at_volume_0_there_is_text_only(path: Path) -> None:
    assert not Voice().speak("hello", 30)
    assert voice.available() == ""
    install(path, "espeak-ng")
    assert voice.available().endswith("espeak-ng")
    assert not Voice().speak("hello", 0)

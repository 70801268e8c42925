"""Other models do the same: one with another vocabulary, and one with a static graph, as the big official ones."""

import shutil
from pathlib import Path

import pytest

from device import speech_models
from device.audio_source import Recording
from device.errors import EchoError
from device.hearing import Event, Hearing
from device.model_building import fst, graph, lexicon
from device.model_building.language_model import ngram
from device.spoken_requests import FOLDER
from device.utterance import Heard
from tests.processes import missing

SAID = [("alexa what time is it", 1.0), ("alexa", 1.0), ("what time is it", 1.0)]
WORDS = sorted({word for said, _ in SAID for word in said.split()})


def _static(folder: Path) -> None:
    """One graph of everything, which takes no grammar at run time."""
    pronunciations = lexicon.lexicon(WORDS)
    words = ["<eps>", graph.UNKNOWN, *pronunciations]
    numbers = {word: number for number, word in enumerate(words)}
    options = graph.GraphOptions()
    grammar = ngram(
        SAID,
        {word: number for word, number in numbers.items() if number},
        order=options.order,
        discount=options.discount,
        unknown=options.unknown,
        rarest=options.rarest,
    )
    (folder / "hcl.txt").write_text(graph._hcl(pronunciations, numbers, options).text())
    (folder / "g.txt").write_text(grammar.text())
    for name in ("hcl", "g"):
        fst._run(folder, "fstcompile", f"{name}.txt", f"{name}.fst")
    fst._run(folder, "fstarcsort", "--sort_type=olabel", "hcl.fst", "hcl.sorted.fst")
    fst._run(folder, "fstarcsort", "--sort_type=ilabel", "g.fst", "g.sorted.fst")
    fst._run(folder, "fstcompose", "hcl.sorted.fst", "g.sorted.fst", "hclg.fst")
    fst._run(folder, "fstconvert", "--fst_type=const", "hclg.fst", "HCLG.fst")
    (folder / "words.txt").write_text("".join(f"{word} {number}\n" for word, number in numbers.items()))
    for made in (*folder.glob("*.txt"), *folder.glob("*.fst")):
        if made.name not in {"words.txt", "HCLG.fst"}:
            made.unlink()


@pytest.fixture(scope="module", params=["dynamic", "static"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> speech_models.SpeechModel:
    if shutil.which("fstcompose") is None:
        missing("OpenFst's programs", "apt install libfst-tools")
    path = tmp_path_factory.mktemp(str(request.param)) / "another"
    shutil.copytree(speech_models.locate(), path)
    for file in ("HCLr.fst", "Gr.fst", "words.txt"):
        (path / "graph" / file).unlink()
    if request.param == "static":
        _static(path / "graph")
    else:
        graph.write(path / "graph", lexicon.lexicon(WORDS), SAID, graph.GraphOptions())
    return speech_models.load(speech_models.locate(str(path)))


def heard(model: speech_models.SpeechModel, file: str) -> list[Event]:
    return list(Hearing(model).hear(Recording(FOLDER / file)))


def test_a_request_is_heard(model: speech_models.SpeechModel) -> None:
    assert speech_models.words(model.path) == frozenset(WORDS)
    _, request = heard(model, "11_question.flac")
    assert isinstance(request, Heard)
    assert request.transcript.text == "what time is it"


def test_words_that_it_does_not_know_are_reported_as_unknown(model: speech_models.SpeechModel) -> None:
    _, request = heard(model, "03_meeting.flac")
    assert isinstance(request, Heard)
    assert "[unk]" in request.transcript.text.split()


def test_a_wake_word_that_it_does_not_know_is_refused(model: speech_models.SpeechModel) -> None:
    with pytest.raises(EchoError, match="'another' does not know the word 'computer'"):
        Hearing(model, "computer")

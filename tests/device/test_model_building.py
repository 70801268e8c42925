"""What makes a speech model, without training one: sentences, lexicon, n-gram, graph, features, files."""

import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from device import speech_models
from device.cli import main
from device.decoys import DECOYS
from device.errors import EchoError
from device.model_building import lexicon, model_folder, nnet3_format, phones, recipe, synthesis
from device.model_building.evaluate import transcribe, word_errors
from device.model_building.fst import Fst
from device.model_building.language_model import UNKNOWN, ngram
from device.model_building.sentences import Sentences
from tests.processes import missing

OURS = recipe.read()


@pytest.fixture(scope="module")
def said() -> Sentences:
    return model_folder.sentences(OURS, model_folder.templates())


def templates(folder: Path, *sentences: str) -> Path:
    """A folder with one file of these templates."""
    folder.mkdir(exist_ok=True)
    lines = "".join(f"          - '{sentence}'\n" for sentence in sentences)
    (folder / "own.yaml").write_text(
        f"language: en\nintents:\n  Own:\n    data:\n      - sentences:\n{lines}", encoding="utf-8"
    )
    return folder


def test_the_same_chances_draw_the_same_sentences_and_others_draw_others(said: Sentences) -> None:
    draws = [[said.request(random.Random(seed)) for _ in range(20)] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_every_word_that_is_drawn_is_in_the_vocabulary_and_can_be_said(said: Sentences) -> None:
    words = lexicon.lexicon(said.vocabulary().union(OURS.words))
    chance = random.Random(5)
    drawn = {word for _ in range(3000) for word in said.request(chance).split()}
    assert drawn <= set(words)
    assert all(set(way) <= set(phones.SPEECH) for ways in words.values() for way in ways)


def test_whatever_the_shipped_model_knew_before_a_new_one_knows_too() -> None:
    said = model_folder.sentences(OURS, model_folder.templates(), overheard=True)
    assert speech_models.words(speech_models.locate()) <= said.vocabulary().union(OURS.words, *DECOYS.values())


def test_overheard_talk_is_in_the_n_gram_and_nobody_speaks_it(said: Sentences) -> None:
    overheard = model_folder.sentences(OURS, model_folder.templates(), overheard=True)
    assert overheard.draw("overheard", random.Random(1))
    with pytest.raises(EchoError, match="'overheard'"):
        said.draw("overheard", random.Random(1))
    # Nor is it said to the speaker, when requests are drawn for the n-gram.
    draws = [[each.request(random.Random(seed)) for seed in range(300)] for each in (said, overheard)]
    assert draws[0] == draws[1]


def test_all_choices_of_a_template_are_drawn(tmp_path: Path) -> None:
    own = Sentences([templates(tmp_path, "(one|two) [three]") / "own.yaml"])
    chance = random.Random(1)
    drawn = Counter(own.request(chance) for _ in range(400))
    assert set(drawn) == {"one", "two", "one three", "two three"}
    assert min(drawn.values()) > 50


def test_an_article_fits_the_next_word(said: Sentences) -> None:
    chance = random.Random(2)
    drawn = " ; ".join(said.draw("coffee", chance) for _ in range(500))
    assert " an espresso" in drawn
    assert " an large" not in drawn
    assert " a eight" not in drawn


def test_a_list_without_values_is_named(tmp_path: Path) -> None:
    folder = templates(tmp_path, "say {nonsense}")
    (folder / "lists.yaml").write_text("lists: {nonsense: {wildcard: true}}\n")
    with pytest.raises(EchoError, match=r"The list \{nonsense\} has no values"):
        Sentences(sorted(folder.glob("*.yaml"))).vocabulary()


def test_a_file_that_is_no_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("intents: [")
    with pytest.raises(EchoError, match="cannot be read"):
        Sentences([tmp_path / "own.yaml"])


def test_a_word_that_nobody_can_say_is_named_and_a_line_of_pronunciation_helps(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("zorgon Z AO R G AH N\n")
    with pytest.raises(EchoError, match="Nobody knows how to say blurfl, wibbletron"):
        lexicon.lexicon(["wibbletron", "zorgon", "blurfl"], own)
    assert lexicon.lexicon(["zorgon", "dog's"], own)["zorgon"] == [("Z", "AO", "R", "G", "AH", "N")]
    own.write_text("zorgon Q\n")
    with pytest.raises(EchoError, match="Line 1 of"):
        lexicon.lexicon(["zorgon"], own)


def outgoing(fst: Fst, numbers: dict[str, int], state: int) -> float:
    """The probability of all that can come next: words of the state itself, and those of the states it backs off to."""
    seen: dict[int, float] = {}
    final, weight, here = None, 0.0, state
    while True:
        if final is None and here in fst.finals:
            final = weight + fst.finals[here]
        backoff = None
        for source, target, label, _, cost in fst.arcs:
            if source == here and label == 0:
                backoff = target, cost
            elif source == here:
                seen.setdefault(label, weight + cost)
        if backoff is None:
            break
        here, weight = backoff[0], weight + backoff[1]
    assert set(seen) | {0} == {*(number for word, number in numbers.items() if word != "</s>"), 0}
    return sum(math.exp(-cost) for cost in [*seen.values(), *([] if final is None else [final])])


def test_the_probabilities_of_what_comes_next_add_up_to_one() -> None:
    numbers = {UNKNOWN: 1, "turn": 2, "it": 3, "on": 4, "off": 5, "never": 6}
    fst = ngram([("turn it on", 3.0), ("turn it off", 1.0), ("it", 2.0)], numbers)
    for state in range(fst.states):
        assert outgoing(fst, numbers, state) == pytest.approx(1, abs=1e-3)


def test_word_errors_are_counted_by_the_shortest_way() -> None:
    assert word_errors(["set", "a", "timer"], ["set", "timer", "now"]) == 2
    assert word_errors([], ["oh"]) == word_errors(["oh"], []) == 1
    assert word_errors(["stop"], ["stop", "now"]) == 1


@pytest.mark.parametrize("bits", [32, 16, 8])
def test_the_weights_in_the_file_are_those_of_the_network(tmp_path: Path, bits: int) -> None:
    weight = np.random.default_rng(1).normal(size=(80, 40)).astype(np.float32)
    nnet3_format.write(tmp_path / "final.mdl", [nnet3_format.Affine((0,), weight, np.zeros(80, np.float32))], bits)
    content = (tmp_path / "final.mdl").read_bytes()
    if bits == 32:
        assert weight.tobytes() in content
    else:
        at = content.index(b"CM2 " if bits == 16 else b"CM3 ") + 4
        lowest, span = np.frombuffer(content[at : at + 8], "<f4")
        codes = np.frombuffer(content[at + 16 :][: weight.size * bits // 8], "<u2" if bits == 16 else "u1")
        back = lowest + codes.reshape(weight.shape) * span / (2**bits - 1)
        assert np.abs(back - weight).max() <= 0.51 * span / (2**bits - 1)


def openfst() -> None:
    import shutil

    if shutil.which("fstconvert") is None:
        missing("OpenFst", "apt install libfst-tools")


def test_a_new_vocabulary_is_heard_without_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ "where is the walrus" was no command; with a template it is heard, and what ships is still heard, too."""
    openfst()
    if not synthesis.available("espeak"):
        missing("espeak-ng", "apt install espeak-ng")
    folder = templates(tmp_path / "templates", "where is the walrus", "feed the (walrus|penguin)")
    assert main(["models", "build-graph", str(tmp_path / "new"), "--templates", str(folder)]) == 0
    model = speech_models.load(tmp_path / "new")
    assert {"walrus", "penguin", "alexa"} <= speech_models.words(tmp_path / "new")
    sounds = {
        text: synthesis.say(synthesis.Job(1, text, "espeak", held_out=True))
        for text in ("where is the walrus", "feed the penguin")
    }
    assert [transcribe(model, np.pad(sound, 6400)) for sound in sounds.values()] == list(sounds)
    assert main(["models", "build-graph", str(tmp_path / "new")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_model_of_other_phones_keeps_its_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other" / "graph" / "phones").mkdir(parents=True)
    (tmp_path / "other" / "graph" / "phones" / "word_boundary.int").write_text("1 nonword\n")
    assert main(["models", "build-graph", str(tmp_path / "new"), "--model", str(tmp_path / "other")]) == 2
    assert "are not ours" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_recipe_with_a_misspelled_option_is_refused_by_name(tmp_path: Path) -> None:
    text = recipe.DEFAULT.read_text("utf-8").replace("last_rate", "last_late", 1)
    (tmp_path / "recipe.toml").write_text(text, "utf-8")
    with pytest.raises(EchoError, match="last_late"):
        recipe.read(tmp_path / "recipe.toml")

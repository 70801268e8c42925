"""Choosing templates beforehand changes nothing: the readings are those that all templates give, in the same order."""

import random
from collections.abc import Callable

import pytest
from hassil import Intents, RecognizeResult, Sentence, recognize_all

from cloud_stub.assistant import candidates
from cloud_stub.assistant.candidates import Candidates
from cloud_stub.assistant.understanding import _keeps_words_whole
from tests.cloud_stub.test_understanding import INTENTS, TEMPLATES, VOCABULARY, said

WORDS = sorted(VOCABULARY - {"<eps>", "[unk]"})
CANDIDATES = Candidates(INTENTS)

Words = list[str]

#: What each template is sampled for: as it is, and changed in one of these ways.
CHANGES: dict[str, Callable[[Words, random.Random], Words]] = {
    "as it is": lambda words, _: words,
    "politely": lambda words, _: ["can", "you", *words, "please"],
    "politely in the middle": lambda words, _: [*words[:1], "could", "you", *words[1:]],
    "with a word more": lambda words, chance: [*words[:2], chance.choice(WORDS), *words[2:]],
    "with a word less": lambda words, chance: words[: chance.randrange(len(words))] + words[len(words) // 2 + 1 :],
    "in disorder": lambda words, chance: chance.sample(words, len(words)),
    "in capitals": lambda words, _: [word.upper() for word in words],
    "with a number": lambda words, _: [*words, "7"],
}


def readings(text: str, intents: Intents) -> list[tuple[object, ...]]:
    whole = frozenset(text.lower().split())
    return [shown(one) for one in recognize_all(text, intents) if _keeps_words_whole(one, whole)]


def shown(one: RecognizeResult) -> tuple[object, ...]:
    slots = [(slot.name, slot.value, slot.text, slot.is_wildcard) for slot in one.entities_list]
    return one.intent.name, slots, one.text_chunks_matched


@pytest.mark.parametrize(("intent", "sentence"), TEMPLATES, ids=lambda part: getattr(part, "text", part))
def test_what_is_kept_back_fits_no_template(intent: str, sentence: Sentence) -> None:
    chance = random.Random(sentence.text)
    for how, change in CHANGES.items():
        text = " ".join(change(said(sentence.expression, chance).split(), chance))
        assert readings(text, CANDIDATES.of(text)) == readings(text, INTENTS), (how, text)


def test_few_templates_are_left_of_many() -> None:
    left = CANDIDATES.of("remember that i am allergic to walnuts").intents
    assert set(left) == {"RememberFact"}
    assert CANDIDATES.of("zebra crossing ahead").intents == {}


def test_what_is_remembered_is_bounded_and_holds_nobodys_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "REMEMBERED", 40)
    chance, few = random.Random(8), Candidates(INTENTS)
    for _, sentence in TEMPLATES:
        few.of(" ".join(said(sentence.expression, chance).split()) + " zebra")
        assert len(few._steps) + len(few._subsets) <= 41
        assert "zebra" not in {word for _, word in few._steps}

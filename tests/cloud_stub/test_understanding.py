"""Every sentence template, sampled: each is understood as its own intent and the recogniser can hear its words."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hassil import (
    Alternative,
    Expression,
    Group,
    ListReference,
    RuleReference,
    Sentence,
    Sequence,
    TextChunk,
    TextSlotList,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stub.assistant import ANSWERS
from tests.cloud_stub.asking import ASSISTANT, ask

INTENTS = ASSISTANT.understanding.intents

WORDS = Path(__file__).parents[2] / "device/models/echo-small-en/graph/words.txt"
VOCABULARY = {line.split()[0] for line in WORDS.read_text(encoding="utf-8").splitlines()}

#: What is said where a template takes any words. None of these is a sentence of its own or names a time.
FREE = ["the blue umbrella", "my aunt's piano", "fresh paint", "two grey cats", "liquorice"]

#: Sentences of each template. No template is ambiguous: there is no list of exceptions.
SAMPLES = 20


def templates() -> Iterator[tuple[str, Sentence]]:
    for intent in INTENTS.intents.values():
        for data in intent.data:
            for sentence in data.sentences:
                yield intent.name, sentence


TEMPLATES = list(templates())


def said(expression: Expression, chance: random.Random) -> str:
    """One sentence of a template, each of its choices taken by chance."""
    match expression:
        case TextChunk():
            return expression.original_text
        case Alternative():
            return said(chance.choice(expression.items), chance)
        case Sequence():
            return "".join(said(item, chance) for item in expression.items)
        case RuleReference():
            return said(INTENTS.expansion_rules[expression.rule_name].expression, chance)
        case ListReference():
            values = INTENTS.slot_lists[expression.list_name]
            spoken = values.values if isinstance(values, TextSlotList) else None
            return said(chance.choice(spoken).text_in, chance) if spoken else chance.choice(FREE)
    raise TypeError(f"{expression!r} is no expression that the templates here use.")


def literal_words(expression: Expression) -> set[str]:
    """Every word that a template can have, wildcards apart."""
    match expression:
        case TextChunk():
            return set(expression.original_text.split())
        case Group():
            inner = expression.items
        case RuleReference():
            inner = [INTENTS.expansion_rules[expression.rule_name].expression]
        case ListReference():
            values = INTENTS.slot_lists[expression.list_name]
            inner = [value.text_in for value in values.values] if isinstance(values, TextSlotList) else []
    return set().union(*map(literal_words, inner))


@pytest.mark.parametrize(("intent", "sentence"), TEMPLATES, ids=lambda part: getattr(part, "text", part))
def test_every_template_is_understood_as_its_own_intent(intent: str, sentence: Sentence) -> None:
    chance = random.Random(sentence.text)
    for _ in range(SAMPLES):
        text = " ".join(said(sentence.expression, chance).split())
        outcome = ask(text, "i like fresh paint")
        assert outcome.intent == intent, f"{text!r} is understood as {outcome.intent}"
        assert outcome.response != "", text


@pytest.mark.parametrize(("intent", "sentence"), TEMPLATES, ids=lambda part: getattr(part, "text", part))
def test_the_recogniser_has_every_word_of_every_template(intent: str, sentence: Sentence) -> None:
    assert literal_words(sentence.expression) <= VOCABULARY


def test_every_answer_has_a_template() -> None:
    assert set(ANSWERS) == set(INTENTS.intents)


@settings(deadline=None)
@given(st.sampled_from(TEMPLATES), st.randoms(use_true_random=False), st.sampled_from(["{}", "please {}", "{} please"]))
def test_sentences_are_understood_with_and_without_please(
    template: tuple[str, Sentence], chance: random.Random, frame: str
) -> None:
    intent, sentence = template
    text = frame.format(" ".join(said(sentence.expression, chance).split()))
    assert ask(text).intent == intent


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    outcome = ask(text)
    assert outcome.intent in {*ANSWERS, "Unknown", "Empty"}
    assert outcome.response or outcome.intent == "Empty"


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(VOCABULARY - {"<eps>", "[unk]"})), max_size=12))
def test_no_words_that_the_recogniser_can_hear_break_it(words: list[str]) -> None:
    outcome = ask(" ".join(words))
    assert outcome.response or not words


def test_a_slot_never_begins_or_ends_inside_a_word() -> None:
    # "sam" is a person, too, and hassil alone would read "tell" + "sam" + "antha hello".
    asked = ASSISTANT.understanding.understand("tell samantha hello")
    assert asked is not None
    assert asked.every("person") == ["samantha"]
    assert ASSISTANT.understanding.understand("tell samuel hello") is None

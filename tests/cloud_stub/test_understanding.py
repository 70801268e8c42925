"""Every sentence template, sampled: each is understood as its own intent and the recogniser can hear its words."""

import copy
import gc
import random
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

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
from cloud_stub.assistant.understanding import Understanding
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


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(TEMPLATES),
    st.randoms(use_true_random=False),
    st.sampled_from(["{}", "Please {}", "{} please", "{}?", "can you {}", "{0} can you {0}"]),
)
def test_a_sentence_means_the_same_when_it_was_read_before(
    template: tuple[str, Sentence], chance: random.Random, frame: str
) -> None:
    text = frame.format(" ".join(said(template[1].expression, chance).split()))
    understanding = copy.copy(ASSISTANT.understanding)
    understanding._known = {}
    first = understanding.understand(text)
    assert understanding.understand(text) == first == ASSISTANT.understanding.understand(text)


def test_nothing_that_somebody_said_is_remembered_for_the_next_sentence() -> None:
    understanding = Understanding()
    said = ["remember that my zebra can you lives at the quay", "Tell Anna the zebra is at the quay, please", "zebra!"]
    meant = [understanding.understand(text) for text in said]
    assert [what and "zebra" in str(what.slots) for what in meant] == [True, True, None]
    found = strings_in(understanding)
    assert "RememberFact" in found
    assert [text for text in found if "zebra" in text or "quay" in text] == []
    assert [understanding.understand(text) for text in said] == meant


def strings_in(whole: object) -> set[str]:
    """Every string that can be reached from there."""
    seen, new, found = set[int](), [whole], set[str]()
    while new:
        one = new.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        found |= {one} if isinstance(one, str) else {one.decode("latin-1")} if isinstance(one, bytes) else set()
        new += gc.get_referents(one)
    return found

"""Which sentence templates a sentence can fit, found in one pass over its words.

hassil tries template after template, and most of its time goes into those that do not fit. Here all templates are one
automaton over words, through which a sentence runs once. It lets more through than fits: of a list of values it knows
the first words and all words, not their order. What it keeps back no reading of whole words can come of; so hassil,
given what is left, finds the same readings in the same order (a test compares them, template by template).

What is remembered between two sentences are steps from one set of places in the templates to the next, by words that
stand in the templates. Nobody's own words are among them.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

from hassil import (
    Alternative,
    Expression,
    Intents,
    ListReference,
    RuleReference,
    Sequence,
    TextChunk,
    TextSlotList,
)
from hassil.util import remove_skip_words

#: How many steps and sets of templates are remembered at most; then it begins anew.
REMEMBERED = 50_000

#: What is read against the automaton; any other text, with digits or hyphens, is read against all templates.
_PLAIN = re.compile(r"[a-z]+(?:'[a-z]+)?(?: [a-z]+(?:'[a-z]+)?)*")

#: The words that lead on from a place in a template; None stands for any word.
Words = frozenset[str] | None

Places = frozenset[int]


class Candidates:
    """The templates of `intents` as one automaton."""

    def __init__(self, intents: Intents) -> None:
        """Knows the templates as they are now. Raises TypeError for a kind of expression that it does not know."""
        self._intents = intents
        self._lists: dict[str, tuple[Words, Words]] = {}
        # By place: what leads on from it and to where; where one is as well without a word; whose template ends here.
        self._on: list[list[tuple[Words, int]]] = []
        self._also: list[list[int]] = []
        self._ends: dict[int, tuple[str, int, int]] = {}
        start = self._place()
        for name, intent in intents.intents.items():
            for block, data in enumerate(intent.data):
                for number, sentence in enumerate(data.sentences):
                    end = self._joined(self._built(sentence.expression, start), self._place())
                    self._ends[end] = (name, block, number)
        self._start = self._closed({start})
        self._vocabulary = _union(words for steps in self._on for words, _ in steps if words) or frozenset()
        self._forget()

    def of(self, text: str) -> Intents:
        """The intents with those templates alone that the text, in words parted by single spaces, can fit."""
        lower = text.lower()
        if not _PLAIN.fullmatch(lower):
            return self._intents
        forms, skip = {lower}, self._intents.skip_words
        if any(word in lower for word in skip):
            # As hassil does: everywhere, or at one end only where a template has somebody's own words at the other.
            for start, end in ((True, True), (True, False), (False, True)):
                forms.add(remove_skip_words(lower, skip, ignore_whitespace=False, start=start, end=end))
        ends = frozenset[int]().union(*map(self._run, forms))
        if ends not in self._subsets:
            self._subsets[ends] = self._subset(ends)
        return self._subsets[ends]

    def _forget(self) -> None:
        self._steps: dict[tuple[Places, str | None], Places] = {}
        self._subsets: dict[Places, Intents] = {}

    def _run(self, text: str) -> Places:
        """The ends of templates that the text arrives at."""
        places = self._start
        for word in text.split():
            step = places, word if word in self._vocabulary else None
            found = self._steps.get(step)
            if found is None:
                if len(self._steps) + len(self._subsets) >= REMEMBERED:
                    self._forget()
                found = self._closed(
                    {to for place in places for words, to in self._on[place] if words is None or word in words}
                )
                self._steps[step] = found
            places = found
        return places & self._ends.keys()

    def _subset(self, ends: Places) -> Intents:
        wanted = {self._ends[end] for end in ends}
        names = {name for name, _, _ in wanted}
        intents = {}
        for name in (name for name in self._intents.intents if name in names):
            blocks = []
            for block, data in enumerate(self._intents.intents[name].data):
                chosen = [one for number, one in enumerate(data.sentences) if (name, block, number) in wanted]
                if chosen:
                    blocks.append(replace(data))
                    # A cached property: they need not be parsed and put in order again.
                    vars(blocks[-1])["sentences"] = chosen
            intents[name] = replace(self._intents.intents[name], data=blocks)
        return replace(self._intents, intents=intents)

    def _place(self) -> int:
        self._on.append([])
        self._also.append([])
        return len(self._on) - 1

    def _joined(self, place: int, to: int) -> int:
        self._also[place].append(to)
        return to

    def _step(self, place: int, words: Words, to: int) -> int:
        self._on[place].append((words, to))
        return to

    def _closed(self, places: set[int]) -> Places:
        """These places and all where one is as well."""
        found, new = set(places), list(places)
        while new:
            also = [to for to in self._also[new.pop()] if to not in found]
            found.update(also)
            new += also
        return frozenset(found)

    def _built(self, expression: Expression, place: int) -> int:
        """Build the expression from that place on. Returns the place behind it."""
        match expression:
            case TextChunk():
                words = expression.text.lower().split()
                return reduce(lambda at, word: self._step(at, frozenset({word}), self._place()), words, place)
            case Sequence():
                return reduce(lambda at, item: self._built(item, at), expression.items, place)
            case Alternative():
                end = self._place()
                for item in expression.items:
                    self._joined(self._built(item, place), end)
                return end
            case RuleReference():
                return self._built(self._intents.expansion_rules[expression.rule_name].expression, place)
            case ListReference():
                first, further = self._values(expression.list_name)
                inside = self._step(place, first, self._place())
                return self._step(inside, further, inside)
        raise TypeError(f"{expression!r} is no expression that the templates here use.")

    def _values(self, name: str) -> tuple[Words, Words]:
        """The first words of a list's values, and all their words."""
        if name not in self._lists:
            values = self._intents.slot_lists[name]
            if not isinstance(values, TextSlotList):
                return None, None
            before = len(self._on)
            start = self._place()
            for value in values.values:
                self._built(value.text_in, start)
            first = _union(words for place in self._closed({start}) for words, _ in self._on[place])
            self._lists[name] = first, _union(words for steps in self._on[before:] for words, _ in steps)
        return self._lists[name]


def _union(several: Iterator[Words]) -> Words:
    found: set[str] = set()
    for words in several:
        if words is None:
            return None
        found |= words
    return frozenset(found)

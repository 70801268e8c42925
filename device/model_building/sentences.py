"""Draws sentences at random from sentence templates (hassil).

The speaker's own templates say what can be asked; `speech.yaml` fills their wildcards and adds families of sentences
that are none of them. hassil can list all sentences of a template, which are billions; here each is drawn.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hassil import Intents
from hassil.expression import Alternative, Expression, ListReference, Permutation, RuleReference, Sentence, TextChunk
from hassil.expression import Sequence as InOrder
from hassil.intents import TextSlotList
from hassil.util import merge_dict

from device.errors import EchoError

#: Families of what is said to others than the speaker.
NOT_FOR_US = {"talk", "overheard"}

_WORD = re.compile(r"[a-z][a-z']*")


def read(paths: Sequence[Path]) -> Intents:
    """The templates of some files. Raises EchoError where there are none or one cannot be read."""
    if not paths:
        raise EchoError("There are no sentence templates. Name a folder with one YAML file a family of requests.")
    content: dict[str, Any] = {"intents": {}}
    try:
        for path in paths:
            merge_dict(content, yaml.safe_load(path.read_text("utf-8")))
        return Intents.from_dict(content)
    except Exception as error:  # hassil and YAML have no common error
        raise EchoError(f"The sentence templates cannot be read: {error}. Mend the file.") from error


class Sentences:
    """What can be said: the sentence templates of some files.

    `requests` are the speaker's own; where both name a list or a rule, theirs holds. Of a wildcard, which has no values
    of its own, those of the same list in `more` stand in. A wake word is as frequent as it is often in `wake_words`.
    """

    def __init__(self, requests: Sequence[Path], more: Sequence[Path] = (), wake_words: Sequence[str] = ()) -> None:
        self._wake_words = wake_words
        sources = [*(read([path]) for path in more), read(requests)]
        self._rules = {name: rule for source in sources for name, rule in source.expansion_rules.items()}
        self._lists = {
            name: values
            for source in sources
            for name, values in source.slot_lists.items()
            if isinstance(values, TextSlotList)
        }
        self._families = {
            name: [sentence for data in intent.data for sentence in data.sentences]
            for source in sources
            for name, intent in source.intents.items()
        }
        self._requests = sorted(self._families.keys() - NOT_FOR_US)

    def request(self, chance: random.Random) -> str:
        """Something that is said to the speaker, half of the time after a wake word; politely now and then."""
        text, way = self.draw(chance.choice(self._requests), chance), chance.random()
        if not self._wake_words:
            return text
        if way < 0.50:
            return f"{chance.choice(self._wake_words)} {text}"
        if way < 0.54:
            return chance.choice(self._wake_words)
        if way < 0.57:
            return f"{text} please"
        return f"please {text}" if way < 0.58 else text

    def babble(self, chance: random.Random) -> str:
        """Something that others say meanwhile: of the family `talk`, where there is one."""
        return self.draw("talk", chance) if "talk" in self._families else self.request(chance)

    def draw(self, family: str, chance: random.Random) -> str:
        """A sentence of one intent or family, in lower case, words separated by one blank.

        Raises EchoError where nobody knows the family.
        """
        if family not in self._families:
            raise EchoError(
                f"No template is of the family {family!r}. The recipe may name {', '.join(self._families)}."
            )
        sentence = chance.choice(self._families[family])
        return _with_article(" ".join(_spoken(self._draw(sentence.expression, chance)).split()))

    def vocabulary(self) -> frozenset[str]:
        """Every word that can be drawn."""
        seen = {*self._wake_words, *(("please",) if self._wake_words else ())}
        for sentences in self._families.values():
            for sentence in sentences:
                self._collect(sentence.expression, seen, set())
        return frozenset(seen)

    def _draw(self, expression: Expression, chance: random.Random) -> str:
        match expression:
            case TextChunk():
                return expression.original_text
            case Alternative():
                return self._draw(chance.choice(expression.items), chance)
            case Permutation():
                return " ".join(
                    self._draw(item, chance) for item in chance.sample(expression.items, len(expression.items))
                )
            case InOrder():
                return "".join(self._draw(item, chance) for item in expression.items)
            case ListReference():
                return self._draw(chance.choice(self._values(expression)), chance)
            case RuleReference():
                return self._draw(self._rule(expression).expression, chance)
        raise EchoError(f"{expression} is not understood in a sentence template. Write it in another way.")

    def _collect(self, expression: Expression, seen: set[str], visited: set[str]) -> None:
        match expression:
            case TextChunk():
                seen.update(_WORD.findall(_spoken(expression.original_text)))
            case Alternative() | Permutation() | InOrder():
                for item in expression.items:
                    self._collect(item, seen, visited)
            case ListReference() if f"list {expression.list_name}" not in visited:
                visited.add(f"list {expression.list_name}")
                for value in self._values(expression):
                    self._collect(value, seen, visited)
            case RuleReference() if f"rule {expression.rule_name}" not in visited:
                visited.add(f"rule {expression.rule_name}")
                self._collect(self._rule(expression).expression, seen, visited)

    def _rule(self, reference: RuleReference) -> Sentence:
        if reference.rule_name not in self._rules:
            raise EchoError(f"The templates use <{reference.rule_name}>, which nobody defines. Add the rule.")
        return self._rules[reference.rule_name]

    def _values(self, reference: ListReference) -> list[Expression]:
        values = self._lists.get(reference.list_name)
        if not isinstance(values, TextSlotList):
            raise EchoError(
                f"The list {{{reference.list_name}}} has no values to draw from. "
                "If it is a wildcard, add what may be said there to the lists of speech.yaml."
            )
        return [value.text_in for value in values.values]


def _with_article(text: str) -> str:
    """ "a" or "an" as the next word wants it: templates offer both, and who speaks does not choose freely."""
    text = re.sub(r"\ban? (?=[aeiou](?!ne|ni|ss|ber))", "an ", text)
    return re.sub(r"\ban? (?=[^aeiou\s]|uber|one|uni)(?!hour)(?!m\b)", "a ", text)


def _spoken(text: str) -> str:
    return text.lower().replace("\u2019", "'")

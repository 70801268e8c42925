"""From words to an intent and its slots, by the sentence templates in `cloud_stub/intents`.

The templates are data: the same files are sampled into sentences for the speech model, the fleet and the tests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hassil import Intents, RecognizeResult, recognize_all
from hassil.errors import HassilError
from hassil.parse_expression import ParseExpressionError
from hassil.parser import ParseError

TEMPLATES = Path(__file__).parent.parent / "intents"

#: Nobody says more than this to a speaker in one breath; a longer text would only cost time.
MAX_WORDS = 100

#: Slots whose words are somebody's own: not even a "please" is taken out of them.
VERBATIM = frozenset({"message", "fact"})

_PLEASE = re.compile(r"\s+please$", re.IGNORECASE)


@dataclass(frozen=True)
class Understood:
    """The intent of a sentence and what was said in its slots, in the order it was said."""

    intent: str
    slots: tuple[tuple[str, str], ...]

    def every(self, slot: str) -> list[str]:
        """All that was said in a slot, for those that can come more than once ("milk and eggs")."""
        return [value for name, value in self.slots if name == slot]

    def said(self, slot: str, default: str = "") -> str:
        """What was said in a slot."""
        return next(iter(self.every(slot)), default)


class Understanding:
    """The templates of one folder, ready to be matched."""

    def __init__(self, folder: Path = TEMPLATES) -> None:
        """Raises ValueError where the folder holds no templates or one that cannot be read, naming it."""
        paths = sorted(folder.glob("*.yaml"))
        if not paths:
            raise ValueError(f"{folder} holds no sentence templates. Expected one YAML file a family of requests.")
        try:
            self.intents = Intents.from_files(paths)
            for sentence, rules in self._sentences():
                sentence.get_required_clauses(rules)
        except (HassilError, ParseError, ParseExpressionError, KeyError, TypeError, AssertionError) as error:
            raise ValueError(f"The sentence templates in {folder} cannot be read: {error}") from error

"""An n-gram of sentences as an acceptor: states are histories, one that is not known backs off to a shorter one.

Absolute discounting with interpolation. Source: Chen and Goodman 1999, "An empirical study of smoothing techniques".
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from device.model_building.fst import Fst
from device.speech_models import UNKNOWN

SELDOM = 0.3  # what a word counts that is in no sentence

History = tuple[str, ...]
Counts = dict[str, float]


def ngram(
    sentences: Iterable[tuple[str, float]],
    numbers: Mapping[str, int],
    *,
    order: int = 3,
    discount: float = 0.6,
    unknown: float = 0.0005,
    rarest: float = 1.0,
) -> Fst:
    """From sentences and how much each counts. All words of `numbers` are known; `unknown` is the share of `[unk]`.

    Histories of two words and more that count less than `rarest` are left out.
    """
    model = _counted(sentences, order, rarest)
    for word in numbers:
        model[0][()].setdefault(word, SELDOM)
    model[0][()][UNKNOWN] = unknown * sum(model[0][()].values())
    return _Acceptor(model, discount).fst(numbers)


def _counted(sentences: Iterable[tuple[str, float]], order: int, rarest: float) -> list[dict[History, Counts]]:
    counts: list[dict[History, Counts]] = [defaultdict(lambda: defaultdict(float)) for _ in range(order)]
    for text, weight in sentences:
        words = ["<s>", *text.split(), "</s>"]
        for at in range(1, len(words)):
            for length in range(min(order, at + 1)):
                counts[length][tuple(words[at - length : at])][words[at]] += weight
    for length in range(2, order):
        counts[length] = {history: c for history, c in counts[length].items() if sum(c.values()) >= rarest}
    return [dict(each) for each in counts]


class _Acceptor:
    def __init__(self, model: list[dict[History, Counts]], discount: float) -> None:
        self._model = model
        self._totals = {history: sum(c.values()) for level in model for history, c in level.items()}
        self._held_back = {h: discount * min(c.values()) for level in model for h, c in level.items()}
        self._fst = Fst()
        self._states: dict[History, int] = {}

    def fst(self, numbers: Mapping[str, int]) -> Fst:
        self._fst.start = self._state(("<s>",))
        for level in self._model:
            for history, counts in level.items():
                here, mass, below = self._state(history), 0.0, 0.0
                for word in counts:
                    likely = self._probability(history, word)
                    mass += likely
                    below += self._probability(history[1:], word) if history else 0.0
                    if word == "</s>":
                        self._fst.finals[here] = -math.log(likely)
                    else:
                        there = self._state((*history, word)[-(len(self._model) - 1) :])
                        self._fst.arc(here, there, numbers[word], numbers[word], -math.log(likely))
                if history:
                    rest = max(1e-6, 1 - mass) / max(1e-6, 1 - below)
                    self._fst.arc(here, self._state(history[1:]), 0, 0, -math.log(rest))
        return self._fst

    def _state(self, history: History) -> int:
        while history and history not in self._model[len(history)]:
            history = history[1:]
        if history not in self._states:
            self._states[history] = self._fst.state()
        return self._states[history]

    def _probability(self, history: History, word: str) -> float:
        counts, total = self._model[len(history)][history], self._totals[history]
        if not history:
            return counts[word] / total
        held_back = self._held_back[history]
        lower = held_back * len(counts) / total * self._probability(history[1:], word)
        return max(counts[word] - held_back, 0.0) / total + lower

"""The decoding graph: from transition ids to words (HCL), and the words' n-gram (G).

HCL is a prefix tree of the lexicon, written directly, as monophones need no context and nothing in it has to be
determinised. A phone's forward transition is on the arc into its state, and the self-loop on the state: the order that
Vosk's word alignment expects. A word's label is on the first arc that no other word shares. `[unk]` is any two or more
phones, each at a cost: it decides how much like the wake word a sound must be.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from device.model_building.fst import Fst, write_lookahead
from device.model_building.language_model import ngram
from device.model_building.lexicon import Pronunciation
from device.model_building.phones import DECODER, SILENCE, SPEECH, forward_id, in_word, loop_id, word_boundaries
from device.speech_models import UNKNOWN

MODEL_CONF = """--min-active=200
--max-active=3000
--beam={beam}
--lattice-beam=3.0
--phone-determinize=false
--acoustic-scale=1.0
--frame-subsampling-factor=3
--endpoint.silence-phones=1
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=0.75
--endpoint.rule4.min-trailing-silence=1.0
"""
"""Without `--phone-determinize=false` and a small `--lattice-beam`, the loop of `[unk]` makes decoding endless."""


class GraphOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Costs are negative natural logarithms."""

    sentences: int = 70_000
    order: int = 3
    discount: float = 0.6
    rarest: float = 1.0
    unknown: float = 0.0005
    unknown_phone: float = 1.8
    silence: float = 0.7
    no_silence: float = 0.7
    beam: float = 12.0


@dataclass
class _Node:
    """What follows the same first phones."""

    ends: list[str] = field(default_factory=list)
    below: dict[str, "_Node"] = field(default_factory=dict)

    def words(self) -> set[str]:
        return set(self.ends).union(*(node.words() for node in self.below.values()))


def write(
    folder: Path,
    lexicon: Mapping[str, Sequence[Pronunciation]],
    sentences: Iterable[tuple[str, float]],
    options: GraphOptions,
) -> None:
    """Write the `graph` folder of a Vosk model. `sentences` with their weights; all of their words are in `lexicon`."""
    words = ["<eps>", UNKNOWN, *lexicon]
    numbers = {word: number for number, word in enumerate(words)}
    grammar = ngram(
        sentences,
        {word: number for word, number in numbers.items() if number},
        order=options.order,
        discount=options.discount,
        unknown=options.unknown,
        rarest=options.rarest,
    )
    new = write_lookahead(_hcl(lexicon, numbers, options), grammar, folder)
    table = sorted((new.get(number, number), word) for word, number in numbers.items())
    (folder / "words.txt").write_text("".join(f"{word} {number}\n" for number, word in table), "utf-8")
    # One unused transition id: no word needs to be told apart by a disambiguation symbol.
    (folder / "disambig_tid.int").write_text(f"{2 * len(DECODER) + 1}\n")
    (folder / "phones").mkdir(exist_ok=True)
    (folder / "phones" / "word_boundary.int").write_text(word_boundaries())


def _hcl(lexicon: Mapping[str, Sequence[Pronunciation]], numbers: Mapping[str, int], options: GraphOptions) -> Fst:
    root_node = _Node()
    for spelling, ways in lexicon.items():
        for pronunciation in ways:
            node = root_node
            for phone in in_word(pronunciation):
                node = node.below.setdefault(phone, _Node())
            node.ends.append(spelling)
    fst = Fst()
    between, after_silence, word = fst.state(), fst.state(), fst.state()
    fst.finals = {between: 0.0, after_silence: 0.0}
    entries: dict[tuple[int, str], int] = {}

    def ending(phone: str, target: int) -> int:
        """The state of `phone` from which it goes on, for nothing, to `target`."""
        if (target, phone) not in entries:
            state = entries[target, phone] = _phone_state(fst, phone)
            fst.arc(state, target, 0, 0)
        return entries[target, phone]

    def grow(node: _Node, state: int, *, named: bool) -> None:
        for phone, below in node.below.items():
            for ended in below.ends:
                fst.arc(state, ending(phone, between), forward_id(phone), 0 if named else numbers[ended])
            if below.below:
                words = below.words()
                alone = not named and len(words) == 1
                inside = _phone_state(fst, phone)
                fst.arc(state, inside, forward_id(phone), numbers[words.pop()] if alone else 0)
                grow(below, inside, named=named or alone)

    fst.arc(between, ending(SILENCE, after_silence), forward_id(SILENCE), 0, options.silence)
    fst.arc(between, word, 0, 0, options.no_silence)
    fst.arc(after_silence, word, 0, 0)
    grow(root_node, word, named=False)
    anything, cost = fst.state(), options.unknown_phone
    for phone in SPEECH:
        fst.arc(word, ending(f"{phone}_B", anything), forward_id(f"{phone}_B"), numbers[UNKNOWN], cost)
        fst.arc(anything, ending(f"{phone}_I", anything), forward_id(f"{phone}_I"), 0, cost)
        fst.arc(anything, ending(f"{phone}_E", between), forward_id(f"{phone}_E"), 0, cost)
    return fst


def _phone_state(fst: Fst, phone: str) -> int:
    state = fst.state()
    fst.arc(state, state, loop_id(phone), 0)
    return state

"""The phones of the model and their numbers, for training and for Kaldi.

Source: the phone set of CMUdict without stress. Each base phone has two pdfs: one for its first output frame, one for
the frames after it (Kaldi's chain topology). In the decoder a phone also has a position in its word; all four
positions share their base phone's pdfs.
"""

from collections.abc import Sequence

SPEECH = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
)
SILENCE = "SIL"
BASE = (SILENCE, *SPEECH)
"""Base phones; number `i` owns the pdfs `2 * i` (first frame) and `2 * i + 1` (later frames)."""

NUMBER = {phone: i for i, phone in enumerate(BASE)}
PDFS = 2 * len(BASE)

POSITIONS = {"B": "begin", "E": "end", "I": "internal", "S": "singleton"}
DECODER = (SILENCE, *(f"{phone}_{position}" for phone in SPEECH for position in POSITIONS))
"""The decoder's phones; the first has number 1, as 0 means none."""

DECODER_NUMBER = {phone: i for i, phone in enumerate(DECODER, 1)}


def in_word(pronunciation: Sequence[str]) -> list[str]:
    """The decoder's phones of one word."""
    if len(pronunciation) == 1:
        return [f"{pronunciation[0]}_S"]
    first, *middle, last = pronunciation
    return [f"{first}_B", *(f"{phone}_I" for phone in middle), f"{last}_E"]


def pdfs(decoder_phone: str) -> tuple[int, int]:
    """The pdf of the first frame and that of the later ones."""
    base = NUMBER[decoder_phone.split("_", maxsplit=1)[0]]
    return 2 * base, 2 * base + 1


def loop_id(decoder_phone: str) -> int:
    """The transition id of staying in a phone. The file's two transitions a phone are numbered in this order."""
    return 2 * DECODER_NUMBER[decoder_phone] - 1


def forward_id(decoder_phone: str) -> int:
    """The transition id of a phone's first frame."""
    return 2 * DECODER_NUMBER[decoder_phone]


def word_boundaries() -> str:
    """Vosk's table of where in a word each phone may be: `word_boundary.int`."""
    kinds = ["nonword", *(POSITIONS[phone[-1]] for phone in DECODER[1:])]
    return "".join(f"{number} {kind}\n" for number, kind in enumerate(kinds, 1))

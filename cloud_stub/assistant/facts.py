"""What the household asked to have remembered: told, asked for, forgotten."""

import re
from collections.abc import Sequence

from cloud_stub.assistant.outcome import Draft, Forget, Memory, Outcome, Request
from cloud_stub.assistant.understanding import Understood
from cloud_stub.assistant.wording import joined, second_person

#: Words that say nothing about what a question or a fact is about.
# fmt: off
_EMPTY = frozenset({
    "a", "about", "am", "an", "and", "are", "ask", "asked", "at", "did", "do", "does", "for", "had", "has", "have", "i",
    "i'd", "i'll", "i'm", "i've", "in", "is", "it", "keep", "kept", "know", "leave", "left", "like", "me", "my", "of",
    "on", "our", "please", "put", "remember", "said", "say", "tell", "that", "the", "this", "to", "told", "was", "were",
    "what", "what's", "when", "when's", "where", "where's", "who", "who's", "will", "you", "your",
})
# fmt: on

_FIRST_PERSON = frozenset({"i", "i'm", "i've", "i'd", "i'll", "my", "me", "mine"})


def remember(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Remember that i am allergic to walnuts": kept as it was said."""
    fact = asked.said("fact")
    response = f"I'll remember that {second_person(fact)}."
    return Outcome(asked.intent, response, (Draft("actions", "fact", {"text": fact}),))


def recall(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "What am i allergic to": the newest fact that has all that the question is about, as it was told."""
    facts = memory.facts(request.account)
    found = matching(request.text, facts)[:1] if asked.said("question") else facts
    if not found:
        return Outcome(asked.intent, "I don't know. You have not told me to remember that.")
    return Outcome(asked.intent, f"You told me that {joined([second_person(fact) for fact in found])}.")


def forget(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "Forget that", "forget what i told you about my anniversary"."""
    facts = memory.facts(request.account)
    if asked.said("every"):
        return Outcome(asked.intent, "I've forgotten all that you told me to remember.", forget=Forget(every=True))
    about = asked.said("about") or None
    found = matching(about, facts) if about else facts[:1]
    if not found:
        return Outcome(asked.intent, "I don't remember anything like that.")
    return Outcome(asked.intent, "I've forgotten that.", forget=Forget(about))


def matching(about: str, facts: Sequence[str]) -> list[str]:
    """Those of the facts that have every telling word of `about`, in their order; what is said of the household itself
    only matches what was told of itself. What Forget.about drops is exactly this."""
    wanted = _telling(about)
    own = bool(_FIRST_PERSON & set(about.lower().split()))
    return [
        fact
        for fact in facts
        if wanted and wanted <= _telling(fact) and (not own or _FIRST_PERSON & set(fact.lower().split()))
    ]


def _telling(words: str) -> set[str]:
    """The words that tell what something is about, without their endings: parked, park and parks are one."""
    return {
        re.sub(r"(?<=\w{3})(?:ing|ed|'s|s)$", "", word)
        for word in re.findall(r"[\w']+", words.lower().replace("\u2019", "'"))
        if word not in _EMPTY
    }

"""What households say to their devices on an ordinary day, seeded: for load, not for a test of understanding.

Nothing is deleted or switched off here, so that what was sent can be counted where it is stored.
"""

import random
from collections.abc import Iterator
from itertools import cycle

#: How often each form of request is said, and the words that take its places.
_FORMS = (
    (8, "what time is it"),
    (8, "set a timer for {count} minutes"),
    (6, "what's the weather {day}"),
    (5, "set an alarm for {hour} {half}"),
    (2, "set a recurring alarm for {hour} {half}"),
    (5, "add {food} to my shopping list"),
    (4, "remind me to {do} {day} at {hour} {half}"),
    (3, "remember that my {thing} is {place}"),
    (3, "send a message to {person} saying i will be there at {hour}"),
    (3, "play {music}"),
    (2, "where is my {thing}"),
    (2, "what's on my shopping list"),
    (1, "place a meeting with {person} on my calendar for {day} at {hour}"),
    (1, "order {food} and {food} from amazon fresh"),
    (1, "request a ride from uber to the {goal}"),
    (1, "order a large {topping} pizza from dominos"),
    (1, "good morning"),
)

_WORDS = {
    "count": ["two", "five", "ten", "fifteen", "twenty", "forty five"],
    "day": ["today", "tomorrow", "on friday", "on monday"],
    "do": ["call the dentist", "water the plants", "take out the trash", "feed the cat", "pay the rent"],
    "food": ["milk", "eggs", "bread", "coffee", "apples", "paper towels", "dog food", "olive oil"],
    "goal": ["airport", "station", "office", "school"],
    "half": ["a m", "p m"],
    "hour": ["six", "seven", "eight", "nine", "ten"],
    "music": ["some jazz", "the news", "some music"],
    "person": ["alice", "bob", "my mom", "my brother", "emma", "the doctor"],
    "place": ["under the stairs", "in the kitchen", "on the top shelf", "at my sister's"],
    "thing": ["passport", "ladder", "umbrella", "spare key", "winter coat"],
    "topping": ["pepperoni", "cheese", "mushroom"],
}


class Household:
    """Three devices at most, and what is said to them: each household has its own people, things and habits."""

    def __init__(self, number: int, seed: int) -> None:
        """The same number and seed say the same, in the same order."""
        self._chance = random.Random(f"{seed}/{number}")  # noqa: S311 - no secret
        self._words = {name: self._chance.sample(words, min(3, len(words))) for name, words in _WORDS.items()}
        self._weights = [often * self._chance.uniform(0.3, 3) for often, _ in _FORMS]

    def says(self) -> str:
        """The next request."""
        (_, form), *_ = self._chance.choices(_FORMS, self._weights)
        while "{" in form:
            name = form[form.index("{") + 1 : form.index("}")]
            form = form.replace(f"{{{name}}}", self._chance.choice(self._words[name]), 1)
        return form


def sayings(devices: int, seed: int, texts: list[str] | None = None) -> list[Iterator[str]]:
    """What is said to each device, without end: as its household speaks, or the texts in turn, begun anywhere."""
    if texts:
        return [cycle(texts[number % len(texts) :] + texts[: number % len(texts)]) for number in range(devices)]
    homes = [Household(number, seed) for number in range(-(-devices // DEVICES_EACH))]
    return [iter(homes[number // DEVICES_EACH].says, None) for number in range(devices)]


#: Devices of a household: kitchen, bedroom, living room.
DEVICES_EACH = 3


def registrations(devices: int) -> Iterator[tuple[str, str]]:
    """(device, account) of a fleet's devices."""
    for number in range(devices):
        yield f"fleet-{number:04}", f"fleet-home-{number // DEVICES_EACH:04}"

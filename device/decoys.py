"""The wake words, and what is taken for them. Plain data: the settings name them, and `--help` loads no recogniser."""

SENSITIVITY = 50  # of 100, unless told otherwise

#: What is taken for a wake word, most of it heard on recordings and on synthesised talk; of words that the model knows.
#: Words as near as "alexia" are none: they would take calls.
DECOYS = {
    "alexa": (
        "alexis", "lexus", "lexicon", "legacy", "alexander", "alexandra", "lexington", "licenses", "flexible",
        "excellent", "annexes", "complex", "alaska", "relax", "election", "texas", "electric", "lecture", "lesser",
        "luxury", "reflex", "index", "legend", "a lexicon", "a lexus", "a legacy", "a lecture", "a lesser", "a luxury",
        "a lexington", "a legend", "an election", "elect a", "select a", "collect a", "reflects a",
    ),
    "computer": ("computers", "commuter", "compute", "competitor", "pewter"),
    "echo": ("echoes", "gecko", "ago", "ecology", "deco"),
    "amazon": ("amazing", "amazons", "amazed", "maze"),
}  # fmt: skip
WAKE_WORDS = tuple(DECOYS)
"""Those that the shipped model was trained to hear; another model may know others."""

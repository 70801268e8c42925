"""A policy in plain words, generated from its rules: what a senator would be read."""

from collections.abc import Iterator
from typing import get_args

from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Rule, Trigger

_WHEN: dict[str, str] = {
    "user_delete": "When the household deletes an interaction",
    "age": "As time passes",
    "inactive": "When a child's account has fallen silent",
    "account_closed": "When the account is closed",
    "setting_changed": "When the household takes a setting back",
    "third_party_request": "When a third party asks to delete",
}
_SETTINGS = {
    ("auto_delete", "never"): "No setting deletes anything by itself; a rule for what grows old may.",
    ("save_recordings", "yes"): "Recordings are saved.",
    ("save_recordings", "no"): "Recordings are not saved.",
    ("use_for_improvement", "yes"): "A sample of recordings and transcripts is used for improvement.",
    ("use_for_improvement", "no"): "Nothing is used for improvement.",
    ("delete_by_voice", "yes"): "Deleting by voice is switched on.",
    ("delete_by_voice", "no"): "Deleting by voice is switched off.",
}


def explain(policy: Policy) -> Iterator[str]:
    """The policy as lines of text: its settings, then for each trigger what happens to what, and why."""
    yield f"{policy.name}: {policy.title}."
    if policy.based_on:
        yield f"The rules are those of {policy.based_on}; the settings below are its own."
    if policy.sealed:
        yield "What is said is stored sealed: once erased, it can be read in no copy either."
    if policy.backups:
        yield f"Backups: every {spoken(policy.backups.every.text)}, each kept for {spoken(policy.backups.keep.text)}."
    yield ""
    yield "Unless a household sets it otherwise:"
    for name, value in policy.settings.items():
        yield "  " + _SETTINGS.get((name, value), f"What was said is deleted by itself {spoken(value)} later.")
    for trigger in get_args(Trigger):
        yield ""
        yield f"{_WHEN[trigger]}:"
        for rule in policy.rules:
            if trigger in rule.triggers:
                source = ", ".join(filter(None, [rule.source, "assumed" if rule.assumed else ""]))
                yield f"  {_things(rule)}: {_deed(rule, trigger)}. (Rule {rule.number}, {source})"
                yield f"    {rule.because}"


def spoken(period: str) -> str:
    """An ISO 8601 period of one unit in words; any other as it is written."""
    units = {"D": "day", "W": "week", "M": "month", "Y": "year"}
    number, unit = period[1:-1], units.get(period[-1])
    if unit is None or not number.isdigit():
        return period
    return f"{number} {unit}{'' if number == '1' else 's'}"


def _things(rule: Rule) -> str:
    pairs: dict[str, list[str]] = {}
    for store, kind, _ in rule.cases():
        kinds = pairs.setdefault(store, [])
        if kind not in kinds:
            kinds.append(kind)
    return "; ".join(f"{store} ({', '.join(kinds)})" for store, kinds in pairs.items())


def _deed(rule: Rule, trigger: str) -> str:
    deed = {
        "erase": "erased",
        "keep": "kept",
        "redact": f"kept without {', '.join(rule.fields)}",
        "pseudonymise": "kept under a pseudonym",
        "ask": f"{rule.to} is asked to delete it; the answer is its own",
    }[rule.action]
    if rule.after is None:
        return deed
    since = {"age": "after it arrived", "inactive": "after the last word"}.get(trigger, "later")
    return f"{deed}, {spoken(rule.after.text)} {since}"

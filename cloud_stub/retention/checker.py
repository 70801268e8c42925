"""What can be wrong with a policy file, each fault with its place and the remedy."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from cloud_stub.retention.rules import SETTINGS, Action, Period, Trigger, allowed
from cloud_stub.stores import tables

_RULE_KEYS = {"store", "kind", "trigger", "action", "fields", "to", "after", "because", "source", "assumed"}
_POLICY_KEYS = {"name", "title", "sealed", "based_on", "settings", "backups", "rule"}
_SOURCE = re.compile(r"L([1-9]|1[0-2])|F[1-3]|W1")

#: When third parties can be asked, and what can be done to the operator's own workings besides keeping them. Whatever a
#: rule says of records is carried out; this is all that is carried out of anything else.
_ASKED = dict.fromkeys(("user_delete", "account_closed", "third_party_request", "inactive"), "ask")
_QUEUE = dict.fromkeys((*_ASKED, "age"), "erase")
_HOUSEHOLD = dict.fromkeys(("age", "account_closed"), "erase")
_WORKINGS = {
    **dict.fromkeys(("seen", "directive", "quarantine"), _QUEUE),
    **dict.fromkeys(("setting", "account", "device"), _HOUSEHOLD),
    "scope": {"age": "erase"},
    "entry": {"account_closed": "pseudonymise"},
}
#: Those of them that can also be erased some time after they were asked to be.
_LATER = ("account", "device")


def header_problems(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it and the remedy) for the policy's own keys."""
    for key in sorted(set(document) - _POLICY_KEYS):
        yield key, f"unknown key {key!r}. A policy has {', '.join(sorted(_POLICY_KEYS))}."
    if not isinstance(document.get("name"), str) or not re.fullmatch(r"[a-z0-9-]+", document["name"]):
        yield "name", 'name is missing or not of lower-case letters, digits and dashes. Write name = "my-policy".'
    if not isinstance(document.get("title", ""), str):
        yield "title", 'title is no text. Write title = "What this policy is".'
    if not isinstance(document.get("sealed", False), bool):
        yield "sealed", "sealed is neither true nor false. Write sealed = false."
    settings = document.get("settings", {})
    if not isinstance(settings, dict):
        yield "settings", "settings is no table. Write its values under a [settings] line."
        settings = {}
    for name, value in settings.items():
        if name not in SETTINGS:
            yield name, f"no setting is called {name!r}. There are {', '.join(SETTINGS)}."
        elif not allowed(name, value):
            yield name, f"{name} cannot be {value!r}. Choose of {choices(name)}."
    yield from _backup_problems(document.get("backups", {"every": "P1D", "keep": "P14D"}))
    based_on = document.get("based_on", "amazon-2019")
    if not isinstance(based_on, str) or not based_on or "\0" in based_on:
        yield "based_on", 'based_on names no policy and no file. Write based_on = "amazon-2019".'
    if "based_on" in document and "rule" in document:
        yield "based_on", "a policy based on another takes all of its rules. Take based_on out, or every [[rule]]."
    if not isinstance(document.get("rule", []), list):
        yield "rule", "rule is no list. Write each rule under its own [[rule]] line."


def _backup_problems(backups: Any) -> Iterator[tuple[str, str]]:
    remedy = 'Under a [backups] line write every = "P1D" and keep = "P14D".'
    if not isinstance(backups, dict) or set(backups) != {"every", "keep"}:
        yield "backups", f"backups says other things than every and keep, or not both. {remedy}"
        return
    for key, value in backups.items():
        try:
            Period(str(value))
        except ValueError:
            yield key, f"{key} {value!r} is no ISO 8601 period. {remedy}"


def choices(setting: str) -> str:
    """The values that a setting can have, as a message names them."""
    return ", ".join(SETTINGS[setting]) + (", or another period such as P7D" if setting == "auto_delete" else "")


def rule_problems(entry: Any) -> Iterator[str]:
    """What is wrong with one rule as TOML gives it, and the remedy."""
    if not isinstance(entry, dict):
        yield f"{entry!r} is no rule. Write each rule under its own [[rule]] line."
        return
    for key in sorted(set(entry) - _RULE_KEYS):
        yield f"unknown key {key!r}. A rule has {', '.join(sorted(_RULE_KEYS))}."
    known = set(tables.kinds())
    stores, kinds = names(entry.get("store")), names(entry.get("kind"))
    choices = {
        "store": (stores, {store for store, _ in known}),
        "kind": (kinds, {kind for _, kind in known}),
        "trigger": (names(entry.get("trigger")), set(get_args(Trigger))),
    }
    for key, (given, possible) in choices.items():
        if not given:
            yield f"{key} is missing. Write one name or a list of names: {', '.join(sorted(possible))}."
        elif not _only_names(entry[key]):
            yield f"{key} {entry[key]!r} holds something that is no name. Choose of {', '.join(sorted(possible))}."
        for name in sorted(set(given) - possible):
            yield f"{key} {name!r} does not exist. Choose of {', '.join(sorted(possible))}."
    for kind in kinds:
        if stores and kind in choices["kind"][1] and not any((store, kind) in known for store in stores):
            homes = ", ".join(sorted(store for store, name in known if name == kind))
            yield f"kind {kind!r} is in none of the stores {', '.join(stores)}. It is in {homes}."
    for store in stores:
        if kinds and store in choices["store"][1] and not any((store, kind) in known for kind in kinds):
            held = ", ".join(sorted(name for home, name in known if home == store))
            yield f"store {store!r} has none of the kinds {', '.join(kinds)}. It has {held}."
    yield from _action_problems(entry, [tables.RECORDS[pair] for pair in tables.RECORDS if _named(pair, stores, kinds)])
    yield from _third_party_problems(entry)
    yield from _idle_problems(entry)
    yield from _reason_problems(entry)


def _action_problems(entry: dict[str, Any], records: list[Any]) -> Iterator[str]:
    action = entry.get("action")
    if action not in get_args(Action):
        yield f"action {action!r} does not exist. Choose of {', '.join(get_args(Action))}."
    if (action == "redact") != ("fields" in entry) or not _only_names(entry.get("fields", "none")):
        yield 'fields goes with redact, and redact with fields. Write action = "redact" and fields = ["text"].'
    for name in names(entry.get("fields", [])):
        for table in records:
            if name not in tables.fields(table):
                yield f"{table.schema}/{table.name} has no field {name!r}. It has {', '.join(tables.fields(table))}."
    if (action == "ask") != ("to" in entry):
        yield 'to goes with ask, and ask with to. Write action = "ask" and to = "pizza".'
    if "to" in entry and entry["to"] not in list(tables.THIRD_PARTIES):
        yield f"third party {entry['to']!r} does not exist. Choose of {', '.join(tables.THIRD_PARTIES)}."
    timed = sorted({"age", "inactive"} & set(names(entry.get("trigger"))))
    if timed and action != "keep" and "after" not in entry:
        yield f'{" and ".join(timed)} needs after: say how long. Write after = "P90D".'
    if "after" in entry:
        if action == "keep":
            yield "keep has no after: it is for ever. Take after away, or erase after it."
        try:
            Period(str(entry["after"]))
        except ValueError:
            yield f"after {entry['after']!r} is no ISO 8601 period. Write P30D, P3M or PT1H."


def _third_party_problems(entry: dict[str, Any]) -> Iterator[str]:
    action = entry.get("action")
    theirs = [store.removeprefix("third_parties/") for store in names(entry.get("store")) if store.startswith("third")]
    if theirs and action not in {"keep", "ask"}:
        yield f"{action!r} promises too much of what a third party holds. Write keep or ask."
    if action == "ask" and entry.get("to") in list(tables.THIRD_PARTIES) and theirs != [entry["to"]]:
        yield f'to = "{entry["to"]}" goes with store = "third_parties/{entry["to"]}", and no other.'


def _idle_problems(entry: dict[str, Any]) -> Iterator[str]:
    """What a rule promises that nothing carries out."""
    action, stores, kinds = entry.get("action"), names(entry.get("store")), names(entry.get("kind"))
    for store, kind in tables.kinds():
        theirs = store.startswith("third_parties/") and action == "ask"
        if not _named((store, kind), stores, kinds) or not (theirs or (store, kind) in tables.WORKINGS):
            continue
        for trigger in set(names(entry.get("trigger"))) & set(get_args(Trigger)):
            can = (_ASKED if theirs else _WORKINGS[kind]).get(trigger)
            waits = "after" in entry and trigger not in {"age", "inactive"} and kind not in _LATER
            if action in get_args(Action) and action != "keep" and (action != can or waits):
                instead = f" or {can}{' without after' if waits else ''}" if can else ""
                yield f"nothing would carry that out for {described((store, kind, trigger))}. Write keep{instead}."


def _reason_problems(entry: dict[str, Any]) -> Iterator[str]:
    if not isinstance(entry.get("because"), str) or not entry["because"].strip():
        yield "because is missing. Quote the clause that the rule stands on, or say what you assume."
    source = entry.get("source", "")
    if source and not (isinstance(source, str) and _SOURCE.fullmatch(source)):
        yield f"source {source!r} names no fact. Write L1 to L12, F1 to F3 or W1."
    if not isinstance(entry.get("assumed", False), bool):
        yield "assumed is neither true nor false. Write assumed = true, or leave it out."
    if not source and entry.get("assumed") is not True:
        yield 'the rule names no source. Write source = "L2", or assumed = true and say so in because.'


def holes(cases: Iterable[tuple[str, str, str]], text: str) -> Iterator[str]:
    """One line for each case that no rule decides."""
    last = end(text)
    covered = set(cases)
    for store, kind in tables.kinds():
        for trigger in get_args(Trigger):
            if (store, kind, trigger) not in covered:
                yield f"{last}: no rule for {described((store, kind, trigger))}. Add one, or add it to a rule's lists."


def end(text: str) -> int:
    """The number of the last line."""
    return len(text.rstrip("\n").split("\n"))


def line_of(text: str, key: str) -> int:
    """Where a key of the policy itself stands; 1 for one that is missing."""
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(rf"\s*[\[\"']*\s*{re.escape(key)}\b", line):
            return number
    return 1


def described(case: tuple[str, str, str]) -> str:
    """A case in a policy's own words."""
    store, kind, trigger = case
    return f'store "{store}", kind "{kind}", trigger "{trigger}"'


def names(value: object) -> tuple[str, ...]:
    """The names in a name or a list of names."""
    values = value if isinstance(value, list) else [value]
    return tuple(name for name in values if isinstance(name, str))


def _only_names(value: object) -> bool:
    """Whether it is a name or a list of names, one at least."""
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(name, str) for name in values)


def _named(pair: tuple[str, str], stores: tuple[str, ...], kinds: tuple[str, ...]) -> bool:
    return pair[0] in stores and pair[1] in kinds

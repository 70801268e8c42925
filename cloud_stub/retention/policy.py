"""A policy: one retention rule for each (store, kind, trigger), read from a TOML file that a person can read too.

There are no wildcards and no precedence: a policy that leaves a case open, or decides one twice, does not load.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import isodate

from cloud_stub.errors import CloudError
from cloud_stub.stores import tables

Trigger = Literal["user_delete", "age", "inactive", "account_closed", "setting_changed", "third_party_request"]
Action = Literal["erase", "redact", "pseudonymise", "keep", "ask"]

SHIPPED = Path(__file__).parent.parent / "policies"

_RULE_KEYS = {"store", "kind", "trigger", "action", "fields", "to", "after", "because", "source", "assumed"}
_POLICY_KEYS = {"name", "title", "sealed", "rule"}
_SOURCE = re.compile(r"L([1-9]|1[0-2])|F[1-3]|W1")
_PERIOD = re.compile(r"P[0-9.,YMWDTHS]*[YMWDHS]")


class BrokenPolicy(CloudError):
    """The file is no policy. `problems` has one line for each fault, with its place in the file and the remedy."""

    def __init__(self, file: str, problems: list[str]) -> None:
        self.problems = [f"{file}:{problem}" for problem in problems]
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Period:
    """A length of time in ISO 8601 (P30D, P3M, PT1H); months and years are those of the calendar."""

    text: str

    def __post_init__(self) -> None:
        """Raise ValueError where the text is no such period, or none that a calendar can count (P0.5M, P9999Y)."""
        wrong = f"{self.text!r} is no ISO 8601 period"
        if not _PERIOD.fullmatch(self.text):
            raise ValueError(wrong)
        try:
            self.before(datetime(2000, 1, 1, tzinfo=UTC))
            self.since(datetime(2100, 1, 1, tzinfo=UTC))
        except (ValueError, OverflowError) as error:
            raise ValueError(wrong) from error

    def before(self, moment: datetime) -> datetime:
        """That long before `moment`: what happened by then is due now."""
        earlier: datetime = moment - isodate.parse_duration(self.text)
        return earlier

    def since(self, moment: datetime) -> datetime:
        """That long after `moment`."""
        later: datetime = moment + isodate.parse_duration(self.text)
        return later


@dataclass(frozen=True)
class Rule:
    """What happens to records of some kinds when a trigger fires, and the words that the rule stands on."""

    number: int
    line: int
    stores: tuple[str, ...]
    kinds: tuple[str, ...]
    triggers: tuple[str, ...]
    action: Action
    because: str
    source: str = ""
    fields: tuple[str, ...] = ()
    to: str = ""
    after: Period | None = None
    assumed: bool = False

    def cases(self) -> Iterator[tuple[str, str, str]]:
        """Every (store, kind, trigger) that the rule speaks for."""
        known = set(tables.kinds())
        for store in self.stores:
            for kind in self.kinds:
                if (store, kind) in known:
                    yield from ((store, kind, trigger) for trigger in self.triggers)

    def __str__(self) -> str:
        """In a few words, such as `erase after P30D`."""
        what = {"redact": f"redact {', '.join(self.fields)}", "ask": f"ask {self.to}"}.get(self.action, self.action)
        return what + (f" after {self.after.text}" if self.after else "")


@dataclass(frozen=True)
class Policy:
    """A loaded policy: every case has exactly one rule."""

    name: str
    title: str
    sealed: bool
    rules: tuple[Rule, ...]
    _cases: dict[tuple[str, str, str], Rule] = field(repr=False)

    def rule(self, store: str, kind: str, trigger: Trigger) -> Rule:
        """The one rule for that case. Raises KeyError for a store, kind or trigger that does not exist."""
        return self._cases[store, kind, trigger]

    def cite(self, rule: Rule, trigger: str) -> str:
        """The rule's name as reports print it: policy, number, trigger, action, source."""
        source = rule.source + (", assumed" if rule.assumed else "") if rule.source else "assumed"
        return f"{self.name} rule {rule.number} ({trigger}: {rule}; {source})"


def load(name_or_path: str) -> Policy:
    """The policy of that name among those that ship, or in that file. Raises BrokenPolicy or CloudError."""
    shipped = SHIPPED / f"{name_or_path}.toml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CloudError(
            f"no policy {name_or_path!r}: {error}. Shipped are {', '.join(names())}; or give a file's path."
        ) from error
    return parse(text, str(path))


def names() -> list[str]:
    """The policies that ship."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def parse(text: str, file: str) -> Policy:
    """A policy from its text; `file` names it in problems. Raises BrokenPolicy naming every one."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise BrokenPolicy(file, [f"{found[1] if found else _end(text)}: not TOML: {error}. Mend the line."]) from error
    lines = [number for number, line in enumerate(text.split("\n"), 1) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    problems = [f"{_line(text, key)}: {problem}" for key, problem in _header_problems(document)]
    rules = []
    entries = document.get("rule", [])
    entries = entries if isinstance(entries, list) else []
    for number, entry in enumerate(entries, 1):
        line = lines[number - 1] if number <= len(lines) else 1
        wrong = list(_rule_problems(entry))
        problems += [f"{line}: rule {number}: {problem}" for problem in wrong]
        if not wrong:
            rules.append(_rule(entry, number, line))
    cases: dict[tuple[str, str, str], Rule] = {}
    for rule in rules:
        for case in rule.cases():
            if case in cases:
                problems.append(
                    f"{rule.line}: rule {rule.number} decides {_case(case)} again: rule {cases[case].number} in line "
                    f"{cases[case].line} does already. Take it out of one."
                )
            cases[case] = rule
    if not problems or len(rules) == len(entries):
        problems += _holes(cases, text)
    if problems:
        raise BrokenPolicy(file, problems)
    return Policy(document["name"], document.get("title", ""), document.get("sealed", False), tuple(rules), cases)


def _holes(cases: Iterable[tuple[str, str, str]], text: str) -> Iterator[str]:
    end = _end(text)
    covered = set(cases)
    for store, kind in tables.kinds():
        for trigger in get_args(Trigger):
            if (store, kind, trigger) not in covered:
                yield f"{end}: no rule for {_case((store, kind, trigger))}. Add one, or add it to a rule's lists."


def _end(text: str) -> int:
    return len(text.rstrip("\n").split("\n"))


def _line(text: str, key: str) -> int:
    """Where a key of the policy itself stands; 1 for one that is missing."""
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(rf"\s*[\[\"']*\s*{re.escape(key)}\b", line):
            return number
    return 1


def _case(case: tuple[str, str, str]) -> str:
    store, kind, trigger = case
    return f'store "{store}", kind "{kind}", trigger "{trigger}"'


def _header_problems(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in sorted(set(document) - _POLICY_KEYS):
        yield key, f"unknown key {key!r}. A policy has {', '.join(sorted(_POLICY_KEYS))}."
    if not isinstance(document.get("name"), str) or not re.fullmatch(r"[a-z0-9-]+", document["name"]):
        yield "name", 'name is missing or not of lower-case letters, digits and dashes. Write name = "my-policy".'
    if not isinstance(document.get("title", ""), str):
        yield "title", 'title is no text. Write title = "What this policy is".'
    if not isinstance(document.get("sealed", False), bool):
        yield "sealed", "sealed is neither true nor false. Write sealed = false."
    if not isinstance(document.get("rule", []), list):
        yield "rule", "rule is no list. Write each rule under its own [[rule]] line."


def _rule_problems(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{entry!r} is no rule. Write each rule under its own [[rule]] line."
        return
    for key in sorted(set(entry) - _RULE_KEYS):
        yield f"unknown key {key!r}. A rule has {', '.join(sorted(_RULE_KEYS))}."
    known = set(tables.kinds())
    stores, kinds = _names(entry.get("store")), _names(entry.get("kind"))
    choices = {
        "store": (stores, {store for store, _ in known}),
        "kind": (kinds, {kind for _, kind in known}),
        "trigger": (_names(entry.get("trigger")), set(get_args(Trigger))),
    }
    for key, (given, allowed) in choices.items():
        if not given:
            yield f"{key} is missing. Write one name or a list of names: {', '.join(sorted(allowed))}."
        elif not _only_names(entry[key]):
            yield f"{key} {entry[key]!r} holds something that is no name. Choose of {', '.join(sorted(allowed))}."
        for name in sorted(set(given) - allowed):
            yield f"{key} {name!r} does not exist. Choose of {', '.join(sorted(allowed))}."
    for kind in kinds:
        if stores and kind in choices["kind"][1] and not any((store, kind) in known for store in stores):
            homes = ", ".join(sorted(store for store, name in known if name == kind))
            yield f"kind {kind!r} is in none of the stores {', '.join(stores)}. It is in {homes}."
    for store in stores:
        if kinds and store in choices["store"][1] and not any((store, kind) in known for kind in kinds):
            held = ", ".join(sorted(name for home, name in known if home == store))
            yield f"store {store!r} has none of the kinds {', '.join(kinds)}. It has {held}."
    yield from _action_problems(entry, [tables.RECORDS[pair] for pair in tables.RECORDS if _named(pair, stores, kinds)])
    yield from _reason_problems(entry)


def _action_problems(entry: dict[str, Any], records: list[Any]) -> Iterator[str]:
    action = entry.get("action")
    if action not in get_args(Action):
        yield f"action {action!r} does not exist. Choose of {', '.join(get_args(Action))}."
    if (action == "redact") != ("fields" in entry) or not _only_names(entry.get("fields", "none")):
        yield 'fields goes with redact, and redact with fields. Write action = "redact" and fields = ["text"].'
    for name in _names(entry.get("fields", [])):
        for table in records:
            if name not in tables.fields(table):
                yield f"{table.schema}/{table.name} has no field {name!r}. It has {', '.join(tables.fields(table))}."
    if (action == "ask") != ("to" in entry):
        yield 'to goes with ask, and ask with to. Write action = "ask" and to = "pizza".'
    theirs = [store.removeprefix("third_parties/") for store in _names(entry.get("store")) if store.startswith("third")]
    if theirs and action not in {"keep", "ask"}:
        yield f"{action!r} promises too much of what a third party holds. Write keep or ask."
    if action == "ask" and entry.get("to") in list(tables.THIRD_PARTIES) and theirs != [entry["to"]]:
        yield f'to = "{entry["to"]}" goes with store = "third_parties/{entry["to"]}", and no other.'
    if "to" in entry and entry["to"] not in list(tables.THIRD_PARTIES):
        yield f"third party {entry['to']!r} does not exist. Choose of {', '.join(tables.THIRD_PARTIES)}."
    if "after" in entry:
        if action == "keep":
            yield "keep has no after: it is for ever. Take after away, or erase after it."
        try:
            Period(str(entry["after"]))
        except ValueError:
            yield f"after {entry['after']!r} is no ISO 8601 period. Write P30D, P3M or PT1H."


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


def _rule(entry: dict[str, Any], number: int, line: int) -> Rule:
    return Rule(
        number=number,
        line=line,
        stores=_names(entry["store"]),
        kinds=_names(entry["kind"]),
        triggers=_names(entry["trigger"]),
        action=entry["action"],
        because=" ".join(entry["because"].split()),
        source=entry.get("source", ""),
        fields=_names(entry.get("fields", [])),
        to=entry.get("to", ""),
        after=Period(entry["after"]) if "after" in entry else None,
        assumed=entry.get("assumed", False),
    )


def _names(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(name for name in values if isinstance(name, str))


def _only_names(value: object) -> bool:
    """Whether it is a name or a list of names, one at least."""
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(name, str) for name in values)


def _named(pair: tuple[str, str], stores: tuple[str, ...], kinds: tuple[str, ...]) -> bool:
    return pair[0] in stores and pair[1] in kinds

"""A policy: one retention rule for each (store, kind, trigger), read from a TOML file that a person can read too.

There are no wildcards and no precedence: a policy that leaves a case open, or decides one twice, does not load.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloud_stub.errors import CloudError
from cloud_stub.retention import checker
from cloud_stub.retention.rules import SETTINGS, Backups, Period, Rule, Trigger
from cloud_stub.retention.storage import storage_problems

SHIPPED = Path(__file__).parent.parent / "policies"

#: Characters. Those that ship have 10,000; one may be based on a file without an end, such as a device.
LONGEST = 1_000_000


class BrokenPolicy(CloudError):
    """The file is no policy. `problems` has one line for each fault, with its place in the file and the remedy."""

    def __init__(self, file: str, problems: list[str]) -> None:
        self.problems = [f"{file}:{problem}" for problem in problems]
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Policy:
    """A loaded policy: every case has exactly one rule."""

    name: str
    title: str
    sealed: bool
    """Whether content is stored encrypted, each record's with a key of its own."""
    settings: dict[str, str]
    """The household settings' defaults under this policy."""
    rules: tuple[Rule, ...]
    _cases: dict[tuple[str, str, str], Rule] = field(repr=False)
    based_on: str = ""
    backups: Backups | None = None

    def rule(self, store: str, kind: str, trigger: Trigger) -> Rule:
        """The one rule for that case. Raises KeyError for a store, kind or trigger that does not exist."""
        return self._cases[store, kind, trigger]

    def cite(self, rule: Rule, trigger: str) -> str:
        """The rule's name as reports print it: policy, number, trigger, action, source."""
        source = rule.source + (", assumed" if rule.assumed else "") if rule.source else "assumed"
        return f"{self.name} rule {rule.number} ({trigger}: {rule}; {source})"

    def remembers(self) -> Period | None:
        """How long it is remembered that something was deleted; None for ever."""
        rule = self.rule("operations", "scope", "age")
        return rule.after if rule.action == "erase" else None

    def inactive_after(self) -> Period | None:
        """How long a child's account may be silent before the rules for `inactive` act; None where none does."""
        return next((rule.after for rule in self.rules if "inactive" in rule.triggers and rule.after), None)


def load(name_or_path: str, *, based: tuple[Path, ...] = ()) -> Policy:
    """The policy of that name among those that ship, or in that file. Raises BrokenPolicy or CloudError.

    `based` are the files that are based on it, the first one first.
    """
    shipped = SHIPPED / f"{name_or_path}.toml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise CloudError(
            f"no policy {name_or_path!r}: {error}. Shipped are {', '.join(names())}; or give a file's path."
        ) from error
    if len(text) > LONGEST:
        raise CloudError(f"no policy {name_or_path!r}: it has more than {LONGEST:,} bytes. Give a policy's file.")
    return parse(text, str(path), based=based)


def names() -> list[str]:
    """The policies that ship."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def parse(text: str, file: str, *, based: tuple[Path, ...] = ()) -> Policy:
    """A policy from its text; `file` names it in problems, `based` as for load. Raises BrokenPolicy with every one."""
    try:
        document = tomllib.loads(text)
        repr(document)  # a number of thousands of digits cannot be shown, so no problem could name it
    except (ValueError, RecursionError) as error:  # TOMLDecodeError among them
        found = re.search(r"at line (\d+)", str(error))
        raise BrokenPolicy(
            file, [f"{found[1] if found else checker.end(text)}: not TOML: {error}. Mend the line."]
        ) from error
    lines = [number for number, line in enumerate(text.split("\n"), 1) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    problems = [f"{checker.line_of(text, key)}: {problem}" for key, problem in checker.header_problems(document)]
    rules = []
    entries = document.get("rule", [])
    entries = entries if isinstance(entries, list) else []
    for number, entry in enumerate(entries, 1):
        line = lines[number - 1] if number <= len(lines) else 1
        wrong = list(checker.rule_problems(entry))
        problems += [f"{line}: rule {number}: {problem}" for problem in wrong]
        if not wrong:
            rules.append(_rule(entry, number, line))
    cases: dict[tuple[str, str, str], Rule] = {}
    for rule in rules:
        for case in rule.cases():
            if case in cases:
                before = cases[case]
                problems.append(
                    f"{rule.line}: rule {rule.number} decides {checker.described(case)} again: rule {before.number} in "
                    f"line {before.line} does already. Take it out of one."
                )
            cases[case] = rule
    if "based_on" in document and not problems:
        return _checked(_based(document, file, checker.line_of(text, "based_on"), based), text, file)
    problems += _unequal_silences(rules)
    # Of a policy that takes all of another's rules, a hole would be that other's.
    if "based_on" not in document and (not problems or len(rules) == len(entries)):
        problems += checker.holes(cases, text)
    if problems:
        raise BrokenPolicy(file, problems)
    policy = Policy(
        name=document["name"],
        title=document.get("title", ""),
        sealed=document.get("sealed", False),
        settings=_defaults() | document.get("settings", {}),
        rules=tuple(rules),
        _cases=cases,
        backups=_backups(document),
    )
    return _checked(policy, text, file)


def _based(document: dict[str, Any], file: str, line: int, based: tuple[Path, ...]) -> Policy:
    """Another policy's rules under a name, and with settings, of its own; what it does not say is as in the other.

    The other is one that ships, or a file whose path begins at this one's folder.
    """
    wanted, based = str(document["based_on"]), (*based, Path(file).resolve())
    other = wanted if wanted in names() else str(Path(file).parent / wanted)
    if Path(other).resolve() in based:
        raise BrokenPolicy(file, [f"{line}: based_on: {wanted} is based on this one in turn. Name one that is not."])
    try:
        base = load(other, based=based)
    except CloudError as error:
        raise BrokenPolicy(file, [f"{line}: based_on: {error}"]) from error
    settings = base.settings | document.get("settings", {})
    return replace(
        base,
        name=document["name"],
        title=document.get("title", base.title),
        sealed=document.get("sealed", base.sealed),
        settings=settings,
        based_on=base.name,
        backups=_backups(document) or base.backups,
    )


def _backups(document: dict[str, Any]) -> Backups | None:
    wanted = document.get("backups")
    return Backups(Period(wanted["every"]), Period(wanted["keep"])) if wanted else None


def _checked(policy: Policy, text: str, file: str) -> Policy:
    """The policy, if it can keep its promises with the backups that it orders. Raises BrokenPolicy."""
    if policy.backups is not None:
        line = checker.line_of(text, "backups")
        problems = list(storage_problems(policy, postgres=False, backups=True))
        memory, keep = policy.remembers(), policy.backups.keep
        months = [datetime(2001, month, 1, tzinfo=UTC) for month in range(1, 13)]
        if memory is not None and any(keep.since(start) > memory.since(start) for start in months):
            problems.append(
                f"backups are kept {keep}, but deletions are remembered {memory}: an old backup may bring them back. "
                "Keep backups no longer than that."
            )
        if problems:
            raise BrokenPolicy(file, [f"{line}: {problem}" for problem in problems])
    return policy


def _defaults() -> dict[str, str]:
    return {name: values[0] for name, values in SETTINGS.items()}


def _unequal_silences(rules: list[Rule]) -> Iterator[str]:
    """An account falls silent as a whole, so the rules that act on it have to agree on when."""
    acting = [rule for rule in rules if "inactive" in rule.triggers and rule.action != "keep" and rule.after]
    for rule in acting[1:]:
        if rule.after != acting[0].after:
            yield (
                f"{rule.line}: rule {rule.number} calls an account inactive after {rule.after}, rule "
                f"{acting[0].number} after {acting[0].after}. Write one period in both."
            )


def _rule(entry: dict[str, Any], number: int, line: int) -> Rule:
    return Rule(
        number=number,
        line=line,
        stores=checker.names(entry["store"]),
        kinds=checker.names(entry["kind"]),
        triggers=checker.names(entry["trigger"]),
        action=entry["action"],
        because=" ".join(entry["because"].split()),
        source=entry.get("source", ""),
        fields=checker.names(entry.get("fields", [])),
        to=entry.get("to", ""),
        after=Period(entry["after"]) if "after" in entry else None,
        assumed=entry.get("assumed", False),
    )

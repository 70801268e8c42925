"""The residue report: a verdict for each place, what was found, and what no search of this kind can see."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloud_stub.residue.search import Inspected
from cloud_stub.residue.witness import Witnessed

#: What is out of sight for whoever reads files.
LIMITS = (
    "Freed blocks of the disk, the file system's journal, swap, core dumps, a flash drive's spare cells: no files.",
    "A terminal's scrollback, other machines and what people remember are out of reach.",
    "Files that a user asked for outside the data folder (receipts, exports, saved sound) are not under retention.",
    "The witness and its key together allow guessing: commands come from a small vocabulary.",
    "In live rows of a database, a word group that straddles two pages is not seen; freed pages are not put together.",
    "A window of twelve bytes stands for its word group: a leftover shorter than that is not seen.",
)

_COLOURS = {
    "clean": "green",
    "residue explained": "yellow",
    "residue UNEXPLAINED": "bold red",
    "not inspectable": "blue",
}


@dataclass(frozen=True)
class Report:
    """What the search of one account, interaction, phrase or sound came to."""

    about: str
    policy: str
    inspected: Sequence[Inspected]
    witnessed: Sequence[Witnessed] = ()
    notes: Sequence[str] = ()
    """Limits of this very search, before those of every search."""

    @property
    def unexplained(self) -> int:
        """How many findings no rule explains."""
        return sum(not finding.explained for one in self.inspected for finding in one.findings)

    @property
    def limits(self) -> list[str]:
        """What this search could not see."""
        blind = [
            f"{one.place}: not inspectable, {one.proof}" for one in self.inspected if one.verdict == "not inspectable"
        ]
        return [*blind, *self.notes, *LIMITS]

    def clean(self) -> list[Witnessed]:
        """The interactions of which nothing at all was found, if every place could be inspected."""
        if any(one.verdict == "not inspectable" for one in self.inspected):
            return []
        found = {finding.about for one in self.inspected for finding in one.findings}
        return [one for one in self.witnessed if one.interaction not in found]


def as_json(report: Report) -> dict[str, Any]:
    """For a program to read."""
    return {
        "about": report.about,
        "policy": report.policy,
        "places": [_place(one) for one in report.inspected],
        "too_short_to_prove": [
            {"interaction": one.interaction, "fields": list(one.short)} for one in report.witnessed if one.short
        ],
        "unexplained": report.unexplained,
        "limits": report.limits,
    }


def _place(one: Inspected) -> dict[str, Any]:
    findings = [
        {
            "file": finding.file,
            "offset": finding.offset,
            "about": finding.about,
            "where": finding.where,
            "interaction": finding.interaction,
            "explained": finding.explained,
            "rule": finding.rule,
            "clause": finding.clause,
        }
        for finding in one.findings
    ]
    return {
        "place": one.place,
        "verdict": one.verdict,
        "proof": one.proof,
        "files": one.files,
        "bytes": one.bytes,
        "findings": findings,
    }


def print_report(report: Report, console: Console | None = None) -> None:
    """For people: the places, then what was found and why it is there, then the limits."""
    out = console or Console(highlight=False)
    out.rule(f"[bold]Residue of {report.about}, under {report.policy}[/bold]", align="left")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("place", "verdict", "findings", "bytes", "scanner"):
        table.add_column(title, justify="right" if title in {"findings", "bytes"} else "left", overflow="fold")
    for one in report.inspected:
        verdict = Text(one.verdict, _COLOURS[one.verdict])
        table.add_row(one.place, verdict, str(len(one.findings)), str(one.bytes), one.proof)
    out.print(table)
    _print_findings(report, out)
    short = [one for one in report.witnessed if one.short]
    if short:
        out.print(
            f"Too short to prove (under three words or 12 bytes): fields of {len(short)} interaction(s); see --json"
        )
    out.print(f"{report.unexplained} findings unexplained\n")
    out.print("What this search cannot see:", style="bold")
    for limit in report.limits:
        out.print(Text(f"- {limit}"))


def _print_findings(report: Report, out: Console) -> None:
    """Each rule with the fields that it keeps, and how many word groups or blocks were found there."""
    kept: Counter[tuple[str, str, str]] = Counter()
    for one in report.inspected:
        for finding in one.findings:
            if finding.explained:
                kept[finding.rule or "", finding.clause or "", finding.where] += 1
            else:
                at = "" if finding.offset is None else f" at {finding.offset}"
                out.print(Text(f"UNEXPLAINED  {finding.file}{at}: {finding.where}", "bold red"))
                out.print(Text(f"             of {finding.about}"))
    said = None
    for (rule, clause, where), count in sorted(kept.items()):
        if (rule, clause) != said:
            out.print(Text(clause, "italic"))
            out.print(Text(rule, "dim"))
            said = (rule, clause)
        out.print(Text(f"   {where}: {count}"))

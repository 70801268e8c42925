"""What is left, for people: each rule with the clause's own words, and under it the records it lets stay."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cloud_stub.residue.left import Left

UNEXPLAINED = "UNEXPLAINED: no rule lets these stay"


def print_left(rows: Sequence[Left], account: str, policy: str, console: Console | None = None) -> None:
    """Print the operator's records first, then, apart, what third parties hold."""
    out = console or Console(highlight=False)
    theirs = [row for row in rows if row.store.startswith("third_parties/")]
    ours = [row for row in rows if row not in theirs]
    if ours:
        _section(out, f"What is left of {account} at the operator, under {policy}", ours)
    else:
        out.print(f"Nothing is left of {account} at the operator, under {policy}.\n")
    if theirs:
        _section(out, "What third parties hold, out of the operator's reach", theirs)
    out.print(f"{len(rows)} records left, {sum(row.rule is None for row in rows)} without a rule")


def _section(out: Console, title: str, rows: Iterable[Left]) -> None:
    out.rule(f"[bold]{title}[/bold]", align="left")
    by_rule: dict[tuple[str, str], list[Left]] = {}
    for row in rows:
        by_rule.setdefault((row.rule or UNEXPLAINED, row.clause or ""), []).append(row)
    for (rule, clause), group in by_rule.items():
        out.print(Text(clause, "italic"))
        out.print(Text(rule, "bold red" if rule == UNEXPLAINED else "dim"))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
        table.add_column("store/kind", ratio=3, overflow="fold")
        table.add_column("what it still says", ratio=7, overflow="fold")
        for row in group:
            words = ", ".join(f"{name}: {value}" for name, value in row.fields.items() if value not in (None, ""))
            # A third party's store names its kind already.
            place = row.store if row.store.startswith("third_parties/") else f"{row.store}/{row.kind}"
            table.add_row(Text(place), Text(words))
        out.print(Padding(table, (0, 0, 0, 2)))

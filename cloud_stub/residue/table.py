"""What is left, as a table for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloud_stub.residue.left import Left


def print_left(rows: Sequence[Left], account: str, policy: str, console: Console | None = None) -> None:
    """Print one line for each record that stays: where, what it still says, the rule, the clause's own words."""
    out = console or Console()
    if not rows:
        out.print(f"nothing is left of {account} under {policy}")
        return
    table = Table(title=f"What is left of {account} under {policy}", title_justify="left", show_lines=True)
    for heading, share in (("store", 3), ("kind", 2), ("what it still says", 6), ("rule and clause", 8)):
        table.add_column(heading, ratio=share, overflow="fold")
    for row in rows:
        reason = Text("UNEXPLAINED: no rule lets this stay", "bold red")
        if row.rule is not None:
            reason = Text.assemble((row.rule, "bold"), f"\n{row.clause}")
        words = ", ".join(f"{name}: {value}" for name, value in row.fields.items() if value not in (None, ""))
        table.add_row(row.store, row.kind, words, reason)
    out.print(table)
    unexplained = sum(row.rule is None for row in rows)
    out.print(f"{len(rows)} records left, {unexplained} unexplained")

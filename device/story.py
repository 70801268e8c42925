"""The demonstration's ending, for people: what was deleted, what is left, and the walnut question."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from device.demo import Story


def print_story(story: Story, console: Console | None = None) -> None:
    """Print the table of what is left, the third parties' part of it apart, and the last answer."""
    out = console or Console()
    deleted = len(story.deletion["interactions"])
    out.rule(f"deleted by voice: {deleted} interactions, under {story.policy}")
    ours = [row for row in story.left if not row["store"].startswith("third_parties/")]
    theirs = [row for row in story.left if row["store"].startswith("third_parties/")]
    if ours:
        out.print(_table("What is left at the operator", ours))
    else:
        out.print("Nothing is left at the operator.\n")
    if theirs:
        out.print(_table("What third parties still hold", theirs))
    out.print(f"{len(story.left)} records left, {story.unexplained} without a rule")
    out.print(f'\n"What am I allergic to?"  [bold]{story.walnut}[/bold]')


def _table(title: str, rows: list[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left", show_lines=True)
    for heading, share in (("store", 3), ("kind", 2), ("what it still says", 6), ("rule, and the clause's own words", 9)):
        table.add_column(heading, ratio=share, overflow="fold")
    for row in rows:
        fields = row["fields"]
        assert isinstance(fields, dict)
        words = ", ".join(f"{name}: {value}" for name, value in fields.items() if value not in (None, ""))
        reason = Text.assemble((str(row["rule"]), "bold"), f"\n{row['clause']}")
        if row["rule"] is None:
            reason = Text("UNEXPLAINED: no rule lets this stay", "bold red")
        table.add_row(str(row["store"]), str(row["kind"]), words, reason)
    return table

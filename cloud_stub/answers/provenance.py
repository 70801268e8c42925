"""Where the words went: from one utterance to every record, copy, message and sample that came of it, with the clauses.

An edge says what was made of what, and what lets it be there now. What is gone already is drawn too, from the ledger:
the decision that took it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from sqlalchemy import Connection, select

from cloud_stub.house import House
from cloud_stub.residue.left import Rules
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, directive, ledger, seen
from cloud_stub.third_parties.partner import held

UTTERANCE = "utterance"


@dataclass(frozen=True)
class Node:
    """Something that came of the utterance: a record, a message on its way, what a third party holds."""

    name: str
    """`store/kind`, `third_parties/NAME`, `directive PURPOSE to RECIPIENT`; with `#n` where there are several."""
    says: str
    """The words that it holds; empty for one that holds none."""
    there: bool
    """False for what was erased."""


@dataclass(frozen=True)
class Edge:
    """What was made of what, and under which rule it is there, or is not."""

    source: str
    target: str
    rule: str
    clause: str


@dataclass(frozen=True)
class Provenance:
    """The graph of one interaction."""

    interaction: str
    account: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


#: What a kind of record is made of, where that is not the utterance itself.
_MADE_OF = {
    ("primary", "response"): "primary/transcript",
    ("subsystems", "transcript"): "primary/transcript",
    ("training", "transcript"): "primary/transcript",
    ("training", "recording"): "primary/recording",
}


def trace(house: House, interaction: str) -> Provenance | None:
    """The graph of an interaction; None where nothing knows of it. Third parties' folders are read as an observer's."""
    with house.stores.read() as connection:
        account = _account(connection, interaction)
        if account is None:
            return None
        rules = Rules(connection, house.keys, house.policy, house.clock.now())
        nodes, edges = [Node(UTTERANCE, "", there=True)], []
        for node, edge in (
            *_records(rules, account, interaction),
            *_messages(rules, account, interaction),
            *_third_parties(house, rules, account, interaction),
            *_erased(house, connection, account, interaction),
        ):
            # Of several records that were taken, and of those that are still waiting for it, one is enough.
            if node.there or node.name not in {known.name.split("#")[0] for known in nodes}:
                nodes.append(node)
                edges.append(edge)
    known = {node.name for node in nodes}
    # Of what is gone without a trace, what came of it hangs on the utterance.
    edges = [edge if edge.source in known else Edge(UTTERANCE, edge.target, edge.rule, edge.clause) for edge in edges]
    return Provenance(interaction, account, tuple(nodes), tuple(edges))


def orphans(connection: Connection) -> list[tuple[str, str, str]]:
    """(store, kind, interaction) of every record whose interaction the cloud never answered for: a defect.

    What was answered is remembered in `seen` for a while, and, once it was decided about, in the record's own mark.
    """
    found = []
    for (store, kind), table in RECORDS.items():
        known = select(seen.c.interaction).where(seen.c.account == table.c.account)
        stray = select(table.c.interaction).where(
            table.c.interaction.not_in(known), table.c.deleted_at.is_(None), ~table.c.account.startswith("~")
        )
        found += [(store, kind, name) for name in connection.execute(stray).scalars()]
    return found


def _account(connection: Connection, interaction: str) -> str | None:
    for table in (seen, *RECORDS.values()):
        owner = connection.execute(select(table.c.account).where(table.c.interaction == interaction)).scalar()
        if owner is not None:
            return str(owner)
    return None


def _records(rules: Rules, account: str, interaction: str) -> Iterable[tuple[Node, Edge]]:
    for (store, kind), table in RECORDS.items():
        mine = (table.c.account == account, table.c.interaction == interaction)
        found = rules.connection.execute(select(table).where(*mine).order_by(table.c.position)).mappings()
        rows = rules.keys.seal.opened(table, found)
        for number, row in enumerate(rows):
            judged = rules.record(table, row)
            name = f"{store}/{kind}" + (f"#{number + 1}" if len(rows) > 1 else "")
            says = ", ".join(str(value) for value in judged.fields.values() if isinstance(value, str) and value)
            if store == "witness":
                says = "fingerprints, no words"
            source = _MADE_OF.get((store, kind), UTTERANCE)
            if store in {"actions", "commerce"}:
                source = "primary/transcript"
            rule = judged.rule or "no rule: a defect"
            yield Node(name, says[:80], there=True), Edge(source, name, rule, judged.clause or "")


def _messages(rules: Rules, account: str, interaction: str) -> Iterable[tuple[Node, Edge]]:
    mine = (directive.c.account == account, directive.c.interaction == interaction)
    found = rules.connection.execute(select(directive).where(*mine)).mappings()
    for row in rules.keys.seal.opened(directive, found):
        judged = rules.working(directive, row)
        name = f"directive {row['purpose']} to {row['recipient']}"
        edge = Edge("primary/transcript", name, judged.rule or "no rule: a defect", judged.clause or "")
        yield Node(name, str(judged.fields["payload"])[:80], there=True), edge


def _third_parties(house: House, rules: Rules, account: str, interaction: str) -> Iterable[tuple[Node, Edge]]:
    for name, kind in THIRD_PARTIES.items():
        for row in held(house.data, name, account):
            if row["interaction"] == interaction:
                judged = rules.held(name, row, account)
                says = ", ".join(f"{value}" for value in row["fields"].values())
                node = Node(f"third_parties/{name}", says[:80], there=True)
                yield node, Edge(f"commerce/{kind}", node.name, judged.rule or "", judged.clause or "")


def _erased(house: House, connection: Connection, account: str, interaction: str) -> Iterable[tuple[Node, Edge]]:
    """What the ledger says was taken, or asked to be."""
    pseudonym = house.keys.pseudonym(account, interaction)
    clauses = {house.policy.cite(rule, name): rule.because for rule in house.policy.rules for name in rule.triggers}
    mine = ledger.c.account.in_((house.keys.pseudonym(account, ""), ""))
    for row in connection.execute(select(ledger).where(mine).order_by(ledger.c.seq)).mappings():
        if row["action"].split()[0] == "erase" and pseudonym in row["interactions"].split():
            name = f"{row['store']}/{row['kind']}"
            source = _MADE_OF.get((row["store"], row["kind"]), UTTERANCE)
            yield Node(name, "", there=False), Edge(source, name, row["rule"], clauses.get(row["rule"], ""))


def lines(graph: Provenance) -> list[str]:
    """The graph as an indented tree."""
    nodes = {node.name: node for node in graph.nodes}

    def below(source: str, depth: int) -> list[str]:
        shown = []
        for edge in graph.edges:
            if edge.source == source and edge.target != source:
                node = nodes[edge.target]
                says = f"  “{node.says}”" if node.says else ""
                shown.append(f"{'  ' * depth}{'' if node.there else 'ERASED '}{node.name}{says}")
                shown.append(f"{'  ' * depth}    {edge.rule}")
                shown += below(edge.target, depth + 1)
        return shown

    return [f"{graph.interaction} of {graph.account}", *below(UTTERANCE, 1)]


def svg(graph: Provenance) -> str:
    """The graph as a picture: columns from the utterance to the right, an arrow an edge, its clause as its title."""
    columns: dict[str, int] = {UTTERANCE: 0}
    for _ in graph.edges:
        for edge in graph.edges:
            columns[edge.target] = max(columns.get(edge.target, 0), columns.get(edge.source, 0) + 1)
    wide, high, box = 330, 64, 290
    places: dict[str, tuple[int, int]] = {}
    for column in range(max(columns.values()) + 1):
        members = [node.name for node in graph.nodes if columns.get(node.name, 1) == column]
        for row, name in enumerate(members):
            places[name] = (20 + column * wide, 60 + row * high)
    width = 20 + (max(columns.values()) + 1) * wide
    height = 80 + high * max(sum(1 for c in columns.values() if c == column) for column in set(columns.values()))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/><g font-size="12">',
        f'<text x="20" y="30" font-size="16">What came of {escape(graph.interaction)}</text>',
    ]
    for edge in graph.edges:
        (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
        parts.append(
            f'<path d="M{x1 + box} {y1 + 22} C{x1 + wide} {y1 + 22} {x2 - 30} {y2 + 22} {x2} {y2 + 22}" fill="none"'
            f' stroke="#555555"><title>{escape(edge.rule)}: {escape(edge.clause)}</title></path>'
        )
    for node in graph.nodes:
        x, y = places[node.name]
        fill, dash = ("#e3f0ff", "") if node.there else ("#f4f4f4", ' stroke-dasharray="4 3"')
        parts.append(f'<rect x="{x}" y="{y}" width="{box}" height="46" rx="5" fill="{fill}" stroke="#333333"{dash}/>')
        parts.append(f'<text x="{x + 8}" y="{y + 18}" font-weight="bold">{escape(node.name)}</text>')
        parts.append(f'<text x="{x + 8}" y="{y + 36}">{escape(node.says[:44] if node.there else "erased")}</text>')
    return "\n".join([*parts, "</g></svg>"])

"""The comparison as one page that needs nothing else: a chart of who still knows how much, and the tables behind it."""

from collections.abc import Sequence
from html import escape

from cloud_stub.answers.compare import Compared

#: Who holds it: its name in the legend, how its places begin, its colour. Told apart by lightness too.
HOLDERS = (
    ("recordings and transcripts", ("primary/",), "#1b4965"),
    ("copies in other systems", ("subsystems/", "operations/"), "#5fa8d3"),
    ("actions", ("actions/",), "#bc6c25"),
    ("purchases", ("commerce/",), "#dda15e"),
    ("training data", ("training/",), "#6a4c93"),
    ("third parties", ("third_parties/",), "#222222"),
)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
body { color: #111; background: #fff }
table { border-collapse: collapse; margin: .5rem 0 2rem; font-size: .9rem }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ccc }
th:first-child { text-align: left; font-weight: normal }
thead th { font-weight: bold }
.none { color: #777 }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } svg { background: #fff } }
"""

_WIDE, _HIGH = 1000, 150


def page(trace: str, compared: Sequence[Compared]) -> str:
    """HTML, its style and pictures within."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Who still knows: {escape(trace)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Who still knows what, over time</h1><p>The trace {escape(trace)} under {len(compared)} policies.",
        "Counted are records; what third parties hold is out of the operator's reach.</p>",
        _legend(),
    ]
    tallest = max((sum(counts[0] for counts in one.left.values()) for one in compared), default=1) or 1
    for one in compared:
        parts += [
            f"<h2>{escape(one.policy)}</h2><p>{escape(one.title)}</p>",
            chart(one, tallest),
            _table(one),
        ]
    return "\n".join([*parts, "</body></html>\n"])


def _legend() -> str:
    items = "".join(
        f'<li><svg width="14" height="14" aria-hidden="true"><rect width="14" height="14" fill="{colour}"/></svg>'
        f" {name}</li>"
        for name, _, colour in HOLDERS
    )
    return f'<ul style="list-style:none;padding:0;display:flex;gap:1.2rem;flex-wrap:wrap">{items}</ul>'


def chart(one: Compared, tallest: int, wide: int = _WIDE) -> str:
    """A bar a step, its parts one on the other; the letters are 13 of `wide`."""
    step = wide / len(one.steps)
    drawn = [f'<svg viewBox="0 0 {wide} {_HIGH + 30}" role="img" aria-label="{escape(one.policy)}: records by step">']
    for number, name in enumerate(one.steps):
        y = float(_HIGH)
        for holder, starts, colour in HOLDERS:
            count = sum(counts[number] for place, counts in one.left.items() if place.startswith(starts))
            height = count * (_HIGH - 20) / tallest
            y -= height
            if count:
                drawn.append(
                    f'<rect x="{number * step + 20:.1f}" y="{y:.1f}" width="{step - 40:.1f}" height="{height:.1f}"'
                    f' fill="{colour}"><title>{holder}: {count}</title></rect>'
                )
        whole = sum(counts[number] for counts in one.left.values())
        middle = number * step + step / 2
        drawn.append(f'<text x="{middle:.1f}" y="{y - 4:.1f}" text-anchor="middle" font-size="13">{whole}</text>')
        drawn.append(
            f'<text x="{middle:.1f}" y="{_HIGH + 20}" text-anchor="middle" font-size="13">{escape(name)}</text>'
        )
    return "".join([*drawn, "</svg>"])


def _table(one: Compared) -> str:
    head = "".join(f'<th scope="col">{escape(step)}</th>' for step in one.steps)
    rows = "".join(
        f'<tr><th scope="row">{escape(place)}</th>'
        + "".join(f"<td>{count}</td>" if count else '<td class="none">0</td>' for count in counts)
        + "</tr>"
        for place, counts in one.left.items()
    )
    return f'<table><thead><tr><th scope="col">store</th>{head}</tr></thead><tbody>{rows}</tbody></table>'

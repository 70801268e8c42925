"""The map of stores as a picture: a dot for each record, full where it stays, hollow where it is gone."""

from collections.abc import Iterator, Mapping
from html import escape

from markupsafe import Markup

from cloud_stub.residue.forecast import Place
from cloud_stub.stores.tables import STORES

#: What a store is called, and its colour. Told apart by place and name too, not by colour alone.
HOLDERS = {
    "primary": ("Voice history", "#2f6fb0"),
    "subsystems": ("Other storage systems", "#3d8fb5"),
    "operations": ("On its way", "#6b7a88"),
    "actions": ("What you asked for", "#b5651d"),
    "commerce": ("Purchases", "#b8860b"),
    "training": ("Training data", "#7b4ea3"),
    "third_parties": ("Third parties", "#4a4a4a"),
}

_WIDE, _ROW, _HEAD, _GAP = 960, 26, 34, 14
_DOTS_FROM, _DOT, _DOTS = 220, 13, 40
#: So many dots fit in a row; where there are more records, a dot stands for several.


def stores(before: Mapping[Place, int], after: Mapping[Place, int]) -> Markup:
    """The map for the middle of a page; a table beside it says the same."""
    drawn, high = _drawn(before, after)
    label = f"{sum(after.values())} of {sum(before.values())} records are left"
    return Markup(  # noqa: S704 - words in it are escaped
        f'<svg class="map" viewBox="0 0 {_WIDE} {high}" role="img" aria-label="{label}">{drawn}</svg>'
    )


def file(title: str, before: Mapping[Place, int], after: Mapping[Place, int]) -> str:
    """The same as a file of its own, with a title."""
    drawn, high = _drawn(before, after)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 -60 {_WIDE + 40} {high + 80}"'
        f' font-family="system-ui, sans-serif"><rect x="-20" y="-60" width="{_WIDE + 40}" height="{high + 80}"'
        f' fill="#ffffff"/><text y="-22" font-size="19" font-weight="600" fill="#1c2733">{escape(title)}</text>'
        f"{drawn}</svg>\n"
    )


def holders(places: Mapping[Place, int]) -> Iterator[tuple[str, list[Place]]]:
    """Who holds something, in one order, and in which places."""
    order = [*STORES, "third_parties"]
    for holder in sorted(HOLDERS, key=order.index):
        mine = [place for place in places if place[0].split("/")[0] == holder]
        if mine:
            yield holder, mine


def _drawn(before: Mapping[Place, int], after: Mapping[Place, int]) -> tuple[str, int]:
    parts, y = [], 0
    for holder, places in holders(before):
        name, colour = HOLDERS[holder]
        parts.append(
            f'<text x="0" y="{y + 20}" font-size="16" font-weight="600" fill="{colour}">{name}</text>'
            f'<line x1="0" x2="{_WIDE}" y1="{y + 28}" y2="{y + 28}" stroke="{colour}" stroke-opacity="0.35"/>'
        )
        y += _HEAD
        for place in places:
            parts.append(_row(place, before[place], after.get(place, 0), colour, y))
            y += _ROW
        y += _GAP
    return "".join(parts), max(y, _ROW)


def _row(place: Place, before: int, after: int, colour: str, y: int) -> str:
    store, kind = place
    name = escape((f"{store.split('/')[1]}: {kind}" if "/" in store else kind).replace("_", " "))
    each = -(-before // _DOTS)
    full, whole = -(-after // each), -(-before // each)
    dots = "".join(
        f'<circle cx="{_DOTS_FROM + number * _DOT * 1.15:.1f}" cy="{y + 12}" r="4.6"'
        + (f' fill="{colour}"/>' if number < full else f' fill="none" stroke="{colour}" stroke-opacity="0.45"/>')
        for number in range(whole)
    )
    count = str(before) if before == after else f"{before} → {after}"
    weight = "" if after else ' fill-opacity="0.6"'
    return (
        f'<g><text x="14" y="{y + 17}" font-size="14" fill="#1c2733"{weight}>{name}</text>{dots}'
        f'<text x="{_WIDE}" y="{y + 17}" font-size="14" text-anchor="end" fill="#1c2733">{count}</text></g>'
    )

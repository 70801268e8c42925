"""Lines, boxes and words as SVG: as much of it as the wiring pictures need."""

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]


class Drawing:
    """Collects what is drawn, in its order; `svg` is the file."""

    def __init__(self, width: int, height: int, title: str, description: str) -> None:
        """In pixels. White behind all of it, because it may be looked at on a dark page."""
        self._lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'role="img" font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]

    def text(self, at: Point, words: str, *, anchor: str = "start", size: int = 13, colour: str = "#222222") -> None:
        """Words, their baseline at that point."""
        self._lines.append(
            f'<text x="{at[0]:g}" y="{at[1]:g}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
            f"{escape(words)}</text>"
        )

    def box(self, at: Point, size: Point, *, fill: str, edge: str = "#555555", round_by: float = 3) -> None:
        """A rectangle from its upper left corner."""
        self._lines.append(
            f'<rect x="{at[0]:g}" y="{at[1]:g}" width="{size[0]:g}" height="{size[1]:g}" rx="{round_by:g}" '
            f'fill="{fill}" stroke="{edge}"/>'
        )

    def circle(self, at: Point, radius: float, *, fill: str, edge: str = "#555555") -> None:
        """A circle around that point."""
        self._lines.append(f'<circle cx="{at[0]:g}" cy="{at[1]:g}" r="{radius:g}" fill="{fill}" stroke="{edge}"/>')

    def line(self, points: Iterable[Point], colour: str, *, width: float = 1.5, fill: str = "none") -> None:
        """A line over these points."""
        self._lines.append(
            f'<polyline points="{_points(points)}" fill="{fill}" stroke="{colour}" stroke-width="{width:g}"/>'
        )

    def wire(self, points: Iterable[Point], colour: str, meaning: str) -> None:
        """A wire over these points; `meaning` is read out, and shown where it is pointed at.

        It has a white edge, so that where two cross one is seen to pass over the other.
        """
        path = _points(points)
        self._lines.append(
            f'<g class="wire" aria-label={quoteattr(meaning)}><title>{escape(meaning)}</title>'
            f'<polyline points="{path}" fill="none" stroke="#ffffff" stroke-width="7"/>'
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="3" stroke-linejoin="round"/></g>'
        )

    def svg(self) -> str:
        """The whole file."""
        return "\n".join([*self._lines, "</svg>", ""])


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)

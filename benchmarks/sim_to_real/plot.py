"""Pairs of figures as a chart of dumbbells, one SVG file without fonts or scripts; knows nothing of what is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ROW_PX, LABEL_PX, WIDTH_PX, TOP_PX, BOTTOM_PX = 34, 190, 720, 58, 40
GREY, GREEN, RED, INK = "#8a94a3", "#1a7f4b", "#c0392b", "#1d2733"


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: its title and the two values, 0..1."""

    title: str
    left: float
    right: float


def dumbbells(pairs: Sequence[Pair], *, left: str, right: str) -> str:
    """An SVG: a grey dot for the first value, a green one for the second, red where it is lower; a line between."""
    values = [v for pair in pairs for v in (pair.left, pair.right)]
    low = max(0.0, min(values) - 0.03)
    high = min(1.0, max(values) + 0.03)
    height = TOP_PX + ROW_PX * len(pairs) + BOTTOM_PX

    def x(value: float) -> float:
        return LABEL_PX + (WIDTH_PX - LABEL_PX - 60) * (value - low) / max(high - low, 1e-9)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" width="{WIDTH_PX}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH_PX}" height="{height}" fill="#ffffff"/>',
        f'<circle cx="{LABEL_PX}" cy="24" r="6" fill="{GREY}"/><text x="{LABEL_PX + 12}" y="28.5">{escape(left)}</text>',
        f'<circle cx="{LABEL_PX + 170}" cy="24" r="6" fill="{GREEN}"/>'
        f'<text x="{LABEL_PX + 182}" y="28.5">{escape(right)}</text>',
    ]
    bottom = TOP_PX + ROW_PX * len(pairs)
    for k in range(5):
        value = low + (high - low) * k / 4
        parts.append(
            f'<line x1="{x(value):.1f}" y1="{TOP_PX - 8}" x2="{x(value):.1f}" y2="{bottom}" stroke="#e5e9ee"/>'
        )
        parts.append(
            f'<text x="{x(value):.1f}" y="{bottom + 20}" text-anchor="middle" fill="{GREY}">{value:.3f}</text>'
        )
    for row, pair in enumerate(pairs):
        y = TOP_PX + ROW_PX * (row + 0.5)
        tone = GREEN if pair.right >= pair.left else RED
        parts.append(
            f'<text x="{LABEL_PX - 14}" y="{y + 4.5:.1f}" text-anchor="end" fill="{INK}">{escape(pair.title)}</text>'
        )
        parts.append(
            f'<line x1="{x(pair.left):.1f}" y1="{y:.1f}" x2="{x(pair.right):.1f}" y2="{y:.1f}" stroke="{tone}" '
            f'stroke-width="3" stroke-opacity="0.45"/>'
        )
        parts.append(f'<circle cx="{x(pair.left):.1f}" cy="{y:.1f}" r="6" fill="{GREY}"/>')
        parts.append(f'<circle cx="{x(pair.right):.1f}" cy="{y:.1f}" r="6" fill="{tone}"/>')
        parts.append(
            f'<text x="{x(max(pair.left, pair.right)) + 12:.1f}" y="{y + 4.5:.1f}" fill="{tone}">'
            f"{pair.right - pair.left:+.3f}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])

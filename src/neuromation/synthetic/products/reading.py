"""A catalogue's CSV, row by row: every row checked, faults told with their line numbers, nothing kept but the row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.products.model import FORMS, PRODUCTS_MAX, SIDE_MAX_M, SIDE_MIN_M, TEXT_MAX, Form

REQUIRED = ("sku", "name", "class", "form", "width_mm", "depth_mm", "height_mm")
OPTIONAL = ("brand", "coarse_class", "packshot")
FAULTS_SHOWN = 10
_CELL_MAX = 1_000  # characters
_SIDE_MM = (SIDE_MIN_M * 1000, SIDE_MAX_M * 1000)


@dataclass(frozen=True)
class Row:
    """One row of the table, checked; `packshot` is a path as written, or ""."""

    line: int
    sku: str
    name: str
    brand: str
    category: str
    coarse: str
    form: Form
    size_m: tuple[float, float, float]
    packshot: str


class Faults:
    """What is wrong with a catalogue, with lines; the first ten are told together, since one correction costs a run."""

    def __init__(self, source: Path) -> None:
        self._source = source.name
        self._shown: list[str] = []
        self._count = 0

    def add(self, line: int, what: str) -> None:
        """Note one fault."""
        self._count += 1
        if len(self._shown) < FAULTS_SHOWN:
            self._shown.append(f"line {line}: {what}")

    @property
    def are_too_many(self) -> bool:
        """Whether reading on would tell the user nothing new."""
        return self._count >= 1_000

    def raise_any(self) -> None:
        """Raise BadCatalogue when there was a fault."""
        if self._count:
            more = f"; and {self._count - len(self._shown):,} more" if self._count > len(self._shown) else ""
            raise BadCatalogue(f"{self._source}: {'; '.join(self._shown)}{more}")


def read_rows(source: Path, faults: Faults) -> Iterator[Row]:
    """The good rows of a CSV in order; bad ones go to `faults`.

    Raises BadCatalogue when the file cannot be read, is no UTF-8, or lacks columns.
    """
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file, strict=True)
            places = _columns(source, next(table, []))
            seen: dict[str, int] = {}
            for cells in table:
                row = _row(table.line_num, cells, places, seen, faults)
                if row is not None:
                    yield row
                if faults.are_too_many:
                    return
    except OSError as error:
        raise BadCatalogue(f"the catalogue {source.name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadCatalogue(f"the catalogue {source.name} is not UTF-8 text near byte {error.start:,}") from error
    except csv.Error as error:
        raise BadCatalogue(f"{source.name}, line {table.line_num}: this is no CSV: {error}") from error


def _columns(source: Path, head: list[str]) -> dict[str, int]:
    names = [cell.strip().lower() for cell in head]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BadCatalogue(
            f"{source.name}, line 1: the columns {', '.join(missing)} are missing; "
            f"needed are {', '.join(REQUIRED)}, possible are {', '.join(OPTIONAL)}"
        )
    double = sorted({name for name in names if name in (*REQUIRED, *OPTIONAL) and names.count(name) > 1})
    if double:
        raise BadCatalogue(f"{source.name}, line 1: the column {double[0]} comes twice")
    return {name: names.index(name) for name in (*REQUIRED, *OPTIONAL) if name in names}


def _row(line: int, cells: list[str], places: dict[str, int], seen: dict[str, int], faults: Faults) -> Row | None:
    if not any(cell.strip() for cell in cells):
        return None
    if len(cells) <= max(places[name] for name in REQUIRED):
        faults.add(line, f"{len(cells)} cells are fewer than the columns")
        return None
    found = {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}
    fault = _fault(found) or _double(found["sku"], line, seen)
    if fault:
        faults.add(line, fault)
        return None
    return Row(
        line=line,
        sku=found["sku"],
        name=found["name"],
        brand=found.get("brand", ""),
        category=found["class"],
        coarse=found.get("coarse_class", "") or found["class"],
        form=_form(found["form"]),
        size_m=(_mm(found["width_mm"]), _mm(found["depth_mm"]), _mm(found["height_mm"])),
        packshot=found.get("packshot", ""),
    )


def _fault(found: dict[str, str]) -> str | None:
    """What is wrong with one row, or None."""
    texts = (_text_fault(name, found.get(name, "")) for name in ("sku", "name", "class", "brand", "coarse_class"))
    sides = (_side_fault(name, found[name]) for name in ("width_mm", "depth_mm", "height_mm"))
    faults = [fault for fault in (*texts, *sides) if fault]
    if found["form"].lower() not in FORMS:
        faults.append(f"form {found['form'][:40]!r} is unknown; use one of {', '.join(FORMS)}")
    if len(found.get("packshot", "")) > _CELL_MAX:
        faults.append(f"packshot has over {_CELL_MAX:,} characters")
    return faults[0] if faults else None


def _text_fault(name: str, text: str) -> str | None:
    if len(text) > TEXT_MAX or (not text and name in REQUIRED):
        return f"{name} has {len(text)} characters; 1 to {TEXT_MAX} are allowed"
    return None if text.isprintable() else f"{name} holds characters that cannot be printed"


def _side_fault(name: str, text: str) -> str | None:
    try:
        side = float(text)
    except ValueError:
        return f"{name} {text[:40]!r} is no number"
    low, high = _SIDE_MM
    return None if low <= side <= high else f"{name} is {side:g}; a package has {low:g} to {high:g} mm a side"


def _double(sku: str, line: int, seen: dict[str, int]) -> str | None:
    if sku in seen:
        return f"SKU {sku!r} was already in line {seen[sku]}"
    if len(seen) >= PRODUCTS_MAX:
        return f"a catalogue has at most {PRODUCTS_MAX:,} products"
    seen[sku] = line
    return None


def _form(text: str) -> Form:
    return FORMS[[str(form) for form in FORMS].index(text.lower())]


def _mm(text: str) -> float:
    return round(float(text)) / 1000

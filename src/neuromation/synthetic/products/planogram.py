"""Planograms: which product has which place on a shelf, and what a shop makes of the plan by the end of the day.

Owns the plan (rows of slots of facings) and the state of every planned place: filled, empty, pushed back, turned,
leaning, taken by another product. Lengths are metres; x runs along the shelf from its left end, y from its front edge
into its depth, z up from the floor. Nothing here has a mesh or a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from numpy.random import Generator

from neuromation.synthetic.products.model import ROUND_FORMS, Product

ROWS_MAX = 8
FACINGS_MAX = 2_000
LAYERS_MAX = 4
DEPTH_MAX = 6
_SPACE_M = 0.004  # least space between neighbours
_STACKED = frozenset({"can", "carton", "tub", "jar"})  # forms with a flat lid that carries the next


@dataclass(frozen=True)
class Listed:
    """A product with its number in its catalogue; look-alikes are in none and have a number all the same."""

    number: int
    product: Product
    is_null: bool = False


@dataclass(frozen=True)
class Slot:
    """A run of facings of one product.

    Attributes:
        row, slot: its place: row 0 is the lowest, slot 0 the leftmost of its row.
        listed: what is planned here.
        x_m: left end of the first facing; pitch_m: from facing to facing.
        facings: how many stand side by side; layers: on each other; depth: behind each other.
    """

    row: int
    slot: int
    listed: Listed
    x_m: float
    pitch_m: float
    facings: int
    layers: int
    depth: int


@dataclass(frozen=True)
class Row:
    """One board: its height over the floor and the clear height over it."""

    z_m: float
    clear_m: float
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Planogram:
    """A shelf as planned."""

    width_m: float
    depth_m: float
    rows: tuple[Row, ...]

    @property
    def slots(self) -> Iterator[Slot]:
        """Every slot, row by row."""
        return (slot for row in self.rows for slot in row.slots)

    @property
    def fronts(self) -> int:
        """How many packages are to be seen from the front, layers counted."""
        return sum(slot.facings * slot.layers for slot in self.slots)

    @property
    def top_m(self) -> float:
        """Height of the highest row's clear space."""
        return self.rows[-1].z_m + self.rows[-1].clear_m


@dataclass(frozen=True)
class Layout:
    """How a plan is made.

    Attributes:
        rows: boards, 1 to 8; facings: fronts to see in all, about; facings_max: of one slot.
        plinth_m: height of the lowest board; board_m: thickness; headroom_m: least space over the highest package.
        depth_m: of the boards; depth: packages behind each other that are planned, at most.
        stacking: chance that a product that can be stacked is.
    """

    rows: int
    facings: int
    facings_max: int = 5
    plinth_m: float = 0.16
    board_m: float = 0.03
    headroom_m: float = 0.05
    depth_m: float = 0.45
    depth: int = 2
    stacking: float = 0.6


@dataclass(frozen=True)
class Disorder:
    """What a day does to a plan, chances of every facing: see the parameters of the shelf."""

    gap: float = 0.05
    pushed_back: float = 0.1
    turned: float = 0.06
    leaning: float = 0.04
    misplaced: float = 0.02
    null: float = 0.02
    jitter: float = 0.5


@dataclass(frozen=True)
class Placed:
    """One package that stands on the shelf.

    Attributes:
        slot, facing, layer, depth: the planned place it stands at.
        listed: what it is; `is_misplaced` when something else is planned there.
        x_m, y_m, z_m: middle of its base.
        yaw_turns: turn about the vertical; lean_turns: about its lower edge, to the right where > 0; parts of a circle.
    """

    slot: Slot
    facing: int
    layer: int
    depth: int
    listed: Listed
    x_m: float
    y_m: float
    z_m: float
    yaw_turns: float
    lean_turns: float

    @property
    def is_misplaced(self) -> bool:
        return self.listed.number != self.slot.listed.number


@dataclass(frozen=True)
class Gap:
    """A planned facing at which nothing stands: the front that should be seen there, metres."""

    slot: Slot
    facing: int
    x_m: float  # left
    z_m: float  # bottom
    width_m: float
    height_m: float


@dataclass(frozen=True)
class Shelf:
    """A plan and what stands there."""

    plan: Planogram
    placed: tuple[Placed, ...]
    gaps: tuple[Gap, ...]


def plan_shelf(assortment: Sequence[Listed], layout: Layout, rng: Generator) -> Planogram:
    """A planogram of `assortment`, which must not be empty: neighbours are of about one height, tall ones stand low.

    The shelf is as wide as its facings need; every row is filled to that width. A small assortment is repeated, of a large
    one the first have their places, and the very first has one always.
    """
    rows = min(max(layout.rows, 1), ROWS_MAX)
    runs = _runs(assortment, layout, rng)
    width_m = max(sum(run.facings * run.pitch_m for run in runs) / rows, 0.3)
    lines: list[list[_Run]] = [[]]
    used_m = 0.0
    for run in runs:
        if lines[-1] and used_m + 0.5 * run.facings * run.pitch_m > width_m and len(lines) < rows:
            lines.append([])
            used_m = 0.0
        lines[-1].append(run)
        used_m += run.facings * run.pitch_m
    width_m = max(width_m, *(run.pitch_m for line in lines for run in line))
    filled = [_filled(line, width_m, layout.facings_max, assortment[0].number) for line in lines]
    return Planogram(width_m, layout.depth_m, tuple(_rows(filled, layout, width_m)))


@dataclass(frozen=True)
class _Run:
    """A slot that has no place yet."""

    listed: Listed
    facings: int
    layers: int
    pitch_m: float


def _filled(line: list[_Run], width_m: float, facings_max: int, first: int) -> list[_Run]:
    """A row that fits the width: facings are taken from the longest runs, or given to the shortest while there is room.

    The product of number `first` is the last to go.
    """
    line = list(line)
    used_m = sum(run.facings * run.pitch_m for run in line)
    while used_m > width_m:
        longest = max(
            range(len(line)), key=lambda place: (line[place].facings, line[place].listed.number != first, place)
        )
        run = line[longest]
        used_m -= run.pitch_m
        if run.facings > 1:
            line[longest] = replace(run, facings=run.facings - 1)
        else:
            del line[longest]
    while True:
        fitting = [
            place for place, run in enumerate(line) if used_m + run.pitch_m <= width_m and run.facings < 2 * facings_max
        ]
        if not fitting:
            return line
        shortest = min(fitting, key=lambda place: (line[place].facings, place))
        used_m += line[shortest].pitch_m
        line[shortest] = replace(line[shortest], facings=line[shortest].facings + 1)


def _runs(assortment: Sequence[Listed], layout: Layout, rng: Generator) -> list[_Run]:
    """Product, facings and layers of every slot, in the order in which they fill the rows, about `layout.facings`."""
    wanted = min(max(layout.facings, 1), FACINGS_MAX)
    runs: list[_Run] = []
    fronts = 0
    while fronts < wanted:
        for listed, draw in zip(assortment, rng.random((len(assortment), 4)).tolist(), strict=True):
            # Half of all slots have one or two facings; the square makes long runs rare.
            layers = _layers(listed.product, draw[2]) if draw[1] < layout.stacking else 1
            facings = 1 + int(draw[0] * draw[0] * layout.facings_max)
            facings = max(1, min(facings, (wanted - fronts) // layers))
            runs.append(_Run(listed, facings, layers, listed.product.size_m[0] + _SPACE_M + 0.006 * draw[3]))
            fronts += facings * layers
            if fronts >= wanted:
                break
    return sorted(runs, key=_row_order)


def _tier(run: _Run) -> int:
    """Piles of about one height, 45 mm to a tier: tall and heavy things stand low, small ones high."""
    return -int(run.listed.product.size_m[2] * run.layers / 0.045)


def _row_order(run: _Run) -> tuple[int, str, str]:
    return _tier(run), run.listed.product.coarse, run.listed.product.sku


def _layers(product: Product, draw: float) -> int:
    """How many of a product stand on each other: as many as make a pile of hand height."""
    if product.form not in _STACKED:
        return 1
    most = max(1, min(LAYERS_MAX, int(0.27 / product.size_m[2])))
    return max(1, most - int(draw * 2))


def _piled(run: _Run, clear_m: float) -> int:
    """Layers of a run: low piles under a high board grow, for shops do not leave room empty."""
    height_m = run.listed.product.size_m[2]
    fitting = min(LAYERS_MAX, int((clear_m - 0.05) / height_m))
    can_grow = run.listed.product.form in _STACKED and run.layers * height_m < 0.55 * clear_m
    return max(run.layers, fitting) if can_grow else run.layers


def _rows(lines: list[list[_Run]], layout: Layout, width_m: float) -> Iterator[Row]:
    z_m = layout.plinth_m
    for row, line in enumerate(lines):
        clear_m = max(max(run.listed.product.size_m[2] * run.layers for run in line) + layout.headroom_m, 0.15)
        # The space that is left over is shared out between the slots.
        spare_m = (width_m - sum(run.facings * run.pitch_m for run in line)) / (len(line) + 1)
        slots, x_m = [], spare_m * 0.5
        for slot, run in enumerate(line):
            behind = int((layout.depth_m - 0.02) / (run.listed.product.size_m[1] + _SPACE_M))
            depth = max(1, min(layout.depth, behind))
            layers = _piled(run, clear_m) if layout.stacking > 0 else run.layers
            slots.append(Slot(row, slot, run.listed, x_m, run.pitch_m, run.facings, layers, depth))
            x_m += run.facings * run.pitch_m + spare_m
        yield Row(z_m, clear_m, tuple(slots))
        z_m += clear_m + layout.board_m


def stock_shelf(plan: Planogram, disorder: Disorder, *, others: Sequence[Listed], rng: Generator) -> Shelf:
    """The plan as it looks in a shop: what stands where, and what is missing.

    Args:
        plan: of the shelf.
        disorder: chances of what goes wrong.
        others: look-alikes that may stand in a product's place; misplaced products come from the plan itself.
        rng: source of all randomness.
    """
    pool = list({slot.listed.number: slot.listed for slot in plan.slots}.values())
    placed: list[Placed] = []
    gaps: list[Gap] = []
    for row in plan.rows:
        for slot in row.slots:
            draws = rng.random((slot.facings, 8)).tolist()
            for facing, draw in enumerate(draws):
                if draw[0] < disorder.gap:
                    gaps.append(_gap(row, slot, facing))
                    continue
                stranger = _stranger(row, slot, disorder, pool, others, draw)
                front = stranger or slot.listed
                beside = facing + 1 < slot.facings and draws[facing + 1][0] < disorder.gap
                placed.extend(
                    _column(plan, row, slot, facing, front, disorder, draw[4:], is_beside_gap=beside, rng=rng)
                )
    return Shelf(plan, tuple(placed), tuple(gaps))


def _gap(row: Row, slot: Slot, facing: int) -> Gap:
    width_m, _, height_m = slot.listed.product.size_m
    left_m = slot.x_m + facing * slot.pitch_m + 0.5 * (slot.pitch_m - width_m)
    return Gap(slot, facing, left_m, row.z_m, width_m, height_m * slot.layers)


def _stranger(
    row: Row, slot: Slot, disorder: Disorder, pool: Sequence[Listed], others: Sequence[Listed], draw: Sequence[float]
) -> Listed | None:
    """Another package that stands at a facing, where it fits; None for the planned one."""
    if draw[1] < disorder.null:
        source = others
    elif draw[1] < disorder.null + disorder.misplaced:
        source = pool
    else:
        return None
    fitting = [
        listed
        for listed in source
        if listed.number != slot.listed.number
        and listed.product.size_m[0] <= slot.pitch_m
        and listed.product.size_m[2] < row.clear_m
    ]
    return fitting[int(draw[2] * len(fitting))] if fitting else None


def _column(
    plan: Planogram,
    row: Row,
    slot: Slot,
    facing: int,
    front: Listed,
    disorder: Disorder,
    draw: Sequence[float],
    *,
    is_beside_gap: bool,
    rng: Generator,
) -> Iterator[Placed]:
    """The packages at one facing: piles, one behind the other; the front pile is the one people take from."""
    _, depth_m, height_m = slot.listed.product.size_m
    pushed = draw[0] < disorder.pushed_back
    back_m = (0.1 + 0.6 * draw[1]) * max(0.0, plan.depth_m - depth_m) if pushed else 0.0
    x_m = slot.x_m + (facing + 0.5) * slot.pitch_m
    piles = max(1, min(slot.depth, int((plan.depth_m - back_m) / (depth_m + _SPACE_M))))
    jitters = rng.random((piles, LAYERS_MAX, 4)).tolist()
    for depth in range(piles):
        # Only a front that is itself taken from has fewer layers than planned.
        stranger = depth == 0 and front.number != slot.listed.number
        layers = 1 if stranger else max(1, slot.layers - (int(draw[2] * 2.5) if depth == 0 else 0))
        listed = front if depth == 0 else slot.listed
        y_m = 0.012 + back_m + depth * (depth_m + _SPACE_M) + 0.5 * listed.product.size_m[1]
        for layer in range(layers):
            j = jitters[depth][layer]
            room_m = 0.5 * max(0.0, slot.pitch_m - listed.product.size_m[0])
            yaw = _yaw(listed.product, slot.pitch_m, disorder, j)
            leans = layers == 1 and depth == 0 and is_beside_gap and draw[3] < disorder.leaning * 8
            lean = _lean(listed.product, slot.pitch_m) if leans else 0.0
            yield Placed(
                slot=slot,
                facing=facing,
                layer=layer,
                depth=depth,
                listed=listed,
                x_m=x_m + (2 * j[0] - 1) * room_m * disorder.jitter,
                y_m=y_m + 0.012 * j[1] * disorder.jitter,
                z_m=row.z_m + layer * height_m,
                yaw_turns=0.0 if lean else yaw,
                lean_turns=lean,
            )


def _yaw(product: Product, pitch_m: float, disorder: Disorder, j: Sequence[float]) -> float:
    """How far a package is turned: round ones as they fall, others as far as their neighbours leave room."""
    signed = 2 * j[2] - 1
    turned = j[3] < disorder.turned
    if product.form in ROUND_FORMS:
        return 0.5 * signed if turned else 0.05 * signed * (0.3 + disorder.jitter)
    if turned and product.size_m[1] <= pitch_m:
        return 0.25 * (1 + int(abs(signed) * 3)) * (1 if signed > 0 else -1)
    spare = max(0.0, pitch_m - product.size_m[0]) / max(product.size_m[1], 0.02)
    return signed * min(0.5 * spare, 0.25) * 0.159 * disorder.jitter  # the spare room as an angle, radians to turns


def _lean(product: Product, space_m: float) -> float:
    """The angle at which a package that tips into an empty place beside it comes to rest, turns; 0 where it cannot."""
    width_m, _, height_m = product.size_m
    if product.form in ROUND_FORMS or height_m < 1.5 * width_m:
        return 0.0
    return min(0.55 * space_m / height_m, 0.35) * 0.159

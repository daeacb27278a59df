"""How a product looks: its mesh and its materials, made when it is first shown and kept while it is used.

A look depends on the product alone: its SKU decides the art of its package, or its packshot is printed on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neuromation.synthetic.products.model import ROUND_FORMS, Product, product_key
from neuromation.synthetic.products.packshot_faces import (
    PackshotFaces,
    Picture,
    packshot_faces,
    resized,
    rows_between,
    wrapped_around,
)
from neuromation.synthetic.products.store import open_catalogue
from neuromation.synthetic.scene.meshes import (
    bottle,
    box,
    can,
    cup,
    gable_carton,
    gable_roof_m,
    label_band_m,
    pouch,
)
from neuromation.synthetic.scene.model import Material, Mesh, Texture, Vector
from neuromation.synthetic.scene.packaging import FACE_SIDE_MAX_PX, Design, design_for, face, face_tone
from neuromation.synthetic.scene.packaging_words import GOODS

LOOKS_MAX = 768  # kept at once, by product and density
DENSITIES_PX = (700.0, 1500.0, 3000.0)  # texels a metre that a look comes in
_SEGMENTS = (16, 32, 48)  # sides of what is round, at each of these
_FACE_MIN_PX, _TURN = 16, 3.141592653589793
_ASIDE = 0.6  # density of faces that are seen rarely

_BOTTLES = {
    "soda": "soda", "water": "water", "beer": "beer", "oil": "oil", "juice": "milk", "milk": "milk",
    "shampoo": "shampoo", "detergent": "detergent", "dish soap": "ketchup", "sauce": "ketchup",
}  # fmt: skip
# Of bottles: body, roughness, and whether light comes through.
_GLASSES: dict[str, tuple[Vector, float]] = {
    "beer": ((0.10, 0.045, 0.015), 0.12),
    "oil": ((0.45, 0.33, 0.05), 0.12),
    "water": ((0.62, 0.72, 0.76), 0.15),
    "soda": ((0.10, 0.05, 0.03), 0.15),
}
_CAPS: tuple[Vector, ...] = (
    (0.75, 0.75, 0.73),
    (0.04, 0.10, 0.42),
    (0.50, 0.03, 0.03),
    (0.05, 0.28, 0.08),
    (0.70, 0.45, 0.02),
    (0.03, 0.03, 0.03),
)


@dataclass(frozen=True, eq=False)
class Look:
    """A product's shape, standing on z = 0 with its front to -y, and one material for each part of it."""

    mesh: Mesh
    materials: tuple[Material, ...]


def look_of(product: Product, reference: str, *, seen_px: float = 0.0) -> Look:
    """The look of a product of the catalogue `reference`, fine enough to be seen at `seen_px` pixels a metre."""
    level = next((k for k, density in enumerate(DENSITIES_PX) if seen_px <= density), len(DENSITIES_PX) - 1)
    return _look(product, reference, level)


@lru_cache(maxsize=LOOKS_MAX)
def _look(product: Product, reference: str, level: int) -> Look:
    print_ = _Print(product, reference, level)
    return _FORMS[product.form](product, print_)


class _Print:
    """Everything that is printed on one package, at one density: drawn art, or what its photo shows."""

    def __init__(self, product: Product, reference: str, level: int) -> None:
        self.product = product
        self.density_px, self.segments = DENSITIES_PX[level], _SEGMENTS[level]
        self.design = _design(product)
        self.key = product_key(product.sku)
        self.photo: PackshotFaces | None = None
        if product.packshot is not None:
            pixels = open_catalogue(reference).packshot_pixels(product)
            self.photo = packshot_faces(pixels, product.size_m, is_round=product.form in ROUND_FORMS)

    @property
    def tone(self) -> Vector:
        """The colour of the whole package, linear."""
        return linear(self.photo.tone if self.photo else face_tone(self.design))

    def face(
        self, which: str, width_m: float, height_m: float, *, gloss: float = 0.35, low: float = 0.0, high: float = 1.0
    ) -> Material:
        """A printed face of this size, which reaches from `low` to `high` of the package's height."""
        density = self.density_px * (1.0 if which in ("front", "label") else _ASIDE)
        width_px, height_px = (
            max(_FACE_MIN_PX, min(FACE_SIDE_MAX_PX, round(side * density))) for side in (width_m, height_m)
        )
        if self.photo is None:
            pixels = face(self.design, which, width_px, height_px)
        else:
            pixels = _cut(self.photo, which, width_px, height_px, low, high)
        return Material(
            colour=(1.0, 1.0, 1.0), texture=Texture(pixels, repeats=which == "label"), kind="coat", roughness=gloss
        )

    def plain(self, colour: Vector | None = None, *, gloss: float = 0.4) -> Material:
        """A face without print."""
        return Material(colour=colour or self.tone, kind="coat", roughness=gloss)

    def cap(self) -> Material:
        """The plastic of a cap."""
        colour = linear(self.photo.cap) if self.photo else _CAPS[self.key % len(_CAPS)]
        return Material(colour=colour, kind="coat", roughness=0.35)


def _cut(photo: PackshotFaces, which: str, width_px: int, height_px: int, low: float, high: float) -> Picture:
    """A face out of a photo. The back repeats the front, as most packages do; tops and bottoms are plain."""
    if which == "label":
        return wrapped_around(rows_between(photo.front, low, high), photo.tone, width_px, height_px)
    if which in ("front", "back", "roof"):
        return resized(rows_between(photo.front, low, high), width_px, height_px)
    if which in ("left", "right") and photo.side is not None:
        return resized(rows_between(photo.side, low, high), width_px, height_px)
    plain = np.empty((8, 8, 3), dtype=np.uint8)
    plain[:] = [round(value) for value in photo.tone]
    return plain


def linear(tone: tuple[float, float, float]) -> Vector:
    """Linear reflectance of an sRGB tone 0..255, by a square, which is exact everywhere and near enough."""
    r, g, b = (min(max(value, 0.0), 255.0) / 255.0 for value in tone)
    return r * r, g * g, b * b


def _design(product: Product) -> Design:
    known = product.category.lower() in GOODS
    title = "" if known and product.variety else product.name.removeprefix(product.brand).strip()
    return design_for(
        product.sku,
        brand=product.brand,
        title=title[:40],
        variety=product.variety,
        category=product.category,
        amount=product.amount,
    )


def _carton(product: Product, p: _Print) -> Look:
    w, d, h = product.size_m
    mesh = box(product.size_m, min(0.0012, 0.1 * d), 1)
    sizes = (("front", w, h), ("right", d, h), ("back", w, h), ("left", d, h), ("top", w, d), ("bottom", w, d))
    return Look(mesh, tuple(p.face(which, wide, high, gloss=0.45) for which, wide, high in sizes))


def _gable(product: Product, p: _Print) -> Look:
    w, d, _ = product.size_m
    wall, ridge = gable_roof_m(product.size_m)
    mesh = gable_carton(product.size_m, 0.0145 if p.key % 4 or p.photo else 0.0)
    # In a photo the sloping roof is seen foreshortened.
    share = wall / product.size_m[2]
    roof = p.face("roof", w, ridge - wall, low=share, high=ridge / product.size_m[2])
    faces = (("front", w), ("right", d), ("back", w), ("left", d))
    sides = [p.face(which, wide, wall, high=share) for which, wide in faces]
    return Look(mesh, (*sides, roof, roof, p.plain(), p.plain(), p.plain(), p.cap()))


def _can(product: Product, p: _Print) -> Look:
    w, _, h = product.size_m
    kind = "drink" if product.category in ("soda", "beer", "water", "juice") and h >= w else "food"
    metal = Material(colour=(0.62, 0.62, 0.63), kind="metal", roughness=0.32)
    label = p.face("label", _TURN * w, h, gloss=0.25 if kind == "drink" else 0.4)
    return Look(can(0.5 * w, h, kind, p.segments), (label, metal, metal))


def _bottle(product: Product, p: _Print) -> Look:
    # A photo shows a body in its own colour, which no clear bottle has.
    return _flask(product, p, "milk" if p.photo else _BOTTLES.get(product.category, "water"))


def _jar(product: Product, p: _Print) -> Look:
    return _flask(product, p, "jar")


def _flask(product: Product, p: _Print, kind: str) -> Look:
    w, d, h = product.size_m
    mesh = bottle(kind, 0.5 * w, h, p.segments, 0.0 if abs(w - d) < 0.002 else max(0.1, min(1.0, d / w)))
    around, high = label_band_m(kind, 0.5 * w, h)
    filled = linear(p.design.picture_tone)
    body, roughness = _GLASSES.get(kind, (p.tone, 0.35))
    if p.photo:
        body, roughness = p.tone, 0.3
    elif kind == "jar":
        body, roughness = filled, 0.12
    opaque = kind in ("milk", "shampoo", "detergent", "ketchup")
    glass = Material(colour=body, kind="coat", roughness=roughness, specular=0.05)
    liquid = (
        glass if opaque else Material(colour=body if kind != "water" else (0.5, 0.6, 0.64), kind="coat", roughness=0.12)
    )
    heights = mesh.positions[mesh.triangles[mesh.parts == 1]][:, :, 2]
    label = p.face("label", around, high, low=float(heights.min()) / h, high=float(heights.max()) / h)
    return Look(mesh, (glass, label, p.cap(), liquid)[: int(mesh.parts.max()) + 1])


def _tub(product: Product, p: _Print) -> Look:
    w, _, h = product.size_m
    white = Material(colour=(0.72, 0.72, 0.7), kind="coat", roughness=0.4)
    return Look(
        cup(0.5 * w, h, 0.84, segments=p.segments), (p.face("label", _TURN * w * 0.92, h), white, p.face("top", w, w))
    )


def _pouch(product: Product, p: _Print) -> Look:
    w, _, h = product.size_m
    kind = (
        "standing"
        if product.category in ("coffee", "soup", "dish soap", "baby food", "pet food", "nuts", "rice")
        else "pillow"
    )
    mesh = pouch(product.size_m, kind, float(p.key % 97))
    faces = ("front", "back") if p.photo else ("bag_front", "bag_back")
    return Look(mesh, tuple(p.face(which, w, h, gloss=0.28) for which in faces))


_FORMS = {
    "carton": _carton,
    "gable": _gable,
    "can": _can,
    "bottle": _bottle,
    "pouch": _pouch,
    "jar": _jar,
    "tub": _tub,
}

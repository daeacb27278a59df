"""Pascal VOC: a picture and an XML file a unit, and the lists of image sets; written for foreign readers.

The form is that of the VOC2012 development kit; `voc.xsd` beside this file describes it. Boxes count pixels from 1, both
ends included. `truncated` says that the box is not that of the whole object, `occluded` that more than a twentieth of
the object is hidden. Null objects are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from neuromation.synthetic.annotations import Thing, has_objects, objects_of
from neuromation.synthetic.errors import BadExport
from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.pictures import save, save_picture, stem_of
from neuromation.synthetic.generator import Unit

SCHEMA_FILE = Path(__file__).with_name("voc.xsd")
_HIDDEN = 0.95  # visible part below which an object counts as occluded


def write_voc(units: Iterable[Unit], manifest: Manifest, out: Path) -> None:
    """`JPEGImages/*.png`, `Annotations/*.xml` and `ImageSets/Main/train.txt`.

    Raises BadExport when the units have no objects.
    """
    stems = []
    for unit in units:
        if not has_objects(unit.annotations):
            raise BadExport(
                "Pascal VOC holds boxes, and the units of this data set have none; export it as imagefolder or jsonl"
            )
        name = save_picture(out, unit, manifest, "JPEGImages")
        things = [thing for thing in objects_of(unit.annotations, manifest.classes) if not thing.is_null]
        document = _document(name.rpartition("/")[2], unit.picture.shape, things, manifest)
        save(out, f"Annotations/{stem_of(unit)}.xml", document.encode())
        stems.append(stem_of(unit))
    save(out, "ImageSets/Main/train.txt", "".join(f"{stem}\n" for stem in stems).encode())


def _document(file: str, shape: tuple[int, ...], things: list[Thing], manifest: Manifest) -> str:
    depth = shape[2] if len(shape) == 3 else 1
    objects = "".join(_object(thing, width=shape[1], height=shape[0]) for thing in things)
    return (
        "<annotation>\n"
        f"  <folder>JPEGImages</folder>\n  <filename>{file}</filename>\n"
        f"  <source><database>{escape(manifest.title)}</database><annotation>{escape(manifest.generator)}</annotation>"
        "<image>synthetic</image></source>\n"
        f"  <size><width>{shape[1]}</width><height>{shape[0]}</height><depth>{depth}</depth></size>\n"
        f"  <segmented>0</segmented>\n{objects}</annotation>\n"
    )


def _object(thing: Thing, *, width: int, height: int) -> str:
    x, y, w, h = thing.box
    left, top = max(1, round(x) + 1), max(1, round(y) + 1)
    right, bottom = min(width, max(left, round(x + w))), min(height, max(top, round(y + h)))
    hidden = thing.visibility is not None and thing.visibility < _HIDDEN
    return (
        f"  <object>\n    <name>{escape(thing.name)}</name>\n    <pose>Unspecified</pose>\n"
        f"    <truncated>{int(thing.whole != thing.box)}</truncated>\n    <occluded>{int(hidden)}</occluded>\n"
        "    <difficult>0</difficult>\n"
        f"    <bndbox><xmin>{min(left, width)}</xmin><ymin>{min(top, height)}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>\n  </object>\n"
    )

"""What can be bought, what was made, what was uploaded: the catalogue as its visitors see it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import sqlalchemy as sa

from neuromation.accounts import service as accounts
from neuromation.accounts.model import Principal
from neuromation.catalog import service as catalog
from neuromation.catalog.model import FileRef, Version, Viewer
from neuromation.client import schemas as wire
from neuromation.kernel.errors import Conflict, Invalid, NotFound
from neuromation.kernel.hashing import hash_json
from neuromation.kernel.money import Ntk
from neuromation.learning.zoo import list_models
from neuromation.storage import service as storage
from neuromation.synthetic.annotations import has_objects
from neuromation.synthetic.formats import real
from neuromation.synthetic.formats.labelled import Labelled, read_labelled
from neuromation.synthetic.generator import Generator, get_generator, list_generators
from neuromation.synthetic.preview import preview as sheet
from neuromation.workflows.publishing import file_ref
from neuromation.workflows.world import World

Goods = Literal["dataset", "model"]


def generators(conn: sa.Connection) -> wire.GeneratorList:
    """The generators on sale."""
    return wire.GeneratorList(generators=[generator(conn, g.name) for g in list_generators()])


def generator(conn: sa.Connection, name: str) -> wire.GeneratorInfo:
    """One generator with its price. Raises NotFound."""
    found = get_generator(name)
    item = catalog.get_item(conn, name, Viewer(""), kind="generator")
    return wire.GeneratorInfo(
        name=found.name,
        version=found.version,
        title=found.title,
        description=found.description,
        modality=found.modality,
        classes=list(found.classes),
        parameters=found.params_model.model_json_schema(),
        cu_per_unit=found.cu_per_unit,
        royalty_per_unit=str(item.price),
        vendor=accounts.account_of(conn, item.owner).name,
        licence=item.licence,
    )


def set_royalty(conn: sa.Connection, name: str, body: wire.NewRoyalty, principal: Principal) -> wire.GeneratorInfo:
    """What a vendor takes for a unit from now on; what is quoted keeps its price. Raises NotFound, NotYours."""
    royalty = Ntk.parse(body.royalty_per_unit)
    catalog.set_price(conn, name, royalty, viewer=_viewer(principal), kind="generator")
    return generator(conn, name)


def set_vendor(conn: sa.Connection, name: str, body: wire.NewVendor, principal: Principal) -> wire.GeneratorInfo:
    """Whose a generator is, and who earns its royalties, from now on. Raises NotFound, Invalid, NameTaken."""
    vendor = accounts.account_by_email(conn, body.email)
    if "vendor" not in vendor.roles:
        raise Invalid(f"{vendor.email} is no vendor; open an account with the role vendor", reason="not-a-vendor")
    catalog.hand_over(conn, name, vendor.id, viewer=_viewer(principal), kind="generator")
    return generator(conn, name)


def preview(name: str, *, seed: int, units: int) -> bytes:
    """A contact sheet of a generator at its default parameters, PNG."""
    found: Generator = get_generator(name)
    columns = min(units, 10)
    return sheet(found, found.params_model(), seed=seed, columns=columns, rows=max(1, units // columns))


def architectures() -> wire.ArchitectureList:
    """The networks that can be trained."""
    return wire.ArchitectureList(
        architectures=[
            wire.ArchitectureInfo(
                name=m.name,
                title=m.title,
                input=m.input_description,
                config=m.config_model.model_json_schema(),
                cu_per_sample=m.cu_per_sample,
            )
            for m in list_models()
        ]
    )


def store_upload(world: World, data: bytes | Iterable[bytes], *, sha256: str, owner: str) -> wire.Uploaded:
    """Keep uploaded bytes when they hash to their name. Raises HashMismatch; nothing is kept then."""
    ref = world.blobs.put(data, expect_sha256=sha256, size_max=wire.BLOB_MAX_BYTES)
    with world.transaction() as conn:
        storage.record(conn, ref, owner=owner, now=world.now())
        if not world.blobs.exists(ref.sha256):
            raise Conflict("old bytes with this hash were just being deleted; send them again", reason="try-again")
    return wire.Uploaded(sha256=ref.sha256, size=ref.size)


def import_dataset(world: World, conn: sa.Connection, principal: Principal, body: wire.NewDataset) -> wire.VersionInfo:
    """Publish uploaded tables of labelled pictures as a private data set. Raises NotFound, BadTable."""
    now, owner = world.now(), principal.account_id
    unknown = storage.unreadable(conn, [f.sha256 for f in body.files], owner=owner)
    if unknown:
        raise NotFound(f"upload these first, by PUT /v1/uploads/SHA256: {', '.join(sorted(unknown))[:300]}")
    tables = {f.name: _table(world.blobs.get(f.sha256)) for f in body.files}
    files = {f.name: file_ref({"sha256": f.sha256, "size": world.blobs.size(f.sha256)}, f.name) for f in body.files}
    item = catalog.publish(
        conn, kind="dataset", owner=owner, name=body.name, title=body.title, licence=body.licence, now=now
    )
    version = catalog.add_version(
        conn,
        item.id,
        content_hash=hash_json({name: file.sha256 for name, file in files.items()}),
        manifest=_facts(list(tables.values()), body.source),
        files=files,
        lineage={"imported_by": owner, "source": body.source},
        now=now,
    )
    return version_view(version)


def _table(data: bytes) -> Labelled | real.RealTable:
    """What was uploaded, every file in it opened. Raises BadTable, BadImport, TooLarge."""
    if not real.is_real(data):
        return read_labelled(data)
    table = real.read_real(data)
    real.check_files(table)
    return table


def _facts(tables: list[Labelled | real.RealTable], source: str) -> dict[str, object]:
    classes = tables[0].classes
    if any(t.classes != classes for t in tables):
        from neuromation.synthetic.formats.labelled import BadTable

        raise BadTable("the files of a data set must name the same classes in the same order")
    splits: dict[str, int] = {}
    for table in tables:
        for name, count in table.split_sizes().items():
            splits[name] = splits.get(name, 0) + count
    return {
        "kind": "imported",
        "classes": list(classes),
        "splits": splits,
        "units": sum(splits.values()),
        "source": source,
        "knows": _knows(tables),
    }


def _knows(tables: list[Labelled | real.RealTable]) -> dict[str, bool]:
    """What a model may learn from, or be measured on, in these tables."""
    samples = [sample for table in tables if isinstance(table, real.RealTable) for sample in table.samples]
    return {
        "sounds": any(isinstance(table, real.RealTable) and table.kind == "audio" for table in tables),
        "labels": not samples or any(sample.label is not None for sample in samples),
        "objects": any(has_objects(sample.annotations) for sample in samples),
        "masks": any(_has_masks(sample.annotations.get("objects")) for sample in samples),
    }


def _has_masks(listed: object) -> bool:
    return isinstance(listed, list) and any(isinstance(thing, dict) and thing.get("rle") for thing in listed)


def versions(
    conn: sa.Connection, kind: Goods, principal: Principal, *, after: str | None, limit: int
) -> wire.VersionList:
    """The newest version of everything of a kind that the caller may see."""
    found = catalog.list_newest(conn, kind, _viewer(principal), after=after, limit=limit)
    return wire.VersionList(
        versions=[version_view(v) for v in found], next_after=found[-1].item.id if len(found) == limit else None
    )


def version(conn: sa.Connection, kind: Goods, ref: str, principal: Principal) -> wire.VersionInfo:
    """One version. Raises NotFound, also for what the caller may not see."""
    return version_view(catalog.get_version(conn, ref, _viewer(principal), kind=kind))


def set_visibility(
    conn: sa.Connection, kind: Goods, ref: str, body: wire.NewVisibility, principal: Principal
) -> wire.VersionInfo:
    """List an item for everybody, or take it back. Raises NotFound, NotYours, NameTaken."""
    viewer = _viewer(principal)
    found = catalog.get_version(conn, ref, viewer, kind=kind)
    catalog.set_visibility(conn, found.item.id, body.visibility, viewer=viewer)
    return version_view(catalog.get_version(conn, found.id, viewer, kind=kind))


def file_of(conn: sa.Connection, kind: Goods, ref: str, name: str, principal: Principal) -> wire.FileInfo:
    """Where a file of a version is. Raises NotFound."""
    found = catalog.get_version(conn, ref, _viewer(principal), kind=kind)
    if name not in found.files:
        raise NotFound(f"{ref} has no file {name[:100]!r}; it has {', '.join(sorted(found.files))[:300]}")
    return _file(name, found.files[name])


def _viewer(principal: Principal) -> Viewer:
    return Viewer(principal.account_id, operator="operator" in principal.roles)


def version_view(version: Version) -> wire.VersionInfo:
    """A version as its visitors see it."""
    item = version.item
    return wire.VersionInfo(
        id=version.id,
        item=item.id,
        kind=item.kind,  # type: ignore[arg-type]
        name=item.name,
        number=version.number,
        title=item.title,
        owner=item.owner,
        licence=item.licence,
        visibility=item.visibility,  # type: ignore[arg-type]
        created=version.created,
        content_hash=version.content_hash,
        manifest=version.manifest,
        lineage=version.lineage,
        files=[_file(name, file) for name, file in sorted(version.files.items())],
    )


def _file(name: str, file: FileRef) -> wire.FileInfo:
    return wire.FileInfo(name=name, sha256=file.sha256, size=file.size, media_type=file.media_type)

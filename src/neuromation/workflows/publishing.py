"""Turning what a job made into an immutable version of the catalogue, and reading versions back."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

import sqlalchemy as sa

from neuromation.catalog import service as catalog
from neuromation.catalog.model import FileRef, Version, Viewer, checked_name
from neuromation.jobs import service as jobs
from neuromation.jobs.model import Job, Task, TaskKind, TaskState
from neuromation.kernel.errors import Invalid, NotFound
from neuromation.storage import service as storage
from neuromation.workflows.world import World

Goods = Literal["dataset", "model"]


def check_name_free(name: str) -> None:
    """Refuse a name before the work that the catalogue would refuse after it. Raises BadItem."""
    checked_name(name)


MEDIA_TYPES = {".json": "application/json", ".md": "text/markdown", ".parquet": "application/vnd.apache.parquet"}


def file_ref(address: dict[str, Any], name: str) -> FileRef:
    """A stored blob as a version's file."""
    suffix = name[name.rfind(".") :]
    return FileRef(address["sha256"], address["size"], MEDIA_TYPES.get(suffix, "application/octet-stream"))


def version_by_id(conn: sa.Connection, version_id: str) -> Version:
    """A version that the platform itself has fixed in a plan; whoever ordered was allowed to see it then."""
    return catalog.get_version(conn, version_id, Viewer("", operator=True))


def all_tasks(conn: sa.Connection, job: Job, kind: TaskKind, states: Collection[TaskState]) -> Iterator[Task]:
    """Every task of a job in these states, page by page, in order of their numbers."""
    after: Task | None = None
    while True:
        page = jobs.tasks_of(conn, job.id, kind=kind, states=states, after=after, limit=200)
        yield from page
        if len(page) < 200:
            return
        after = page[-1]


def store(world: World, conn: sa.Connection, data: bytes, *, owner: str) -> dict[str, Any]:
    """Keep bytes for an owner; their address as a version's file."""
    ref = world.blobs.put(data)
    storage.record(conn, ref, owner=owner, now=world.now())
    if not world.blobs.exists(ref.sha256):  # collected between the two: the record has waited for that
        world.blobs.put(data)
    return {"sha256": ref.sha256, "size": ref.size}


def publish(
    world: World,
    conn: sa.Connection,
    job: Job,
    *,
    kind: Goods,
    name: str,
    title: str,
    licence: str,
    manifest: dict[str, Any],
    files: dict[str, FileRef],
    content_hash: str,
    lineage: dict[str, Any],
) -> Version:
    """A new version of the customer's item; the same content again is the same version."""
    now = world.now()
    storage.grant(conn, [f.sha256 for f in files.values()], owner=job.customer, now=now)
    item = catalog.publish(conn, kind=kind, owner=job.customer, name=name, title=title, licence=licence, now=now)
    return catalog.add_version(
        conn, item.id, content_hash=content_hash, manifest=manifest, files=files, lineage=lineage, now=now
    )


def is_synthetic(version: Version) -> bool:
    """Whether a version was made by a generator here (its shards are ours), not imported."""
    return version.manifest.get("kind") == "synthetic"


def classes_of(version: Version) -> list[str]:
    """The class names of a data set or model. Raises Invalid when it has none."""
    classes = version.manifest.get("classes") or []
    if not classes:
        raise Invalid(f"version {version.id} names no classes, so nothing can be trained or measured on it")
    return [str(name) for name in classes]


def check_split(version: Version, split: str) -> None:
    """Raises NotFound when a data set has no such split."""
    splits = version.manifest.get("splits", {})
    if split not in splits:
        raise NotFound(f"data set {version.id} has no split {split[:40]!r}; it has {', '.join(splits) or 'none'}")

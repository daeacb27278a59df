"""Generators, architectures, data sets, models and uploads over HTTP."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from neuromation.api.deps import V1, Customer, Person, TheWorld, Vendor
from neuromation.api.errors import problems
from neuromation.client import schemas as wire
from neuromation.workflows import goods
from neuromation.workflows.world import World

router = APIRouter(prefix=V1, tags=["goods"])

After = Annotated[str | None, Query(max_length=100)]
Limit = Annotated[int, Query(ge=1, le=wire.PAGE_MAX)]
RefPath = Annotated[wire.Ref, Path()]

SPOOL_BYTES = 2**20  # an upload waits in memory up to here, then in a temporary file
PIECE_BYTES = 2**20


@router.get("/generators", responses=problems(401, 403), operation_id="list_generators")
def list_generators(_: Person, world: TheWorld) -> wire.GeneratorList:
    """The data generators that can be ordered from."""
    with world.transaction() as conn:
        return goods.generators(conn)


@router.get("/generators/{name}", responses=problems(401, 403, 404, 422), operation_id="show_generator")
def show_generator(name: Annotated[wire.Name, Path()], _: Person, world: TheWorld) -> wire.GeneratorInfo:
    """One generator: its parameters with ranges, its price, its licence."""
    with world.transaction() as conn:
        return goods.generator(conn, name)


@router.get(
    "/generators/{name}/preview",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(401, 403, 404, 422)},
    operation_id="preview_generator",
)
def preview_generator(
    name: Annotated[wire.Name, Path()],
    _: Person,
    seed: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    units: Annotated[int, Query(ge=1, le=100)] = 40,
) -> Response:
    """A contact sheet of the generator's samples with their labels, as PNG."""
    return Response(goods.preview(name, seed=seed, units=units), media_type="image/png")


@router.put(
    "/generators/{name}/royalty", responses=problems(401, 403, 404, 413, 422), operation_id="set_generator_royalty"
)
def set_generator_royalty(
    name: Annotated[wire.Name, Path()], body: wire.NewRoyalty, principal: Vendor, world: TheWorld
) -> wire.GeneratorInfo:
    """Set what a unit of one's own generator costs; quotes and orders that are out keep their price."""
    with world.transaction() as conn:
        return goods.set_royalty(conn, name, body, principal)


@router.get("/architectures", responses=problems(401, 403), operation_id="list_architectures")
def list_architectures(_: Person) -> wire.ArchitectureList:
    """The networks of the zoo that can be trained."""
    return goods.architectures()


@router.put(
    "/uploads/{sha256}",
    status_code=201,
    responses=problems(401, 403, 409, 413, 422),
    operation_id="upload",
    max_body_size=wire.BLOB_MAX_BYTES,
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def upload(
    sha256: Annotated[wire.Sha256, Path()], request: Request, principal: Customer, world: TheWorld
) -> wire.Uploaded:
    """Store bytes under their own hash; a body with another hash is refused and nothing is kept."""
    return await received(request, world, sha256, owner=principal.account_id)


async def received(request: Request, world: World, sha256: str, *, owner: str) -> wire.Uploaded:
    """Take a raw body in, verify it against its hash and grant it to its owner."""
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        async for piece in request.stream():
            spool.write(piece)
        spool.seek(0)
        pieces = iter(lambda: spool.read(PIECE_BYTES), b"")
        return await run_in_threadpool(goods.store_upload, world, pieces, sha256=sha256, owner=owner)


@router.post(
    "/datasets", status_code=201, responses=problems(401, 403, 404, 409, 413, 422), operation_id="create_dataset"
)
def create_dataset(body: wire.NewDataset, principal: Customer, world: TheWorld) -> wire.VersionInfo:
    """Publish uploaded Parquet files as a private data set, such as a small set of real photos with their labels."""
    with world.transaction() as conn:
        return goods.import_dataset(world, conn, principal, body)


def _catalogue_of(kind: Literal["dataset", "model"]) -> None:
    """The read routes, alike for data sets and models."""
    plural = f"{kind}s"

    @router.get(f"/{plural}", responses=problems(401, 403, 422), operation_id=f"list_{plural}")
    def list_versions(principal: Person, world: TheWorld, after: After = None, limit: Limit = 50) -> wire.VersionList:
        """The newest version of everything the caller may see."""
        with world.transaction() as conn:
            return goods.versions(conn, kind, principal, after=after, limit=limit)

    @router.get(f"/{plural}/{{ref}}", responses=problems(401, 403, 404, 422), operation_id=f"show_{kind}")
    def show(ref: RefPath, principal: Person, world: TheWorld) -> wire.VersionInfo:
        """One immutable version with its files, facts and lineage."""
        with world.transaction() as conn:
            return goods.version(conn, kind, ref, principal)

    @router.put(
        f"/{plural}/{{ref}}/visibility",
        responses=problems(401, 403, 404, 409, 413, 422),
        operation_id=f"set_{kind}_visibility",
    )
    def set_visibility(ref: RefPath, body: wire.NewVisibility, principal: Person, world: TheWorld) -> wire.VersionInfo:
        """List all versions of one's own for everybody, or take them back. A listed name belongs to its item for good."""
        with world.transaction() as conn:
            return goods.set_visibility(conn, kind, ref, body, principal)

    @router.get(
        f"/{plural}/{{ref}}/files/{{name:path}}",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/octet-stream": {}}}, **problems(401, 403, 404, 422)},
        operation_id=f"download_{kind}_file",
    )
    def download(
        ref: RefPath, name: Annotated[wire.FilePath, Path()], principal: Person, world: TheWorld
    ) -> StreamingResponse:
        """The bytes of one file of a version; the header `X-Content-SHA256` carries their hash."""
        with world.transaction() as conn:
            file = goods.file_of(conn, kind, ref, name, principal)
        return streamed(world, file.sha256, file.size, file.media_type)


_catalogue_of("dataset")
_catalogue_of("model")


def streamed(world: World, sha256: str, size: int, media_type: str) -> StreamingResponse:
    """A blob as an answer, in pieces."""
    pieces: Iterator[bytes] = world.blobs.stream(sha256)
    headers = {"Content-Length": str(size), "X-Content-SHA256": sha256}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)

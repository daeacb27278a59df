"""MLCommons Croissant 1.0 metadata of a data set, as JSON-LD; knows the manifest alone.

Source: docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import json
from typing import Any

from neuromation.synthetic.formats.manifest import Manifest, ShardEntry
from neuromation.synthetic.formats.recipe import WITHOUT_IMAGE

CROISSANT_FILE = "croissant.json"

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(manifest: Manifest) -> bytes:
    """The `croissant.json` of a data set; it lies beside `data/` and names every shard with its sha256."""
    files = [_file(shard) for shard in manifest.shards]
    # Not contained in the files above: readers would look inside each; the set is found beside this file.
    together = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "encodingFormat": "application/x-parquet",
        "includes": "data/*.parquet",
    }
    made = f"Generator {manifest.generator} {manifest.version}, seed {manifest.seed}"
    what = f"{manifest.title}: {manifest.units:,} units with labels correct by construction."
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{manifest.generator}-{manifest.merkle_root[:12]}",
        "description": f"{what} {manifest.description}",
        "license": f"https://spdx.org/licenses/{manifest.licence}.html",
        "url": f"urn:sha256:{manifest.merkle_root}",
        "version": "1.0.0",
        "citeAs": f"{made}, Merkle root {manifest.merkle_root}",
        **({"datePublished": manifest.created.date().isoformat()} if manifest.created else {}),
        "distribution": [*files, together],
        "recordSet": [_records(manifest)],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _file(shard: ShardEntry) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": shard.file,
        "name": shard.file.rpartition("/")[2],
        "contentUrl": shard.file,
        "contentSize": f"{shard.size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": shard.sha256,
    }


_LAYER_TYPES = {"image": "sc:ImageObject", "audio": "sc:AudioObject", "video": "sc:VideoObject"}


def _records(manifest: Manifest) -> dict[str, Any]:
    fields = {"index": ("sc:Integer", "place of the unit in the data set")}
    if manifest.modality not in WITHOUT_IMAGE:
        fields["image"] = ("sc:ImageObject", "the image as PNG")
    for layer in manifest.layers:
        rate = f", {layer.rate_hz:g} a second" if layer.rate_hz else ""
        form = {"image": "PNG", "audio": "WAV", "video": "one PNG a frame"}[layer.kind]
        fields[layer.name] = (_LAYER_TYPES[layer.kind], f"{layer.meaning} ({form} of {layer.dtype}{rate})")
    fields |= {
        "label": ("sc:Integer", "number of the class"),
        "annotations": ("sc:Text", "what else is known of the unit, as JSON"),
        "unit_hash": ("sc:Text", "sha256 of the unit's content: a leaf of the Merkle tree"),
    }
    return {
        "@type": "cr:RecordSet",
        "@id": "units",
        "key": {"@id": "units/index"},
        "field": [_field(name, kind, text) for name, (kind, text) in fields.items()],
    }


def _field(name: str, kind: str, text: str) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": name}}
    if kind in _LAYER_TYPES.values():
        source["transform"] = {"jsonPath": "bytes"}
    return {"@type": "cr:Field", "@id": f"units/{name}", "dataType": kind, "description": text, "source": source}

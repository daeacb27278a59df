"""Scenes, generators and data-set formats: usable alone, knows nothing of the market.

    from neuromation.synthetic import generate_dataset, get_generator, parse_params

    digits = get_generator("digits")
    generate_dataset(digits, parse_params(digits, {"noise": 0.8}), seed=1, units=6_000, out=Path("digits"))

Pillow and PyArrow are loaded by the functions that need them.
"""

from neuromation.synthetic.errors import (
    BadDataset,
    BadExport,
    BadImport,
    BadParameters,
    BadShard,
    BadUnit,
    OtherDataset,
    ShardTooLarge,
    UnknownGenerator,
    WorkerLost,
)
from neuromation.synthetic.export import FORMATS, export_dataset
from neuromation.synthetic.folder import Effort, generate_dataset, generate_shard, load_manifest, write_metadata
from neuromation.synthetic.formats.card import card
from neuromation.synthetic.formats.croissant import croissant
from neuromation.synthetic.formats.manifest import Manifest, ShardEntry, assemble, parse_manifest, shard_file
from neuromation.synthetic.formats.recipe import Recipe
from neuromation.synthetic.formats.shard import (
    Shard,
    ShardFacts,
    decode_shard,
    encode_shard,
    facts_of,
    read_shard,
    shard_hashes,
)
from neuromation.synthetic.generator import (
    BOX_MARGIN,
    BaseGenerator,
    Generator,
    Layer,
    Tunable,
    Unit,
    get_generator,
    list_generators,
    parse_params,
    search_space,
    unit_hash,
)
from neuromation.synthetic.importing import import_folder
from neuromation.synthetic.preview import Tile, contact_sheet, preview
from neuromation.synthetic.statistics import Statistics, statistics_of
from neuromation.synthetic.verify import Failure, VerifyReport, verify_dataset, verify_shards

__all__ = [
    "BOX_MARGIN",
    "FORMATS",
    "BadDataset",
    "BadExport",
    "BadImport",
    "BadParameters",
    "BadShard",
    "BadUnit",
    "BaseGenerator",
    "Effort",
    "Failure",
    "Generator",
    "Layer",
    "Manifest",
    "OtherDataset",
    "Recipe",
    "Shard",
    "ShardEntry",
    "ShardFacts",
    "ShardTooLarge",
    "Statistics",
    "Tile",
    "Tunable",
    "Unit",
    "UnknownGenerator",
    "VerifyReport",
    "WorkerLost",
    "assemble",
    "card",
    "contact_sheet",
    "croissant",
    "decode_shard",
    "encode_shard",
    "export_dataset",
    "facts_of",
    "generate_dataset",
    "generate_shard",
    "get_generator",
    "import_folder",
    "list_generators",
    "load_manifest",
    "parse_manifest",
    "parse_params",
    "preview",
    "read_shard",
    "search_space",
    "shard_file",
    "shard_hashes",
    "statistics_of",
    "unit_hash",
    "verify_dataset",
    "verify_shards",
    "write_metadata",
]

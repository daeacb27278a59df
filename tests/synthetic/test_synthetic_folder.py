"""Data sets as folders: made whole, taken up again, read by other tools, exported, verified."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_builders import SQUARES, SquaresParams, digit_params, digits

from neuromation.kernel.clock import FakeClock
from neuromation.synthetic import (
    BadDataset,
    BadExport,
    OtherDataset,
    assemble,
    decode_shard,
    encode_shard,
    export_dataset,
    facts_of,
    generate_dataset,
    generate_shard,
    load_manifest,
    parse_manifest,
    preview,
    verify_dataset,
    verify_shards,
    write_metadata,
)
from neuromation.synthetic.formats.certificate import leaves_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 digits in 3 shards, to be read only."""
    folder = tmp_path_factory.mktemp("digits")
    generate_dataset(digits(), digit_params(), seed=5, units=120, out=folder, shard_units=50)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def doctor(folder: Path, unit_in_shard: int = 7) -> None:
    """Change one pixel of a unit in the second shard and make everything but the truth fit again."""
    path = folder / "data/shard-00001.parquet"
    units = decode_shard(path.read_bytes())
    units[unit_in_shard].image[4, 4] ^= 1
    path.write_bytes(encode_shard(units, generator=digits(), params=digit_params(), seed=5))
    facts = [facts_of(file.read_bytes(), file=f"data/{file.name}") for file in sorted((folder / "data").iterdir())]
    write_metadata(folder, assemble(facts, generator=digits(), params=digit_params(), seed=5))
    (folder / "leaves.bin").write_bytes(leaves_of(facts))


def test_a_data_set_has_all_its_units_once(made: Path) -> None:
    manifest = load_manifest(made)
    assert (manifest.units, [shard.units for shard in manifest.shards]) == (120, [50, 50, 20])
    assert sum(manifest.class_counts) == 120
    assert not list(made.rglob("*.part"))


def test_workers_shards_and_times_do_not_change_the_root(made: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    one = load_manifest(made)
    two = generate_dataset(
        digits(),
        digit_params(),
        seed=5,
        units=120,
        out=tmp_path,
        shard_units=60,
        workers=2,
        created=FakeClock().now(),
        on_progress=lambda done, units: told.append((done, units)),
    )
    assert two.merkle_root == one.merkle_root
    assert told == sorted(set(told))
    assert told[-1] == (120, 120)


def test_the_time_of_making_is_no_part_of_the_identity(made: Path) -> None:
    manifest = load_manifest(made)
    assert manifest.model_copy(update={"created": FakeClock().now()}).identity == manifest.identity
    assert manifest.model_copy(update={"seed": 6}).identity != manifest.identity


def test_an_interrupted_run_goes_on_with_its_good_shards(made: Path, copy: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in (copy / "data").iterdir()}
    (copy / "manifest.json").unlink()
    cut = copy / "data/shard-00001.parquet"
    cut.write_bytes(cut.read_bytes()[:-100])
    manifest = generate_dataset(digits(), digit_params(), seed=5, units=120, out=copy, shard_units=50)
    changed = [path.name for path in sorted((copy / "data").iterdir()) if path.stat().st_mtime_ns != before[path.name]]
    assert changed == ["shard-00001.parquet"]
    assert manifest == load_manifest(made)


def test_a_folder_with_another_data_set_is_left_alone(copy: Path) -> None:
    with pytest.raises(OtherDataset, match="another folder"):
        generate_dataset(digits(), digit_params(), seed=6, units=120, out=copy, shard_units=50)
    (copy / "manifest.json").unlink()
    with pytest.raises(OtherDataset, match="no part"):
        generate_dataset(digits(), digit_params(), seed=5, units=60, out=copy, shard_units=50)


@pytest.mark.parametrize(
    "plan", [{"units": 0}, {"units": 10**9}, {"shard_units": 0}, {"workers": 0}, {"workers": 1_000}]
)
def test_absurd_plans_are_refused(plan: dict[str, int], tmp_path: Path) -> None:
    numbers = {"units": 10, "shard_units": 10, "workers": 1, **plan}
    with pytest.raises(BadDataset):
        generate_dataset(digits(), digit_params(), seed=1, out=tmp_path / "new", **numbers)
    assert not (tmp_path / "new").exists()


def test_shards_with_a_gap_or_an_overlap_are_no_data_set() -> None:
    def part(first: int) -> bytes:
        return generate_shard(digits(), digit_params(), 1, first, 5)

    for starts in ([0, 6], [0, 4], [5], []):
        facts = [facts_of(part(start), file=f"data/{start}.parquet") for start in starts]
        with pytest.raises(BadDataset):
            assemble(facts, generator=digits(), params=digit_params(), seed=1)


def test_a_manifest_that_contradicts_itself_or_leaves_its_folder_is_refused(made: Path) -> None:
    document = json.loads((made / "manifest.json").read_bytes())
    for change in ({"units": 119}, {"merkle_root": "x"}, {"extra": 1}, {"shards": []}):
        with pytest.raises(BadDataset):
            parse_manifest(json.dumps({**document, **change}).encode())
    document["shards"][0]["file"] = "data/../../secret.parquet"
    with pytest.raises(BadDataset):
        parse_manifest(json.dumps(document).encode())


def test_a_true_data_set_verifies(made: Path) -> None:
    report = verify_dataset(made, sample=30, rng=rng())
    assert report.ok
    assert len(report.sampled) == 30
    assert verify_dataset(made, sample=1_000, rng=rng()).sampled == list(range(120))


def test_a_doctored_unit_is_caught_by_making_it_again(made: Path, copy: Path) -> None:
    doctor(copy)
    report = verify_dataset(copy, sample=120, rng=rng())
    assert [(failure.kind, failure.unit) for failure in report.failures] == [("unit", 57)]
    assert "unit 57" in str(report.failures[0])
    assert json.dumps(report.to_dict())


def test_a_doctored_unit_is_caught_by_the_published_root_without_a_sample(made: Path, copy: Path) -> None:
    doctor(copy)
    published = load_manifest(made).merkle_root
    report = verify_dataset(copy, sample=0, rng=rng(), published_root=published)
    assert [failure.kind for failure in report.failures] == ["root"]


def test_a_part_of_a_data_set_is_proven_without_the_other_files(made: Path) -> None:
    manifest, read = load_manifest(made), []

    def fetch(file: str) -> bytes:
        read.append(file)
        return (made / file).read_bytes()

    leaves = (made / "leaves.bin").read_bytes()
    report = verify_shards(manifest, fetch, sample=1, rng=rng(), leaves=leaves, whole=False)
    assert report.ok
    assert not report.whole
    assert len(read) == 1 < len(manifest.shards)
    everything = verify_shards(manifest, fetch, sample=1, rng=rng(), leaves=leaves)
    assert everything.whole
    assert len(read) == 1 + len(manifest.shards)


def read_nothing(file: str) -> bytes:
    raise AssertionError(f"{file} was read")


def test_a_part_that_was_doctored_is_caught(made: Path, copy: Path) -> None:
    doctor(copy)
    published = load_manifest(made).merkle_root
    leaves = (copy / "leaves.bin").read_bytes()
    report = verify_shards(
        load_manifest(copy), read_nothing, sample=0, rng=rng(), leaves=leaves, whole=False, published_root=published
    )
    assert [failure.kind for failure in report.failures] == ["root"]


@pytest.mark.parametrize("damage", ["short", "long", "other", "empty"])
def test_leaves_that_do_not_belong_to_the_data_set_are_reported(damage: str, copy: Path) -> None:
    path = copy / "leaves.bin"
    data = path.read_bytes()
    path.write_bytes(
        {"short": data[:-32], "long": data + data[:32], "other": data[32:] + data[:32], "empty": b""}[damage]
    )
    report = verify_dataset(copy, sample=2, rng=rng())
    assert [failure.kind for failure in report.failures] == ["leaves"]
    assert report.whole, "without leaves every file is read"


def test_missing_cut_and_exchanged_files_are_each_reported(copy: Path) -> None:
    first, second, third = sorted((copy / "data").iterdir())
    first.unlink()
    second.write_bytes(third.read_bytes())
    third.write_bytes(b"PAR1")
    report = verify_dataset(copy, sample=120, rng=rng())
    assert {failure.where for failure in report.failures} == {f"data/{path.name}" for path in (first, second, third)}


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"manifest\.json"):
        verify_dataset(tmp_path, sample=1, rng=rng())


def test_hugging_face_datasets_reads_the_shards(made: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import
        from datasets import load_dataset

        read = load_dataset("parquet", data_files=str(made / "data/*.parquet"), split="train", cache_dir=str(tmp_path))
        row = read[57]
    unit = digits().unit(digit_params(), 5, 57)
    assert read.features["label"].names == [str(digit) for digit in range(10)]
    assert (row["index"], row["label"]) == (57, unit.label)
    assert row["image"].size == (8, 8)
    assert (np.asarray(row["image"]) == (unit.image.astype(int) * 255 + 8) // 16).all()


def test_duckdb_counts_the_classes(made: Path) -> None:
    import duckdb

    query = f"select label, count(*) from read_parquet('{made}/data/*.parquet') group by label order by label"
    counts = dict(duckdb.sql(query).fetchall())
    assert [counts.get(digit, 0) for digit in range(10)] == load_manifest(made).class_counts


def test_croissant_metadata_validates_and_reads(made: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import
        import mlcroissant

        described = mlcroissant.Dataset(jsonld=str(made / "croissant.json"))
        records = list(described.records("units"))
    assert not described.metadata.issues.errors
    assert [record["units/index"] for record in records] == list(range(120))
    assert records[0]["units/image"].size == (8, 8)


def test_the_card_names_generator_root_and_licence(made: Path) -> None:
    text = (made / "README.md").read_text()
    assert text.startswith("---\nlicense:")
    assert all(word in text for word in ("digits", load_manifest(made).merkle_root, "CC0-1.0", "pen_width"))


def test_parquet_export_is_the_data_set_again(made: Path, tmp_path: Path) -> None:
    out = export_dataset(made, "parquet", tmp_path / "out")
    assert verify_dataset(out, sample=0, rng=rng()).ok


def test_image_folder_export_has_one_picture_a_unit_in_its_class(made: Path, tmp_path: Path) -> None:
    out = export_dataset(made, "imagefolder", tmp_path / "out")
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 120
    for row in rows:
        assert row["file_name"].split("/")[0] == str(row["label"])
        with Image.open(out / row["file_name"]) as picture:
            assert picture.size == (8, 8)


def test_json_lines_export_keeps_the_annotations(made: Path, tmp_path: Path) -> None:
    out = export_dataset(made, "jsonl", tmp_path / "out")
    rows = [json.loads(line) for line in (out / "units.jsonl").read_text().splitlines()]
    assert rows[57]["annotations"] == digits().unit(digit_params(), 5, 57).annotations
    assert (out / rows[57]["image"]).exists()


def test_coco_export_has_boxes_and_is_refused_where_there_are_none(made: Path, tmp_path: Path) -> None:
    generate_dataset(SQUARES, SquaresParams(), seed=1, units=9, out=tmp_path / "squares")
    out = export_dataset(tmp_path / "squares", "coco", tmp_path / "coco")
    document = json.loads((out / "annotations.json").read_text())
    assert [len(document[key]) for key in ("images", "annotations", "categories")] == [9, 9, 2]
    assert document["annotations"][0]["area"] == 16
    with pytest.raises(BadExport, match="boxes"):
        export_dataset(made, "coco", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_class_name_cannot_leave_its_folder(tmp_path: Path) -> None:
    generate_dataset(SQUARES, SquaresParams(), seed=1, units=9, out=tmp_path / "squares")
    out = export_dataset(tmp_path / "squares", "imagefolder", tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {"red", "1_green_blue", "metadata.jsonl"}


def test_unknown_formats_and_full_folders_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(BadExport, match="imagefolder"):
        export_dataset(made, "floppy", tmp_path / "out")
    with pytest.raises(OtherDataset):
        export_dataset(made, "parquet", made)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_preview_is_the_same_picture_twice(theme: str) -> None:
    once = preview(digits(), digit_params(), seed=3, columns=4, theme=theme)  # type: ignore[arg-type]
    assert once == preview(digits(), digit_params(), seed=3, columns=4, theme=theme)  # type: ignore[arg-type]
    assert once.startswith(b"\x89PNG")


def test_a_preview_of_pictures_in_colour_and_in_order() -> None:
    assert preview(SQUARES, SquaresParams(), seed=3, columns=5, rows=1).startswith(b"\x89PNG")
    with pytest.raises(BadDataset, match="columns"):
        preview(SQUARES, SquaresParams(), seed=3, columns=500)

"""Real data from folders: what was exported comes back, broken and hostile folders are refused by name."""

from __future__ import annotations

import csv
import io
import json
import shutil
import warnings
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_builders import BLOCKS, TONES, NoParams
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from real_data import real_data

from neuromation.kernel.errors import Invalid, TooLarge
from neuromation.synthetic import BadImport, OtherDataset, export_dataset, generate_dataset
from neuromation.synthetic.annotations import objects_of
from neuromation.synthetic.formats import real, sources
from neuromation.synthetic.formats.labelled import read_labelled
from neuromation.synthetic.formats.real import RealSample, encode_real, read_real
from neuromation.synthetic.importing import import_folder, load_real, real_tables, split_by_name

PARAMS = NoParams()
UNITS = 8


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated set in every form that can be imported again, to be read only."""
    root = tmp_path_factory.mktemp("exported")
    for generator, formats in ((BLOCKS, ("coco", "yolo", "voc")), (TONES, ("audiofolder",))):
        generate_dataset(generator, PARAMS, seed=2, units=UNITS, out=root / generator.name)
        for format in formats:
            export_dataset(root / generator.name, format, root / format)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder of real data."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def samples_of(out: Path) -> list[RealSample]:
    return [sample for table in real_tables(out) for sample in table.samples]


def picture(size: tuple[int, int] = (12, 8), *, format: str = "PNG", turn: int = 0) -> bytes:
    sink = io.BytesIO()
    shown = Image.new("RGB", size, "#804020")
    shown.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    if turn:
        exif[0x0112] = turn
    shown.save(sink, format, exif=exif)
    return sink.getvalue()


def recording(rate: int = 8000, samples: int = 80) -> bytes:
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\1\2" * samples)
    return sink.getvalue()


def put(folder: Path, name: str, data: bytes | str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def coco(folder: Path, *, name: str = "dev.json", **changes: Any) -> None:
    """A document of one picture with one box."""
    image = {"id": 1, "file_name": "a.png", "width": 12, "height": 8, **changes.pop("image", {})}
    mark = {"id": 1, "image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4], **changes.pop("mark", {})}
    document = {"images": [image], "annotations": [mark], "categories": [{"id": 4, "name": "die"}], **changes}
    put(folder, name, json.dumps(document))


@pytest.mark.parametrize("format", ["coco", "yolo", "voc"])
def test_objects_survive_being_exported_and_imported(exported: Path, tmp_path: Path, format: str) -> None:
    facts = import_folder(exported / format, format, tmp_path / "out")
    assert facts.samples == UNITS
    for sample in samples_of(tmp_path / "out"):
        unit = BLOCKS.unit(PARAMS, 2, int(Path(sample.file).stem))
        found = objects_of(sample.annotations, facts.classes)
        wanted = [thing for thing in objects_of(unit.annotations, BLOCKS.classes) if not thing.is_null]
        assert [thing.name for thing in found] == [thing.name for thing in wanted]
        for one, other in zip(found, wanted, strict=True):
            assert one.box == pytest.approx(other.box, abs=1e-3)
            assert format != "coco" or one.rle == other.rle
        assert (sample.pixels() == unit.picture).all()


def test_recordings_survive_being_exported_and_imported(exported: Path, tmp_path: Path) -> None:
    facts = import_folder(exported / "audiofolder", "audiofolder", tmp_path / "out")
    assert (facts.kind, facts.samples) == ("audio", UNITS)
    for sample in samples_of(tmp_path / "out"):
        assert sample.label is not None
        assert sample.file.startswith(facts.classes[sample.label])
        assert sample.annotations["duration_s"] == 0.2


@given(st.text(min_size=1, max_size=20), st.floats(0, 1))
def test_a_files_split_depends_on_its_name_alone(name: str, share: float) -> None:
    shares = {"validation": share, "test": 1 - share}
    assert split_by_name(name, shares) == split_by_name(name, dict(shares)) in shares


def test_splits_by_name_have_about_their_shares() -> None:
    drawn = [split_by_name(f"{number}.jpg", {"validation": 0.3, "test": 0.7}) for number in range(3_000)]
    # Binomial: a standard deviation of 25.
    assert abs(drawn.count("validation") - 900) < 125


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("dev_train", "train"),
        ("instances_val2017", "validation"),
        ("dev", ""),
        ("Testing", "test"),
        ("valid", "validation"),
    ],
)
def test_names_tell_splits(name: str, split: str) -> None:
    assert sources.split_of(name) == split


def test_a_folder_a_class_and_a_folder_a_split(folder: Path, tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"):
        put(folder, name, picture((5 + len(name), 9)))
    facts = import_folder(folder, "imagefolder", tmp_path / "out")
    assert (facts.classes, facts.splits) == (["cat", "dog"], {"test": 1, "train": 2})
    assert [sample.label for sample in samples_of(tmp_path / "out")] == [0, 0, 1]


def test_a_table_names_files_classes_splits_and_more(folder: Path, tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "10.png"):
        put(folder, name, picture())
    with (folder / "index.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([["file", "digit", "split", "who"], ["10.png", "10", "val", "ann"], ["2.png", "2", "x", "bob"]])
    facts = import_folder(folder, "imagefolder", tmp_path / "out")
    assert (facts.classes, facts.splits) == (["2", "10"], {"validation": 1, "x": 1})
    assert samples_of(tmp_path / "out")[0].annotations["who"] == "ann"
    facts = import_folder(folder, "imagefolder", tmp_path / "by-name", class_column="who")
    assert facts.classes == ["ann", "bob"]


@pytest.mark.parametrize("turn", range(2, 9))
def test_pictures_are_turned_upright(folder: Path, tmp_path: Path, turn: int) -> None:
    put(folder, "a/1.jpg", picture(format="JPEG", turn=turn))
    import_folder(folder, "imagefolder", tmp_path / "out")
    (sample,) = samples_of(tmp_path / "out")
    size = (8, 12) if turn >= 5 else (12, 8)
    assert (sample.annotations["width"], sample.annotations["height"]) == size
    with Image.open(io.BytesIO(sample.data)) as stored:
        assert stored.size == size
        assert not stored.getexif()


@pytest.mark.parametrize(("size", "kept"), [((12, 8), (12, 8)), ((8, 12), (8, 12))])
def test_boxes_fit_the_picture_that_their_document_describes(
    folder: Path, tmp_path: Path, size: tuple[int, int], kept: tuple[int, int]
) -> None:
    put(folder, "a.jpg", picture(format="JPEG", turn=6))  # lies as 12 x 8, stands as 8 x 12
    coco(folder, image={"file_name": "a.jpg", "width": size[0], "height": size[1]})
    import_folder(folder, "coco", tmp_path / "out")
    (sample,) = samples_of(tmp_path / "out")
    assert sample.pixels().shape == (kept[1], kept[0], 3)


def test_a_picture_of_20_000_pixels_a_side_is_refused_before_it_is_decoded(folder: Path, tmp_path: Path) -> None:
    header = bytearray(picture())
    header[16:24] = (20_000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    put(folder, "a/huge.png", bytes(header))
    with pytest.raises(BadImport, match=r"a/huge\.png.*pixels"):
        import_folder(folder, "imagefolder", tmp_path / "out")


@pytest.mark.parametrize("size", [(5_000, 4_000), (9_000, 9_000), (20_000, 20_000)])
def test_too_many_pixels_are_an_error_of_their_own(size: tuple[int, int]) -> None:
    sink = io.BytesIO()
    Image.new("1", size).save(sink, "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TooLarge, match="pixels"):
            real.open_picture(sink.getvalue(), "huge.png")


def test_every_broken_file_is_named_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    put(folder, "a/good.png", picture())
    put(folder, "a/cut.jpg", picture((300, 200), format="JPEG")[:-400])
    put(folder, "a/empty.png", b"")
    put(folder, "a/text.png", b"hello")
    with pytest.raises(BadImport) as refusal:
        import_folder(folder, "imagefolder", tmp_path / "out")
    assert all(name in refusal.value.message for name in ("3 of 4", "a/cut.jpg", "a/empty.png", "a/text.png"))
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    facts = import_folder(folder, "imagefolder", tmp_path / "out", skip_broken=True)
    assert (facts.samples, len(facts.left_out)) == (1, 3)


@pytest.mark.parametrize("data", [b"", b"RIFF", recording()[:-40], recording(samples=0), b"OggS" + b"0" * 90])
def test_broken_recordings_are_named(folder: Path, tmp_path: Path, data: bytes) -> None:
    put(folder, "one/a.wav", data)
    with pytest.raises(BadImport, match=r"one/a\.wav"):
        import_folder(folder, "audiofolder", tmp_path / "out")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "images/../../secret.png", "..\\secret.png"])
def test_a_path_that_climbs_out_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    put(tmp_path, "secret.png", picture())
    coco(folder, image={"file_name": name})
    with pytest.raises(BadImport, match="leads out"):
        import_folder(folder, "coco", tmp_path / "out")
    (folder / "dev.json").unlink()
    put(folder, "index.csv", f"file,label\n{name},x\n")
    with pytest.raises(BadImport, match="leads out"):
        import_folder(folder, "imagefolder", tmp_path / "out")


def test_a_link_that_leads_out_is_refused(folder: Path, tmp_path: Path) -> None:
    put(tmp_path, "secret/1.png", picture())
    (folder / "a").mkdir()
    (folder / "a/1.png").symlink_to(tmp_path / "secret/1.png")
    with pytest.raises(BadImport, match="leads out"):
        import_folder(folder, "imagefolder", tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": {"width": 99}}, "document says 99"),
        ({"mark": {"bbox": [1, 2, 3]}}, "no 4 numbers"),
        ({"mark": {"bbox": [1, 2, float("nan"), 3]}}, "no 4 numbers"),
        ({"mark": {"bbox": "all"}}, "no 4 numbers"),
        ({"mark": {"image_id": 9}}, "not there"),
        ({"mark": {"category_id": 9}}, "not there"),
        ({"image": {"file_name": "lost.png"}}, "lost.png"),
        ({"images": 5}, "not as COCO"),
        ({"images": [{}]}, "not as COCO"),
        ({"images": [], "annotations": []}, "no COCO document"),
    ],
)
def test_a_wrong_coco_document_is_refused(folder: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    put(folder, "a.png", picture())
    coco(folder, **changes)
    with pytest.raises(BadImport, match=words):
        import_folder(folder, "coco", tmp_path / "out")


def test_a_box_is_cut_at_the_pictures_border(folder: Path, tmp_path: Path) -> None:
    put(folder, "images/a.png", picture())
    coco(folder, mark={"bbox": [-2, 5, 40, 40]})
    import_folder(folder, "coco", tmp_path / "out")
    assert samples_of(tmp_path / "out")[0].annotations["objects"][0]["bbox"] == [0, 5, 12, 3]


@pytest.mark.parametrize(
    "line", ["0 1 2", "9 0.5 0.5 0.1 0.1", "x 0 0 0 0", "0 5 5 1 1", "0 0.1 0.2 0.3 0.4 0.5", "0 nan 0 0 0"]
)
def test_a_wrong_yolo_line_is_refused_by_its_number(folder: Path, tmp_path: Path, line: str) -> None:
    put(folder, "images/a.png", picture())
    put(folder, "labels/a.txt", f"0 0.5 0.5 0.1 0.1\n{line}\n")
    put(folder, "data.yaml", "train: images\nnames: [die]\n")
    with pytest.raises(BadImport, match=r"a\.txt, line 2"):
        import_folder(folder, "yolo", tmp_path / "out")


def test_yolo_outlines_become_boxes_and_pictures_without_labels_are_background(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(folder, f"train/images/{name}.png", picture((10, 10)))
    put(folder, "train/labels/a.txt", "1 0.1 0.2 0.5 0.2 0.3 0.9")
    put(folder, "data.yaml", "train: ../train/images\nnames: {0: x, 1: y}\n")
    import_folder(folder, "yolo", tmp_path / "out")
    one, two = samples_of(tmp_path / "out")
    assert one.annotations["objects"][0]["bbox"] == pytest.approx([1, 2, 4, 7])
    assert (two.annotations["objects"], two.split) == ([], "train")


@pytest.mark.parametrize(
    "text", ["names: [a", "train: images", "- 1", "names: [a]\ntrain: /etc", "names: [a]\ntrain: ../.."]
)
def test_a_wrong_data_yaml_is_refused(folder: Path, tmp_path: Path, text: str) -> None:
    put(folder, "data.yaml", text)
    with pytest.raises(BadImport):
        import_folder(folder, "yolo", tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "<annotation><object><name>a</name></object></annotation>",
        "<annotation>",
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
        "<annotation><filename>../../x.png</filename></annotation>",
    ],
)
def test_a_wrong_voc_file_is_refused(folder: Path, tmp_path: Path, text: str) -> None:
    put(folder, "JPEGImages/a.png", picture())
    put(folder, "Annotations/a.xml", text)
    with pytest.raises(BadImport):
        import_folder(folder, "voc", tmp_path / "out")


@pytest.mark.parametrize("format", ["coco", "yolo", "voc", "imagefolder", "audiofolder", "floppy"])
def test_an_empty_folder_is_refused(folder: Path, tmp_path: Path, format: str) -> None:
    with pytest.raises(BadImport):
        import_folder(folder, format, tmp_path / "out")


def test_full_folders_and_absurd_shares_are_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(OtherDataset):
        import_folder(exported / "coco", "coco", exported)
    for shares in ({}, {"a": 0.5}, {"a": -1.0, "b": 2.0}):
        with pytest.raises(BadImport, match="add up to 1"):
            import_folder(exported / "coco", "coco", tmp_path / "out", splits=shares)


def test_a_table_reads_what_it_wrote_and_hugging_face_too(exported: Path, tmp_path: Path) -> None:
    import_folder(exported / "coco", "coco", tmp_path / "out")
    (table,) = real_tables(tmp_path / "out")
    again = read_real(encode_real(table.samples, kind=table.kind, classes=table.classes))
    assert again == table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import
        from datasets import load_dataset

        read = load_dataset(
            "parquet", data_files=str(tmp_path / "out/data/*.parquet"), split="train", cache_dir=str(tmp_path / "cache")
        )
    for row, sample in zip(read, table.samples, strict=True):
        assert (np.asarray(row["image"]) == sample.pixels()).all()
        assert (row["split"], json.loads(row["annotations"])) == (sample.split, sample.annotations)


def test_pictures_of_one_size_with_a_class_are_also_a_labelled_table(folder: Path, tmp_path: Path) -> None:
    for number in range(4):
        put(folder, f"{number % 2}/{number}.png", picture((8, 8)))
    import_folder(folder, "imagefolder", tmp_path / "out")
    found = read_labelled((tmp_path / "out/data/real-00000.parquet").read_bytes())
    assert (found.images.shape, found.classes) == ((4, 8, 8), ("0", "1"))


@given(st.binary(max_size=60) | st.just(b"PAR1"))
def test_bytes_that_are_no_table_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        read_real(data)


def test_labels_out_of_the_classes_are_refused() -> None:
    with pytest.raises(BadImport, match="label 3"):
        encode_real([RealSample("a", "test", 3, {}, b"")], kind="image", classes=["a"])


# -- the real sets ----------------------------------------------------------------------------------------------------


def test_the_dice_photos_are_taken_over(tmp_path: Path) -> None:
    facts = import_folder(real_data("dice"), "coco", tmp_path / "out")
    assert facts.classes == ["one", "two", "three", "four", "five", "six"]
    found = samples_of(tmp_path / "out")
    assert sum(len(sample.annotations["objects"]) for sample in found) == 1_487
    assert set(facts.splits) == {"test", "validation"}


def test_the_blood_smears_are_taken_over_with_their_splits(tmp_path: Path) -> None:
    facts = import_folder(real_data("bccd"), "coco", tmp_path / "out")
    assert (facts.classes, facts.splits) == (["RBC", "WBC", "Platelets"], {"train": 205, "validation": 87})


def test_the_grocery_photos_are_taken_over_by_their_tables(tmp_path: Path) -> None:
    facts = import_folder(real_data("grocery"), "imagefolder", tmp_path / "out")
    assert facts.splits == {"train": 648, "validation": 296}
    assert facts.classes[:2] == ["Golden-Delicious", "Granny-Smith"]


def test_the_spoken_digits_are_taken_over_by_their_table(tmp_path: Path) -> None:
    folder = real_data("fsdd")
    facts = import_folder(folder, "audiofolder", tmp_path / "out", splits={"validation": 1.0})
    assert (facts.classes, facts.splits) == ([str(n) for n in range(10)], {"validation": 300})
    assert samples_of(tmp_path / "out")[0].annotations["speaker"] == "george"
    assert load_real(tmp_path / "out") == facts
    shutil.rmtree(tmp_path / "out")

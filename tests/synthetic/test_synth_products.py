"""Catalogues of products: read in a stream, told apart by content, and able to grow without changing what was made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.products.builtin import BUILT_IN_MAX, built_in_catalogue, built_in_product
from neuromation.synthetic.products.choosing import choose, unit_weights
from neuromation.synthetic.products.model import FORMS, product_key
from neuromation.synthetic.products.packshots import photo_path
from neuromation.synthetic.products.store import StoredCatalogue, import_catalogue, open_catalogue

HEAD = "sku,name,brand,class,coarse_class,form,width_mm,depth_mm,height_mm,packshot"
ROW = "A1,Alva milk,Alva,milk,dairy,gable,70,70,235,"


def keys_of(count: int) -> np.ndarray:
    return np.array([product_key(f"SKU {number}") for number in range(count)], dtype=np.uint64)


def a_folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir(exist_ok=True)
    Image.new("RGB", (60, 90), (200, 30, 40)).save(images / "red.png")
    Image.new("RGB", (60, 90), (20, 30, 240)).save(images / "blue.jpg")
    return images


def imported(tmp_path: Path, *rows: str, head: str = HEAD, decode: bool = True) -> StoredCatalogue:
    table = tmp_path / "products.csv"
    table.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return import_catalogue(table, a_folder(tmp_path), home=tmp_path / "home", decode=decode)


def refused(tmp_path: Path, *rows: str, head: str = HEAD) -> str:
    with pytest.raises(BadCatalogue) as caught:
        imported(tmp_path, *rows, head=head)
    assert not list((tmp_path / "home").iterdir()), "a refused catalogue leaves nothing behind"
    return caught.value.message


@given(st.integers(1, 60), st.integers(0, 2**63 - 1), st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=150)
def test_one_more_product_changes_only_units_that_show_it_and_there_one_place(
    products: int, seed: int, unit: int, count: int
) -> None:
    before = choose(keys_of(products), seed=seed, unit=unit, count=count)
    after = choose(keys_of(products + 1), seed=seed, unit=unit, count=count)
    new = products
    if new not in after:
        assert after == before
    else:
        rest = [number for number in after if number != new]
        assert rest == before[: len(rest)] and len(before) - len(rest) <= 1


def test_a_new_product_comes_into_no_more_units_than_its_fair_share() -> None:
    small, large = keys_of(200), keys_of(201)
    changed = sum(
        choose(small, seed=5, unit=unit, count=1) != choose(large, seed=5, unit=unit, count=1) for unit in range(2_000)
    )
    assert 1 <= changed <= 30  # 2,000 / 201 = 10 are expected


@given(st.integers(0, 2**63 - 1), st.integers(0, 10_000))
@settings(max_examples=50)
def test_the_order_of_the_catalogue_does_not_decide_what_is_shown(seed: int, unit: int) -> None:
    keys = keys_of(50)
    straight = [int(keys[number]) for number in choose(keys, seed=seed, unit=unit, count=9)]
    reverse = keys[::-1].copy()
    assert [int(reverse[number]) for number in choose(reverse, seed=seed, unit=unit, count=9)] == straight


def test_all_products_are_shown_about_equally_often() -> None:
    shown = np.zeros(100)
    for unit in range(1_000):
        shown[choose(keys_of(100), seed=1, unit=unit, count=10)] += 1
    assert shown.min() > 60 and shown.max() < 145  # 100 each, give or take four standard deviations


def test_a_weight_is_a_known_number_on_every_machine() -> None:
    weights = unit_weights(np.array([1, 2], dtype=np.uint64), seed=7, unit=3)
    assert [int(weight) for weight in weights] == [14851775650478265472, 11391725484186208975]


@given(st.integers(0, BUILT_IN_MAX - 1))
@settings(max_examples=100)
def test_built_in_products_fit_the_limits_of_imported_ones(number: int) -> None:
    product = built_in_product(number)
    catalogue = built_in_catalogue()
    assert product.form in FORMS and all(0.01 <= side <= 0.8 for side in product.size_m)
    assert product.category in catalogue.names("class", 1) and product.coarse in catalogue.names("coarse", 1)
    assert int(catalogue.keys[number]) == product_key(product.sku)


def test_an_imported_catalogue_gives_back_what_its_table_says(tmp_path: Path) -> None:
    catalogue = imported(
        tmp_path,
        ROW,
        "B2,Bel cola,Bel,soda,drinks,can,66,66,115,red.png",
        "",
        "C3,Corvo,,tea,,carton,120,60,80,blue.jpg",
    )
    assert len(catalogue) == 3 and catalogue.product(0).size_m == (0.07, 0.07, 0.235)
    assert catalogue.product(1).packshot is not None and catalogue.product(2).coarse == "tea"
    assert catalogue.packshot_pixels(catalogue.product(1)).shape == (90, 60, 3)
    assert list(catalogue.names("class", 3)) == ["milk", "soda", "tea"]
    assert list(catalogue.names("sku", 3)) == ["A1", "B2", "C3"] and catalogue.number_of("B2") == 1
    assert open_catalogue(catalogue.reference, home=tmp_path / "home").product(2) == catalogue.product(2)


def test_equal_content_has_one_name_and_other_content_another(tmp_path: Path) -> None:
    one = imported(tmp_path, ROW)
    assert imported(tmp_path, ROW).reference == one.reference
    assert imported(tmp_path, ROW.replace("70", "71")).reference != one.reference


def test_appended_products_leave_numbers_and_classes_alone(tmp_path: Path) -> None:
    small = imported(tmp_path, ROW, "B2,Bel cola,Bel,soda,drinks,can,66,66,115,")
    large = imported(tmp_path, ROW, "B2,Bel cola,Bel,soda,drinks,can,66,66,115,", "C3,Corvo,,tea,,carton,120,60,80,")
    assert list(large.names("class", 3))[:2] == list(small.names("class", 2)) == list(large.names("class", 2))
    assert [large.product(number) for number in range(2)] == [small.product(number) for number in range(2)]


def test_ten_thousand_rows_are_indexed_and_read_by_number(tmp_path: Path) -> None:
    catalogue = imported(tmp_path, *(f"S{n},Name {n},,milk,dairy,gable,70,70,{100 + n % 200}," for n in range(10_001)))
    assert catalogue.product(9_999).sku == "S9999" and catalogue.number_of("S123") == 123
    with pytest.raises(BadCatalogue, match="label by class"):
        catalogue.names("sku", 10_001)


ERRORS = [
    ("A1,x,,milk,,box,70,70,235,", "line 2: form 'box' is unknown"),
    ("A1,x,,milk,,gable,7000,70,235,", "line 2: width_mm is 7000; a package has 10 to 800 mm"),
    ("A1,x,,milk,,gable,70,nan,235,", "line 2: depth_mm is nan"),
    ("A1,x,,milk,,gable,70,70,tall,", "line 2: height_mm 'tall' is no number"),
    ("A1,x,,milk,,gable,70,70", "line 2: 8 cells are fewer"),
    (",x,,milk,,gable,70,70,235,", "line 2: sku has 0 characters"),
    ("A1,x,,milk,,gable,70,70,235,none.png", "line 2: the photo 'none.png' cannot be read"),
    ("A1,x,,milk,,gable,70,70,235,../secret.png", "line 2: the path '../secret.png' leaves the folder"),
    ("A1,x,,milk,,gable,70,70,235,/etc/passwd", "line 2: the path '/etc/passwd' leaves the folder"),
    ("A1,x,,milk,,gable,70,70,235,cut.png", "line 2: the photo 'cut.png' is damaged"),
    ("A1,x,,milk,,gable,70,70,235,cut.jpg", "line 2: the photo 'cut.jpg' is damaged"),
    ("A1,x,,milk,,gable,70,70,235,text.png", "line 2: the photo 'text.png' is no readable PNG"),
    ("A1,x,,milk,,gable,70,70,235,huge.png", "line 2: the photo 'huge.png' has over 40,000,000 pixels"),
    ("A1,x,,milk,,gable,70,70,235,wide.png", "line 2: the photo 'wide.png' is 9000 x 20 pixels"),
    ("A1,x,,milk,,gable,70,70,235,away.png", "line 2: the path 'away.png' leads out of the folder"),
    ('A1,"x,,milk', "this is no CSV"),
]


@pytest.mark.parametrize(("row", "message"), ERRORS)
def test_a_bad_row_is_told_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    images = a_folder(tmp_path)
    Image.effect_noise((200, 200), 80).save(images / "noise.png")
    Image.effect_noise((200, 200), 80).save(images / "noise.jpg")
    (images / "cut.png").write_bytes((images / "noise.png").read_bytes()[:9_000])
    (images / "cut.jpg").write_bytes((images / "noise.jpg").read_bytes()[:5_000])
    (images / "text.png").write_text("this is no picture")
    (images / "huge.png").write_bytes(head_of_png(20_000, 20_000))
    (images / "wide.png").write_bytes(head_of_png(9_000, 20))
    Image.new("RGB", (60, 90)).save(tmp_path / "outside.png")
    (images / "away.png").symlink_to(tmp_path / "outside.png")
    assert message in refused(tmp_path, row)


def head_of_png(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing: what a decompression bomb looks like."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    assert "line 1: the columns class, depth_mm are missing" in refused(
        tmp_path, "1", head="sku,name,form,width_mm,height_mm"
    )


def test_a_double_sku_names_both_lines(tmp_path: Path) -> None:
    assert "line 3: SKU 'A1' was already in line 2" in refused(tmp_path, ROW, ROW)


def test_a_catalogue_without_products_is_refused(tmp_path: Path) -> None:
    assert "holds no product" in refused(tmp_path)


def test_many_faults_are_told_together_and_counted(tmp_path: Path) -> None:
    message = refused(tmp_path, *(f"S{n},x,,milk,,box,70,70,235," for n in range(25)))
    assert "line 2:" in message and "line 11:" in message and "line 12:" not in message and "15 more" in message


def test_a_photo_that_changed_after_the_import_is_refused(tmp_path: Path) -> None:
    catalogue = imported(tmp_path, "B2,Bel cola,Bel,soda,drinks,can,66,66,115,red.png")
    Image.new("RGB", (60, 90), (1, 2, 3)).save(tmp_path / "images" / "red.png")
    with pytest.raises(BadCatalogue, match="has changed"):
        catalogue.packshot_pixels(catalogue.product(0))


def test_a_catalogue_that_is_not_here_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadCatalogue, match="is not on this machine"):
        open_catalogue("sha256:" + "0" * 64, home=tmp_path)
    with pytest.raises(BadCatalogue, match="names no catalogue"):
        open_catalogue("../../etc", home=tmp_path)


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    reference = imported(tmp_path, ROW).reference
    (tmp_path / "home" / reference.removeprefix("sha256:") / "keys.npy").write_bytes(b"")
    with pytest.raises(BadCatalogue, match="damaged"):
        StoredCatalogue(tmp_path / "home" / reference.removeprefix("sha256:"))


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_no_path_leaves_the_folder_of_images(tmp_path_factory: pytest.TempPathFactory, file: str) -> None:
    folder = tmp_path_factory.getbasetemp().resolve()
    try:
        path = photo_path(folder, file)
    except BadCatalogue:
        return
    assert path.is_relative_to(folder)

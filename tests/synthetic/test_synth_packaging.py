"""The art of packages: the same key gives the same bytes, its words are those asked for, its bar codes scan."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene import fonts, packaging
from neuromation.synthetic.scene.packaging import FACES, design_for, face, price_label
from neuromation.synthetic.scene.packaging_canvas import Canvas, ellipse, linear, polygon, rectangle, rounded, star
from neuromation.synthetic.scene.packaging_design import brightness, ink_on, legible
from neuromation.synthetic.scene.packaging_layouts import LAYOUTS
from neuromation.synthetic.scene.packaging_packshot import cutout, packshot_texture, packshot_tone, product_mask
from neuromation.synthetic.scene.packaging_pictures import PICTURES
from neuromation.synthetic.scene.packaging_words import GOODS, ean_bars, ean_check_digit

coordinates = st.floats(-20, 60, allow_nan=False)


def covered(path: object, width: int = 40, height: int = 40) -> float:
    """The area that a black path covers on a white canvas, pixels."""
    canvas = Canvas(width, height)
    canvas.fill(path, (0.0, 0.0, 0.0))  # type: ignore[arg-type]
    return float((255.0 - canvas._pixels[:, :, 0]).sum()) / 255.0


@given(x=st.floats(0, 20), y=st.floats(0, 20), w=st.floats(0.1, 18), h=st.floats(0.1, 18))
def test_the_coverage_of_a_rectangle_is_its_area(x: float, y: float, w: float, h: float) -> None:
    # What a pixel loses below 0.05 % coverage is left out.
    assert covered(rectangle(x, y, w, h)) == pytest.approx(w * h, abs=0.1)


@given(points=st.lists(st.tuples(st.floats(2, 38), st.floats(2, 38)), min_size=3, max_size=3))
def test_the_coverage_of_a_triangle_is_its_area(points: list[tuple[float, float]]) -> None:
    (ax, ay), (bx, by), (cx, cy) = points
    area = 0.5 * abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    assert covered(polygon(points)) == pytest.approx(area, abs=0.15)


def test_round_shapes_have_their_areas() -> None:
    assert covered(ellipse(20, 20, 12, points=200)) == pytest.approx(np.pi * 144, rel=2e-3)
    assert covered(rounded(5, 5, 20, 10, 4)) == pytest.approx(200 - (4 - np.pi) * 16, rel=1e-2)
    assert covered(star(20, 20, 15, 15, 32)) == pytest.approx(np.pi * 225, rel=1e-2)


@given(points=st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9))
@example(points=[(0.0, 0.0), (0.0, 2.0), (1.0, 2.225073858507203e-309)])  # a slope beyond the largest float
def test_any_path_stays_on_the_canvas(points: list[tuple[float, float]]) -> None:
    canvas = Canvas(24, 18, (10.0, 20.0, 30.0))
    canvas.fill(polygon(points), linear((255.0, 0.0, 0.0), (0.0, 255.0, 0.0), (0, 0), (24, 18)))
    pixels = canvas._pixels
    assert np.isfinite(pixels).all()
    assert pixels.min() >= -0.01
    assert pixels.max() <= 255.01


@pytest.mark.parametrize("name", fonts.FACES)
def test_every_face_has_the_letters_that_packages_use(name: str) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,%&"
    missing = fonts.glyph(name, "\uffff").path.points
    for letter in letters:
        path = fonts.glyph(name, letter).path
        assert len(path.points) > 2
        assert path.points.shape != missing.shape or not np.array_equal(path.points, missing)


def test_a_line_is_as_wide_as_it_says_and_fits_its_box() -> None:
    path, em = fonts.fitted("Crunchy", "sans-bold", width=100, height=30, anchor=0.0)
    left, top, right, _ = path.bounds
    assert right - left <= 100
    assert -top <= 0.8 * em
    assert em * fonts.width_of("Crunchy", "sans-bold") <= 100 + 1e-9


def test_wrapped_lines_keep_every_word() -> None:
    text = "Whole grain oats, wheat, sugar and honey"
    lines = fonts.wrapped(text, "sans", width_em=8)
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(fonts.width_of(line, "sans") <= 8 for line in lines)


def test_an_unknown_face_of_a_font_is_named() -> None:
    with pytest.raises(BadScene, match="comic"):
        fonts.line("Hello", "comic")


def test_the_check_digit_is_the_standards() -> None:
    assert ean_check_digit("590123412345") == "7"
    assert ean_check_digit("400638133393") == "1"
    with pytest.raises(BadScene, match="twelve"):
        ean_check_digit("123")
    with pytest.raises(BadScene, match="check digit"):
        ean_bars("5901234123450")


@given(number=st.integers(0, 10**12 - 1))
def test_bar_codes_can_be_read_back(number: int) -> None:
    digits = str(number).zfill(12)
    digits += ean_check_digit(digits)
    bars = ean_bars(digits)
    assert len(bars) == 95
    assert bars[:3] == bars[-3:] == "101"
    assert bars[45:50] == "01010"
    right = {"1110010": "0", "1100110": "1", "1101100": "2", "1000010": "3", "1011100": "4"}
    right |= {"1001110": "5", "1010000": "6", "1000100": "7", "1001000": "8", "1110100": "9"}
    assert "".join(right[bars[50 + 7 * k : 57 + 7 * k]] for k in range(6)) == digits[7:]
    left = [bars[3 + 7 * k : 10 + 7 * k] for k in range(6)]
    flipped = {"".join("10"[int(bit)] for bit in code): value for code, value in right.items()}
    read = [flipped[code] if code in flipped else right[code[::-1]] for code in left]
    assert "".join(read) == digits[1:7]


@settings(max_examples=25, deadline=None)
@given(key=st.one_of(st.integers(0, 10**9), st.text(min_size=1, max_size=12)), category=st.sampled_from([*GOODS, ""]))
def test_a_design_depends_on_its_key_alone(key: int | str, category: str) -> None:
    design = design_for(key, category=category)
    design_for.cache_clear()
    assert design_for(key, category=category) == design
    assert design.layout in LAYOUTS
    assert design.picture in PICTURES
    ean_bars(design.ean)


@pytest.mark.parametrize("category", GOODS)
def test_every_kind_of_goods_has_layouts_and_pictures_that_exist(category: str) -> None:
    goods = GOODS[category]
    assert set(goods.layouts) <= set(LAYOUTS)
    assert {name for name, _ in goods.pictures} <= set(PICTURES)
    assert goods.varieties and goods.claims and goods.amounts and goods.contents


def test_the_words_that_are_given_are_taken() -> None:
    design = design_for("1", brand="Brimora", title="Sun Flakes", variety="Honey", category="cereal", amount="375 g")
    assert (design.brand, design.title, design.variety, design.amount) == ("Brimora", "Sun Flakes", "Honey", "375 g")


def test_articles_of_one_brand_share_their_logo() -> None:
    one, other = design_for("1", brand="Brimora"), design_for("2", brand="Brimora", category="tea")
    assert (one.logo, one.brand_face, one.brand_colour) == (other.logo, other.brand_face, other.brand_colour)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(40, 60), (96, 20), (20, 96)])
def test_every_layout_fills_every_shape_of_face(layout: str, shape: tuple[int, int]) -> None:
    category = next(name for name, goods in GOODS.items() if layout in goods.layouts)
    design = next(found for k in range(200) if (found := design_for(k, category=category)).layout == layout)
    picture = face(design, "front", *shape)
    assert picture.shape == (shape[1], shape[0], 3)
    assert picture.std() > 5


@pytest.mark.parametrize("which", FACES)
def test_every_face_is_drawn_and_frozen(which: str) -> None:
    picture = face(design_for("face"), which, 64, 80)
    assert picture.dtype == np.uint8
    assert picture.shape == (80, 64, 3)
    assert not picture.flags.writeable
    assert bool(picture.std(axis=(0, 1)).max() > 0) == (which != "plain")


def test_faces_have_the_bytes_that_they_always_had() -> None:
    digest = hashlib.sha256()
    for key in range(12):
        digest.update(face(design_for(key), "front", 48, 64).tobytes())
    assert digest.hexdigest() == FACES_DIGEST


FACES_DIGEST = "be7f94b096b8b199293ceeededafa70f1313f0b1a0a5415a972e924318047120"


def test_a_face_that_does_not_exist_or_is_too_large_is_refused() -> None:
    with pytest.raises(BadScene, match="inside"):
        face(design_for(1), "inside", 64, 64)
    with pytest.raises(BadScene, match="2048"):
        face(design_for(1), "front", 64, 5000)
    with pytest.raises(BadScene, match="characters"):
        design_for(1, brand="x" * 200)


def test_price_tags_show_what_they_cost() -> None:
    assert not np.array_equal(price_label("Milk", 129), price_label("Milk", 199))
    assert price_label("Milk", 129, offer=True)[0, 0].tolist() != price_label("Milk", 129)[0, 0].tolist()
    with pytest.raises(BadScene, match="price"):
        price_label("Milk", 0)


@given(tone=st.tuples(st.floats(0, 255), st.floats(0, 255), st.floats(0, 255)))
def test_ink_is_legible_on_every_ground(tone: tuple[float, float, float]) -> None:
    assert abs(brightness(ink_on(tone)) - brightness(tone)) > 70
    assert abs(brightness(legible(tone, tone)) - brightness(tone)) > 62


def a_packshot(ground: int = 255) -> packaging.NDArray[np.uint8]:
    """A red pack with a blue label and a green cap before a ground."""
    image = np.full((100, 80, 3), ground, dtype=np.uint8)
    image[20:95, 20:60] = (200, 30, 30)
    image[50:70, 20:60] = (20, 30, 200)
    image[8:20, 34:46] = (20, 160, 40)
    return image


@pytest.mark.parametrize("ground", [255, 240, 0])
def test_a_packshot_is_cut_out_of_its_ground(ground: int) -> None:
    mask = product_mask(a_packshot(ground))
    assert mask[40, 40] and mask[12, 40]
    assert not mask[5, 5] and not mask[60, 70]
    cut = cutout(a_packshot(ground))
    assert cut.shape == (87, 40, 4)
    assert cut[60, 5, 3] == 255 and cut[2, 2, 3] == 0


def test_a_packshot_becomes_a_front_without_ground() -> None:
    front = packshot_texture(a_packshot(), 40, 87)
    assert front.shape == (87, 40, 3)
    assert (front[20:40, 2:38] == (200, 30, 30)).all()
    assert (front[50, 20] == (20, 30, 200)).all()
    # Beside the cap the cap's own colour goes on, not the ground's.
    assert (front[5, 3] == (20, 160, 40)).all()
    assert packshot_tone(a_packshot()) == (200.0, 30.0, 30.0)


def test_transparency_decides_where_there_is_some() -> None:
    image = np.concatenate([a_packshot(), np.zeros((100, 80, 1), dtype=np.uint8)], axis=2)
    image[30:60, 30:50, 3] = 255
    assert product_mask(image).sum() == 600


def test_a_photo_that_fills_its_frame_is_taken_whole() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
    assert product_mask(image).all()


def test_a_packshot_of_nothing_is_refused() -> None:
    with pytest.raises(BadScene, match="no product"):
        packshot_texture(np.full((60, 60, 3), 255, dtype=np.uint8))
    with pytest.raises(BadScene, match="uint8"):
        packshot_texture(np.zeros((60, 60), dtype=np.uint8))
    with pytest.raises(BadScene, match="pixels"):
        packshot_texture(np.zeros((4, 60, 3), dtype=np.uint8))

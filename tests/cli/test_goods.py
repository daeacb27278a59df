"""Generators, data sets and models: made here, fetched, converted, verified."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Run
from client.stand_in_platform import Reply, StandIn, a_version, ok
from neuromation.kernel.hashing import sha256_hex


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in two shards."""
    from neuromation.synthetic import generate_dataset, get_generator, parse_params

    out = tmp_path_factory.mktemp("data") / "digits"
    digits = get_generator("digits")
    generate_dataset(digits, parse_params(digits, {}), seed=1, units=24, out=out, shard_units=12)
    return out


@pytest.fixture
def published(platform: StandIn, folder: Path) -> Callable[..., None]:
    """Puts the folder on the platform as digits-2k@1, with `changed` files given other bytes."""

    def publish(changed: dict[str, bytes] | None = None) -> None:
        files = {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }
        root = json.loads(files["manifest.json"])["merkle_root"]
        files |= changed or {}
        platform.on("GET", "/datasets/digits-2k", ok(a_version(files, manifest={"merkle_root": root})))
        for name, data in files.items():
            platform.on("GET", f"/datasets/ver_1/files/{name}", Reply(data))

    return publish


def generate(run: Run, out: Path, *more: str) -> Any:
    done = run(
        "synth", "generate", "digits", "-n", "20", "--seed", "4", "--workers", "1", "--out", str(out), "--json", *more
    )
    assert done.code == 0, done.err
    return done.json()


def test_data_are_generated_offline_and_the_seed_decides_them(anyone: Run, tmp_path: Path) -> None:
    one = generate(anyone, tmp_path / "one", "--shard-units", "10", "--param", "noise=0.7")
    two = generate(anyone, tmp_path / "two", "--shard-units", "7", "--param", "noise=0.7")
    other = generate(anyone, tmp_path / "other")
    assert one["merkle_root"] == two["merkle_root"] != other["merkle_root"]
    assert one["params"]["noise"] == 0.7
    assert len(list((tmp_path / "one" / "data").glob("*.parquet"))) == 2


@pytest.mark.parametrize(("format", "file"), [("imagefolder", "metadata.jsonl"), ("jsonl", "units.jsonl")])
def test_data_are_generated_in_the_format_asked_for(anyone: Run, tmp_path: Path, format: str, file: str) -> None:
    generate(anyone, tmp_path / "out", "--format", format)
    assert len((tmp_path / "out" / file).read_text().splitlines()) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_generating_into_another_data_sets_folder_is_refused(anyone: Run, folder: Path) -> None:
    done = anyone("synth", "generate", "digits", "-n", "24", "--seed", "2", "--out", str(folder))
    assert done.code == 5
    assert "name another folder" in done.err


def test_an_unknown_generator_is_exit_code_3_and_a_wrong_parameter_2(anyone: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert anyone("synth", "generate", "digit", "-n", "1", "--out", out).code == 3
    done = anyone("synth", "generate", "digits", "-n", "1", "--out", out, "--param", "noise=99")
    assert done.code == 2
    assert "noise" in done.err


def test_a_generator_is_given_to_its_vendor_who_names_its_price(ada: Run, platform: StandIn) -> None:
    facts = {
        "name": "shades", "version": "1", "title": "Shades", "description": "", "modality": "image", "classes": ["light"],
        "parameters": {}, "cu_per_unit": 0.01, "royalty_per_unit": "0.0005", "vendor": "Vera", "licence": "MIT",
    }  # fmt: skip
    platform.on("PUT", "/admin/generators/shades/vendor", ok(facts))
    platform.on("PUT", "/generators/shades/royalty", ok(facts))
    assert "Vera" in ada("admin", "set-vendor", "shades", "vera@example.org").out
    assert "0.0005 NTK" in ada("generator", "price", "shades", "0.0005").out
    assert [json.loads(asked.body) for asked in platform.asked] == [
        {"email": "vera@example.org"}, {"royalty_per_unit": "0.0005"},
    ]  # fmt: skip
    for wrong in ("cheap", "1e3", "0.0000001"):
        assert ada("generator", "price", "shades", wrong).code == 2
    assert ada("generator", "price", "shades", "--", "-1").code == 2


def test_generators_are_listed_and_shown_offline(anyone: Run) -> None:
    assert "digits" in anyone("generator", "list", "--offline").out
    shown = anyone("generator", "show", "digits", "--offline", "--json").json()
    assert shown["parameters"]["properties"]["noise"]["maximum"] > 0
    assert "noise" in anyone("generator", "show", "digits", "--offline").out


def test_a_preview_is_a_picture_and_its_path_the_result(anyone: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "sheet.png"
    done = anyone("generator", "preview", "digits", "-n", "12", "--param", "noise=0.1", "--out", str(out))
    assert done.out.strip() == str(out)
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_preview_can_be_the_platforms(ada: Run, platform: StandIn, tmp_path: Path) -> None:
    platform.on("GET", "/generators/digits/preview", Reply(b"\x89PNG..."))
    done = ada("generator", "preview", "digits", "--online", "--seed", "5", "--out", str(tmp_path / "p.png"), "--json")
    assert done.json()["bytes"] == 7
    assert platform.asked[0].query == "seed=5&units=100"


def test_a_run_tells_its_cost_and_a_finished_one_makes_nothing(anyone: Run, tmp_path: Path) -> None:
    first, second = (generate(anyone, tmp_path / "out") for _ in range(2))
    assert (first["units_made"], second["units_made"]) == (20, 0)
    assert first["cpu_s_per_unit"] == pytest.approx(first["cpu_s"] / 20, rel=0.1)
    assert second["cpu_s_per_unit"] is None


def test_a_data_set_is_counted_and_drawn(anyone: Run, folder: Path, tmp_path: Path) -> None:
    done = anyone("dataset", "stats", str(folder), "--out", str(tmp_path / "page.html"))
    assert done.code == 0, done.err
    assert "duplicates" in done.out
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    told = anyone("dataset", "stats", str(folder), "--json", "--out", str(tmp_path / "page.png")).json()
    assert sum(told["labels"].values()) == told["samples"] == 24
    assert anyone("dataset", "stats", str(folder), "--out", str(tmp_path / "page.doc")).code == 2
    assert anyone("dataset", "stats", str(tmp_path / "nothing")).code == 3


def test_a_folder_of_pictures_is_imported_offline(anyone: Run, folder: Path, tmp_path: Path) -> None:
    pictures, out = str(tmp_path / "pictures"), str(tmp_path / "real")
    assert anyone("dataset", "export", str(folder), "--format", "imagefolder", "--out", pictures).code == 0
    done = anyone(
        "dataset", "import", "mine", pictures, "--format", "imagefolder", "--out", out, "--splits", "test=1", "--json"
    )
    assert done.code == 0, done.err
    assert (done.json()["splits"], done.json()["kind"]) == ({"test": 24}, "image")
    again = anyone("dataset", "import", "mine", pictures, "--format", "imagefolder", "--out", out)
    assert again.code == 5
    wrong = anyone("dataset", "import", "mine", pictures, "--format", "imagefolder", "--splits", "test=much")
    assert (wrong.code, "no number" in wrong.err) == (2, True)


def test_a_folder_of_pictures_is_published(ada: Run, platform: StandIn, folder: Path, tmp_path: Path) -> None:
    pictures = str(tmp_path / "pictures")
    assert ada("dataset", "export", str(folder), "--format", "imagefolder", "--out", pictures).code == 0
    form = ("dataset", "import", "mine", pictures, "--format", "imagefolder", "--json")
    (table,) = ada(*form, "--out", str(tmp_path / "real")).json()["files"]
    platform.on("PUT", f"/uploads/{table['sha256']}", ok({"sha256": table["sha256"], "size": table["size"]}, 201))
    platform.on("POST", "/datasets", ok(a_version({}), 201))
    done = ada(*form)
    assert done.code == 0, done.err
    sent = platform.of("POST", "/datasets")[0].json()
    assert sent["files"] == [{"name": "real-00000.parquet", "sha256": table["sha256"]}]


def test_a_folder_is_verified_offline(anyone: Run, folder: Path) -> None:
    done = anyone("dataset", "verify", str(folder), "--units", "5", "--seed", "1", "--json")
    assert done.code == 0
    assert (done.json()["ok"], len(done.json()["sampled"])) == (True, 5)


def test_a_folder_with_another_root_than_published_fails(anyone: Run, folder: Path) -> None:
    done = anyone("dataset", "verify", str(folder), "--root", "0" * 64)
    assert done.code == 1
    assert "NOT as published" in done.out
    assert "do not use it" in done.err


def test_a_platforms_data_set_is_verified_and_nothing_kept(
    ada: Run, published: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published()
    monkeypatch.chdir(tmp_path)
    done = ada("dataset", "verify", "digits-2k", "--units", "6", "--json")
    assert done.code == 0, done.err
    assert done.json()["ok"]
    assert list(tmp_path.iterdir()) == []


def test_shards_of_other_units_than_published_are_found_out(
    ada: Run, published: Callable[..., None], folder: Path
) -> None:
    published({"data/shard-00001.parquet": (folder / "data" / "shard-00000.parquet").read_bytes()})
    done = ada("dataset", "verify", "digits-2k", "--json")
    assert done.code == 1
    assert not done.json()["ok"]


def test_an_exported_data_set_can_be_verified_as_a_folder(
    ada: Run, published: Callable[..., None], tmp_path: Path
) -> None:
    published()
    assert ada("dataset", "export", "digits-2k", "--out", str(tmp_path / "here")).code == 0
    assert ada("dataset", "verify", str(tmp_path / "here"), "--units", "2").code == 0


def test_a_data_set_is_downloaded_and_converted(ada: Run, published: Callable[..., None], tmp_path: Path) -> None:
    published()
    done = ada("dataset", "export", "digits-2k", "--format", "imagefolder", "--out", str(tmp_path / "png"), "--json")
    assert done.json()["format"] == "imagefolder"
    assert len(list((tmp_path / "png").rglob("*.png"))) == 24
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".export")] == []


def test_real_data_are_uploaded_and_published(ada: Run, platform: StandIn, tmp_path: Path) -> None:
    photos = tmp_path / "photos.parquet"
    photos.write_bytes(b"PAR1 and more")
    sha256 = sha256_hex(photos.read_bytes())
    platform.on("PUT", f"/uploads/{sha256}", ok({"sha256": sha256, "size": 13}, 201))
    platform.on("POST", "/datasets", ok(a_version({"photos.parquet": photos.read_bytes()}), 201))
    done = ada("dataset", "import", "shelf", str(photos), "--title", "Our shelves", "--json")
    assert done.code == 0, done.err
    assert platform.of("POST", "/datasets")[0].json() == {
        "name": "shelf",
        "title": "Our shelves",
        "licence": "proprietary",
        "files": [{"name": "photos.parquet", "sha256": sha256}],
        "source": "",
    }


def test_an_imported_data_set_has_nothing_to_make_again(ada: Run, platform: StandIn) -> None:
    platform.on("GET", "/datasets/shelf", ok(a_version({"photos.parquet": b"x"})))
    done = ada("dataset", "verify", "shelf")
    assert done.code == 2
    assert "nothing to make again" in done.err


def test_models_are_downloaded_whole_and_exported_by_format(ada: Run, platform: StandIn, tmp_path: Path) -> None:
    files = {"model.safetensors": b"weights", "model.onnx": b"graph", "README.md": b"# card"}
    platform.on("GET", "/models/net", ok(a_version(files, kind="model", name="net")))
    for name, data in files.items():
        platform.on("GET", f"/models/ver_1/files/{name}", Reply(data))
    assert ada("model", "download", "net", "--out", str(tmp_path / "net"), "--json").json()["files"] == list(files)
    assert ada("model", "export", "net", "--out", str(tmp_path / "net.onnx")).code == 0
    assert (tmp_path / "net.onnx").read_bytes() == b"graph"
    assert (tmp_path / "net" / "README.md").read_bytes() == b"# card"


def test_a_model_is_shown_with_its_metrics_and_parameters(ada: Run, platform: StandIn) -> None:
    told = {"metrics": {"real_accuracy": 0.97, "\x1b[2Jloss": 0.1}, "params": {"epochs": 3}, "rounds": [{"loss": 1.0}]}
    platform.on("GET", "/models/net", ok(a_version({}, kind="model", name="net", manifest=told)))
    shown = ada("model", "show", "net").out
    assert re.search(r"^metrics real accuracy +0.97$", shown, re.MULTILINE)
    assert re.search(r"^params epochs +3$", shown, re.MULTILINE)
    assert "\x1b" not in shown and "rounds" not in shown


def test_a_strangers_title_cannot_steer_the_terminal(ada: Run, platform: StandIn) -> None:
    evil = a_version({}, title="\x1b]0;owned\x07[red]nice[/red]\x1b[2J")
    platform.on("GET", "/datasets", ok({"versions": [evil], "next_after": None}))
    platform.on("GET", "/datasets/evil", ok(evil))
    for done in (ada("dataset", "list"), ada("dataset", "show", "evil")):
        assert "\x1b" not in done.out
        assert "[red]nice[/red]" in done.out

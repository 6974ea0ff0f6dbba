"""Folders of images: what is an image there, and which table and which labels belong to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3

from command_lines import discs, write_clicks
from napari_clickseg.cli import main

links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")


def image(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, discs())


def table(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_clicks(path, [(1, 1, 20, 20)])


def prior(path: str, label: int) -> None:
    """Labels with one object of this id in the corner."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    labels = np.pad(np.full((3, 3), label, np.uint8), ((0, 37), (77, 0)))
    if path.endswith(".npy"):
        np.save(path, labels)
    elif path.endswith(".png"):
        v3.imwrite(path, labels)
    else:
        tifffile.imwrite(path, labels)


def run(*more: str, output: str = "out") -> int:
    return main(["segment", "plate", "--clicks", "tables", "--output", output, "--model", "geodesic", *more])


def written(folder: str = "out") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.tif"))


def ids(path: str) -> list[int]:
    return np.unique(tifffile.imread(path)).tolist()


@pytest.mark.parametrize("output", ["plate/labels", "plate/out", "plate/deep/out", "plate/A1/out"])
def test_a_second_run_does_not_meet_its_own_output(capsys: pytest.CaptureFixture[str], output: str) -> None:
    image("plate/a.tif")
    image("plate/A1/b.tif")
    for name in ("a", "A1/b"):
        table(f"tables/{name}.csv")
        for inner in ("labels", "out", "deep/out", "A1/out"):
            table(f"tables/{inner}/{name}.csv")
    assert run(output=output) == 0
    assert written(output) == ["A1/b.tif", "a.tif"]
    capsys.readouterr()
    assert run(output=output) == 0
    assert "2 of 2 images are done already" in capsys.readouterr().out
    assert run(output="elsewhere") == 0
    assert written("elsewhere") == ["A1/b.tif", "a.tif"]


@pytest.mark.parametrize(
    "name",
    [
        "a_cp_masks.tif",
        "a_cp_masks.png",
        "a_seg.npy",
        "a_masks.tif",
        "a_mask.png",
        "a_labels.tif",
        "a-labels.tif",
        "a_flows_cp_masks.tif",
        "a_outlines_cp_masks.png",
        "a_cp_output.png",
        "a_flows.tif",
        "a_dP_cp_masks.tif",
        ".hidden.tif",
    ],
)
def test_what_lies_beside_an_image_and_belongs_to_it_is_no_image(name: str) -> None:
    image("plate/a.tif")
    table("tables/a.csv")
    table(f"tables/{Path(name).stem}.csv")
    prior(f"plate/{name}", 1)
    assert run() == 0
    assert written() == ["a.tif"]


@pytest.mark.parametrize("name", ["masks_of_today", "seg_01", "label_3", "a1_masks", "gt"])
def test_names_alone_do_not_make_an_image_labels(name: str) -> None:
    image("plate/a.tif")
    image(f"plate/{name}.tif")
    for stem in ("a", name):
        table(f"tables/{stem}.csv")
    assert run() == 0
    assert written() == sorted(["a.tif", f"{name}.tif"])


@links
def test_links_back_into_the_folder_give_no_copies() -> None:
    image("plate/a.tif")
    table("tables/a.csv")
    os.symlink(".", "plate/again", target_is_directory=True)
    os.symlink("..", "plate/up", target_is_directory=True)
    Path("plate/inner").mkdir()
    os.symlink(Path("plate").resolve(), "plate/inner/back", target_is_directory=True)
    assert run() == 0
    assert written() == ["a.tif"]


@links
def test_links_to_images_elsewhere_count_once_each() -> None:
    image("raw/x.tif")
    image("raw/deep/y.tif")
    Path("plate").mkdir()
    os.symlink(Path("raw/x.tif").resolve(), "plate/a.tif")
    os.symlink(Path("raw/deep").resolve(), "plate/deep", target_is_directory=True)
    os.symlink("nothing.tif", "plate/broken.tif")
    for name in ("a", "deep/y", "broken"):
        table(f"tables/{name}.csv")
    assert run() in (0, 1)
    assert written() == ["a.tif", "deep/y.tif"]


def test_labels_are_found_by_the_exact_name_of_their_image() -> None:
    for stem in ("cell", "cell.1", "cell.10"):
        image(f"plate/{stem}.tif")
        table(f"tables/{stem}.csv")
    prior("prior/cell.tif", 5)
    prior("prior/cell.1.tif", 6)
    prior("prior/cell.10.png", 7)
    assert run("--labels", "prior") == 0
    assert [ids(f"out/{stem}.tif") for stem in ("cell", "cell.1", "cell.10")] == [[0, 1, 5], [0, 1, 6], [0, 1, 7]]


def test_the_labels_of_another_image_are_not_taken_where_ones_own_are_missing() -> None:
    for stem in ("cell", "cell.1"):
        image(f"plate/{stem}.tif")
        table(f"tables/{stem}.csv")
    prior("prior/cell.1.tif", 6)
    assert run("--labels", "prior") == 0
    assert (ids("out/cell.tif"), ids("out/cell.1.tif")) == ([0, 1], [0, 1, 6])


@pytest.mark.parametrize("stem", ["img[1]", "img[ab]", "a*b", "what?", "50%", "a b", "ümlaut", "#1", "-x"])
def test_letters_that_patterns_use_are_letters(stem: str) -> None:
    if sys.platform == "win32" and set(stem) & set("*?"):
        pytest.skip("no such names there")
    image(f"plate/{stem}.tif")
    table(f"tables/{stem}.csv")
    prior(f"prior/{stem}.tif", 9)
    assert run("--labels", "prior") == 0
    assert ids(f"out/{stem}.tif") == [0, 1, 9]


@pytest.mark.parametrize(
    "name", ["a.tif", "a.png", "a.npy", "a.ome.tif", "a_labels.tif", "a_masks.png", "a_cp_masks.tif", "a.TIF"]
)
def test_labels_in_the_folder_of_the_tables_are_not_mixed_up_with_them(name: str) -> None:
    image("plate/a.tif")
    table("tables/a.csv")
    prior(f"tables/{name}", 9)
    Path("tables/a.txt").write_text("notes")
    Path("tables/a.json").write_text("{}")
    assert run("--labels", "tables") == 0
    assert ids("out/a.tif") == [0, 1, 9]


def test_an_image_with_a_double_suffix_has_tables_and_labels_under_either_name() -> None:
    for stem in ("a", "b"):
        image(f"plate/{stem}.ome.tif")
    table("tables/a.ome.csv")
    table("tables/b.csv")
    prior("prior/a.tif", 8)
    prior("prior/b.ome.tif", 9)
    assert run("--labels", "prior") == 0
    assert [ids(f"out/{stem}.ome.tif") for stem in "ab"] == [[0, 1, 8], [0, 1, 9]]


def test_two_files_of_labels_for_one_image_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    image("plate/a.tif")
    table("tables/a.csv")
    prior("prior/a.tif", 8)
    prior("prior/a.png", 9)
    assert run("--labels", "prior") == 2
    err = capsys.readouterr().err
    assert "a.tif has several label images" in err
    assert "a.png, a.tif: keep one" in err
    assert not Path("out").exists()


@pytest.mark.parametrize("folder", ["hcs.zarr", "hcs", "in/hcs.zarr"])
def test_a_plate_is_segmented_field_by_field(folder: str) -> None:
    import zarr

    plate = zarr.open_group(folder, mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}], "version": "0.4"}
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0]}]
    for well in ("A/1", "B/2"):
        plate.create_group(well).attrs["well"] = {"images": [{"path": "0"}], "version": "0.4"}
        field = plate.create_group(f"{well}/0")
        field.create_array("0", data=discs())
        levels = [{"path": "0", "coordinateTransformations": scale}]
        field.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    inner = "" if folder.startswith("hcs") else "hcs.zarr/"
    for well in ("A/1", "B/2"):
        table(f"tables/{inner}{well}/0.csv")
    command = ["segment", folder.split("/")[0], "--clicks", "tables", "--output", "out", "--model", "geodesic"]
    assert main(command) == 0
    assert written() == [f"{inner}A/1/0.tif", f"{inner}B/2/0.tif"]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".pgm", ".ppm", ".jp2", ".bmp", ".lsm"])
def test_segment_bench_and_train_know_the_same_images(suffix: str) -> None:
    from napari_clickseg.storage.image_label_pairs import files_in, images_below

    Path("plate").mkdir()
    Path(f"plate/a{suffix}").write_bytes(b"x")
    for other in ("a.csv", "notes.txt", "a.json", "a_seg.npy", "Thumbs.db", ".DS_Store"):
        Path(f"plate/{other}").write_bytes(b"x")
    assert [path.name for path in files_in(Path("plate"))] == [f"a{suffix}"]
    assert [path.name for path in images_below(Path("plate"))] == [f"a{suffix}"]

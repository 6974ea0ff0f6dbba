"""OME-Zarr: a zarr is told by its content; axes, place and units are those of the file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.storage.ome_zarr import described, images_in_zarr, in_words, is_zarr
from napari_clickseg.storage.read_images import images_in, is_image, read_image

Transforms = list[dict[str, Any]]


def scaled(*numbers: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(numbers)}


def moved(*numbers: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(numbers)}


def write_image(
    path: Path,
    array: np.ndarray,
    axes: list[Any] | None,
    own: Transforms = (),
    whole: Transforms = (),
    version: str = "0.4",
) -> None:
    """An OME-Zarr image as other programs write it."""
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    group.create_array("0", data=array)
    image: dict[str, Any] = {"datasets": [{"path": "0", **({"coordinateTransformations": own} if own else {})}]}
    image |= {"axes": axes} if axes else {}
    image |= {"coordinateTransformations": whole} if whole else {}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [{"version": version, **image}]


def named(letters: str, *units: str) -> list[dict[str, str]]:
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": letter, "type": kinds.get(letter, "space")} for letter in letters]
    return [axis | ({"unit": unit} if unit else {}) for axis, unit in zip(axes, units or [""] * len(axes), strict=True)]


PLANE = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16)
STACK = np.arange(3 * 12 * 16, dtype=np.uint16).reshape(3, 12, 16)

# -- axes, place, units ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "spacing"),
    [
        ("micrometer", (0.5, 0.25)),
        ("nanometer", (0.0005, 0.00025)),
        ("angstrom", (5e-5, 2.5e-5)),
        ("millimeter", (500.0, 250.0)),
        ("inch", (12700.0, 6350.0)),
        ("µm", (0.5, 0.25)),
        ("", (0.5, 0.25)),
        ("pixel", (0.5, 0.25)),
    ],
)
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_sizes_become_micrometres_and_keep_their_unit(tmp_path: Path, unit: str, spacing: tuple, version: str) -> None:
    write_image(tmp_path / "a", PLANE, named("yx", unit, unit), [scaled(0.5, 0.25)], version=version)
    image = read_image(tmp_path / "a")
    assert image.spacing == pytest.approx(spacing)
    assert image.geometry == Geometry("YX", (0.5, 0.25), (0.0, 0.0), (unit, unit))


@pytest.mark.parametrize(
    ("unit", "seconds"), [("second", 2.0), ("day", 172800.0), ("millisecond", 0.002), ("hour", 7200.0), ("", 1.0)]
)
def test_time_steps_become_seconds(tmp_path: Path, unit: str, seconds: float) -> None:
    axes = named("tyx", unit, "micrometer", "micrometer")
    write_image(tmp_path / "a.zarr", STACK, axes, [scaled(2.0, 1.0, 1.0)])
    assert read_image(tmp_path / "a.zarr").spacing == pytest.approx((seconds, 1.0, 1.0))


@pytest.mark.parametrize(
    ("own", "whole", "scale", "origin"),
    [
        ([scaled(0.5, 0.25)], [], (0.5, 0.25), (0.0, 0.0)),
        ([scaled(0.5, 0.25), moved(3.0, 4.0)], [], (0.5, 0.25), (3.0, 4.0)),
        ([scaled(1.0, 1.0)], [scaled(0.5, 0.25)], (0.5, 0.25), (0.0, 0.0)),
        ([scaled(2.0, 2.0), moved(3.0, 4.0)], [scaled(0.5, 0.25), moved(1.0, 1.0)], (1.0, 0.5), (2.5, 2.0)),
        ([], [scaled(0.5, 0.25)], (0.5, 0.25), (0.0, 0.0)),
        ([scaled(0.5, 0.25), {"type": "identity"}], [], (0.5, 0.25), (0.0, 0.0)),
    ],
)
def test_transformations_of_the_level_come_before_those_of_the_image(
    tmp_path: Path, own: Transforms, whole: Transforms, scale: tuple, origin: tuple
) -> None:
    write_image(tmp_path / "a.zarr", PLANE, named("yx", "micrometer", "micrometer"), own, whole)
    geometry = read_image(tmp_path / "a.zarr").geometry
    assert (geometry.scale, geometry.origin) == (scale, origin)


@pytest.mark.parametrize("order", ["xyz", "zxy", "yzx", "zyx", "xzy"])
def test_axes_in_any_order_come_as_z_y_x(tmp_path: Path, order: str) -> None:
    scales = {"z": 4.0, "y": 2.0, "x": 1.0}
    shuffled = STACK.transpose([("zyx").index(axis) for axis in order])
    write_image(tmp_path / "a.zarr", shuffled, named(order, *["micrometer"] * 3), [scaled(*(scales[a] for a in order))])
    image = read_image(tmp_path / "a.zarr")
    assert (image.axes, image.spacing) == ("ZYX", (4.0, 2.0, 1.0))
    np.testing.assert_array_equal(np.asarray(image.array), STACK)
    np.testing.assert_array_equal(image.array[1, 2:5], STACK[1, 2:5])
    np.testing.assert_array_equal(image.array[..., 3], STACK[..., 3])


def test_channels_stay_where_they_are(tmp_path: Path) -> None:
    write_image(tmp_path / "a.zarr", np.moveaxis(STACK, 0, -1), named("yxc"), [scaled(1, 1, 1)])
    image = read_image(tmp_path / "a.zarr", channel=2)
    assert (image.axes, image.shape) == ("YXC", (12, 16))


@pytest.mark.parametrize(
    ("axes", "letters"),
    [
        (["t", "c", "z", "y", "x"], "TCZYX"),
        (None, "TCZYX"),
        ([{"name": n, "type": t} for n, t in zip("abzyx", ["time", "channel", *["space"] * 3], strict=True)], "TCZYX"),
        ([{"name": n} for n in ("time", "channel", "depth", "height", "width")], "TCZYX"),
    ],
)
def test_axes_of_every_version_are_named(tmp_path: Path, axes: list | None, letters: str) -> None:
    write_image(tmp_path / "a.zarr", np.zeros((2, 3, 4, 12, 16), np.uint8), axes)
    assert read_image(tmp_path / "a.zarr").axes == letters


@pytest.mark.parametrize(("names", "axes"), [(("t", "y", "x"), "TYX"), (("time", "row", "col"), "TYX"), (None, "ZYX")])
def test_names_of_the_dimensions_of_a_bare_array_count(tmp_path: Path, names: tuple | None, axes: str) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=STACK, dimension_names=names)
    assert read_image(tmp_path / "a.zarr").axes == axes


# -- what is a zarr, and which image -----------------------------------------------------------------------------------


def container(path: Path, *names: str) -> None:
    """As bioformats2raw converts files with these series."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    (path / "OME").mkdir()
    zarr.open_group(path / "OME", mode="w", zarr_format=2).attrs["series"] = list(names)
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    for k, name in enumerate(names):
        write_image(path / name, PLANE + k, named("yx"), [scaled(1, 1)])


def plate(path: Path, version: str = "0.4") -> None:
    zarr_format = 3 if version == "0.5" else 2

    def group(folder: Path, told: dict[str, Any]) -> None:
        told = {"ome": {"version": version, **told}} if version == "0.5" else told
        zarr.open_group(folder, mode="a", zarr_format=zarr_format).attrs.update(told)

    group(path, {"plate": {"rows": [{"name": "A"}], "wells": [{"path": "A/1"}, {"path": "A/2"}, {"path": "B/7"}]}})
    group(path / "A", {})
    for k, well in enumerate(("A/1", "A/2")):
        group(path / well, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        for field in ("0", "1"):
            write_image(path / well / field, PLANE + 10 * k, named("yx"), [scaled(1, 1)], version=version)


@pytest.mark.parametrize("name", ["a.zarr", "a", "a.data", "a.ome.zarr"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_folder_is_a_zarr_by_what_lies_in_it(tmp_path: Path, name: str, zarr_format: int) -> None:
    zarr.create_array(tmp_path / name, data=PLANE, zarr_format=zarr_format)
    assert is_zarr(tmp_path / name)
    assert is_image(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name).array[:], PLANE)


@pytest.mark.parametrize("name", ["a.zarr", "a"])
def test_a_folder_without_zarr_in_it_is_none_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "notes.txt").write_text("mine")
    assert not is_zarr(tmp_path / name)
    assert not is_image(tmp_path / name)
    with pytest.raises(ValueError, match="is a folder, but no zarr; name an image in it"):
        read_image(tmp_path / name)


def test_the_one_image_of_a_container_is_read(tmp_path: Path) -> None:
    container(tmp_path / "bf.zarr", "0")
    np.testing.assert_array_equal(read_image(tmp_path / "bf.zarr").array[:], PLANE)
    assert images_in(tmp_path / "bf.zarr") == [tmp_path / "bf.zarr"]
    assert is_image(tmp_path / "bf.zarr")


def test_of_several_images_of_a_container_each_is_named(tmp_path: Path) -> None:
    container(tmp_path / "bf.zarr", "0", "1", "10", "2")
    found = images_in(tmp_path / "bf.zarr")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "bf.zarr/0",
        "bf.zarr/1",
        "bf.zarr/10",
        "bf.zarr/2",
    ]
    assert not is_image(tmp_path / "bf.zarr")
    with pytest.raises(ValueError, match=r"holds 4 images; name one of them: \S*bf\.zarr/0, \S*bf\.zarr/1"):
        read_image(tmp_path / "bf.zarr")
    assert read_image(tmp_path / "bf.zarr" / "10").array[0, 0] == 2


def test_a_container_without_a_list_of_its_series_is_searched(tmp_path: Path) -> None:
    container(tmp_path / "bf.zarr", "0", "1", "10")
    shutil.rmtree(tmp_path / "bf.zarr" / "OME")
    assert [path.name for path in images_in_zarr(tmp_path / "bf.zarr")] == ["0", "1", "10"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_is_a_folder_of_fields(tmp_path: Path, version: str) -> None:
    """A well that was not acquired is named in the plate, but lies nowhere."""
    plate(tmp_path / "p.zarr", version)
    fields = [path.relative_to(tmp_path / "p.zarr").as_posix() for path in images_in(tmp_path / "p.zarr")]
    assert fields == ["A/1/0", "A/1/1", "A/2/0", "A/2/1"]
    assert [path.name for path in images_in(tmp_path / "p.zarr" / "A" / "2")] == ["0", "1"]
    assert read_image(tmp_path / "p.zarr" / "A" / "2" / "0").array[0, 0] == 10
    with pytest.raises(ValueError, match=r"holds 4 images; name one of them: \S*p\.zarr/A/1/0"):
        read_image(tmp_path / "p.zarr")


def test_a_group_of_arrays_is_a_folder_of_images(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("raw", data=PLANE)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array[:], PLANE)
    group.create_array("other", data=PLANE)
    with pytest.raises(ValueError, match=r"holds 2 images; name one of them: \S*a\.zarr/other, \S*a\.zarr/raw"):
        read_image(tmp_path / "a.zarr")


def test_labels_inside_an_image_are_no_images_of_their_own(tmp_path: Path) -> None:
    write_image(tmp_path / "a.zarr", PLANE, named("yx"), [scaled(1, 1)])
    write_image(tmp_path / "a.zarr" / "labels" / "cells", PLANE, named("yx"), [scaled(1, 1)])
    assert images_in(tmp_path / "a.zarr") == [tmp_path / "a.zarr"]
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr" / "labels" / "cells").array[:], PLANE)


def test_a_zipped_zarr_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "a.zarr", PLANE, named("yx", "nanometer", "nanometer"), [scaled(5, 5)])
    shutil.make_archive(str(tmp_path / "a.zarr"), "zip", tmp_path / "a.zarr")
    image = read_image(tmp_path / "a.zarr.zip")
    assert image.spacing == (0.005, 0.005)
    np.testing.assert_array_equal(image.array[:], PLANE)


def test_an_empty_group_is_one_sentence(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w")
    with pytest.raises(ValueError, match="cannot be read as an image: this zarr holds none"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "damage", ["no array", "no json", "fewer axes", "no datasets", "chunk", "list", "path", "scale"]
)
def test_a_damaged_zarr_is_one_sentence(tmp_path: Path, damage: str) -> None:
    write_image(tmp_path / "a.zarr", PLANE, named("yx"), [scaled(1, 1)])
    group = zarr.open_group(tmp_path / "a.zarr", mode="a")
    image = group.attrs["multiscales"][0]
    if damage == "no array":
        shutil.rmtree(tmp_path / "a.zarr" / "0")
    elif damage == "no json":
        (tmp_path / "a.zarr" / ".zattrs").write_text("{")
    elif damage == "fewer axes":
        group.attrs["multiscales"] = [{**image, "axes": named("x")}]
    elif damage == "no datasets":
        group.attrs["multiscales"] = [{**image, "datasets": []}]
    elif damage == "path":
        group.attrs["multiscales"] = [{**image, "datasets": [{"path": 7}]}]
    elif damage == "list":
        group.attrs["multiscales"] = "none"
    elif damage == "scale":
        group.attrs["multiscales"] = [
            {**image, "datasets": [{"path": "0", "coordinateTransformations": [scaled("x", "y")]}]}
        ]
    else:
        next((tmp_path / "a.zarr" / "0").glob("0*")).write_bytes(b"damaged")
        image_there = read_image(tmp_path / "a.zarr")
        with pytest.raises((ValueError, RuntimeError, OSError)):
            image_there.array[:]
        return
    with pytest.raises(ValueError, match=r"a\.zarr|OME-Zarr image is damaged") as caught:
        read_image(tmp_path / "a.zarr")
    assert len(str(caught.value)) < 250


# -- what is told of labels --------------------------------------------------------------------------------------------


def test_units_get_the_names_of_the_specification() -> None:
    geometry = Geometry("TZYX", (2.0, 3.0, 4.0, 5.0), (0.0, 1.0, 0.0, 10.0), ("min", "µm", "Å", "thou"))
    assert in_words(geometry) == Geometry(
        "TZYX", (2.0, 3.0, 4.0, 127.0), (0.0, 1.0, 0.0, 254.0), ("minute", "micrometer", "angstrom", "micrometer")
    )
    assert in_words(Geometry("YX", (2.0, 2.0), (0.0, 0.0), ("pixel", ""))).units == ("", "")


def test_levels_share_the_centre_of_their_first_pixel() -> None:
    geometry = Geometry("ZYX", (2.0, 0.5, 0.5), (0.0, 7.0, 0.0), ("micrometer",) * 3)
    image = described("cells", geometry, [1, 2], "0.4")["multiscales"][0]
    assert [level["coordinateTransformations"] for level in image["datasets"]] == [
        [scaled(2.0, 0.5, 0.5), moved(0.0, 7.0, 0.0)],
        [scaled(2.0, 1.0, 1.0), moved(0.0, 7.0, 0.0)],
    ]

"""Round trips: random axes, units, places and dtypes through every format, judged by our reader and by others."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari_builtins.io import napari_get_reader
from ome_zarr_models.v04.image_label import ImageLabel as ImageLabel04
from ome_zarr_models.v05.image_label import ImageLabel as ImageLabel05

from napari_clickseg.core.geometry import Geometry
from napari_clickseg.core.regions import Region
from napari_clickseg.storage import write_labels as writers
from napari_clickseg.storage.ome_zarr import LENGTHS, TIMES
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.units import factor, spacing_of
from napari_clickseg.storage.write_labels import write_labels

AXES = ("YX", "ZYX", "TYX", "TZYX")
DTYPES = ("uint8", "uint16", "uint32", "int16", "int32", "int64", "bool")
SIZES = st.sampled_from([0.0625, 0.25, 0.5, 2.0, 3.0, 120.0])
SYMBOLS = {"T": ("s", "ms", "min", "h"), "L": ("µm", "nm", "mm", "Å", "pm", "inch")}
SIDES = st.integers(5, 9)
RARELY = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def places(draw: st.DrawFn) -> Geometry:
    axes = draw(st.sampled_from(AXES))
    units = tuple(draw(st.sampled_from(("", "pixel", *SYMBOLS["T" if axis == "T" else "L"]))) for axis in axes)
    return Geometry(
        axes,
        tuple(draw(SIZES) for _ in axes),
        tuple(draw(st.sampled_from([0.0, 0.5, -7.0, 300.0])) for _ in axes),
        units,
    )


@st.composite
def label_images(draw: st.DrawFn, axes: str) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = (*(draw(st.integers(2, 5)) for _ in axes[:-2]), draw(SIDES), draw(SIDES))
    most = 1 if dtype.kind == "b" else min(np.iinfo(dtype).max, 2**32 - 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    labels = rng.integers(0, draw(st.sampled_from([2, 250, 60_000, 2**32])), shape)
    return np.minimum(labels, most).astype(dtype)


def sizes(geometry: Geometry) -> dict[str, float]:
    """Micrometres and seconds of the axes whose unit is a length or a time."""
    parts = zip(geometry.axes, geometry.scale, geometry.units, strict=True)
    return {axis: scale * times for axis, scale, unit in parts if (times := factor(unit, axis))}


@RARELY
@given(data=st.data(), place=places())
def test_labels_come_back_from_ome_tiff(tmp_path: Path, data: st.DataObject, place: Geometry) -> None:
    labels = data.draw(label_images(place.axes))
    write_labels(tmp_path / "a.tif", labels, place.axes, geometry=place)
    back = read_image(tmp_path / "a.tif")
    assert back.axes == place.axes
    np.testing.assert_array_equal(back.array, labels)
    known = sizes(place)
    wanted = [known.get(axis, 1.0) for axis in place.axes]
    assert back.spacing == pytest.approx(wanted, rel=1e-6)

    np.testing.assert_array_equal(np.squeeze(tifffile.imread(tmp_path / "a.tif")), np.squeeze(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = ome_types.from_tiff(tmp_path / "a.tif").images[0].pixels
    told = {
        axis: getattr(pixels, f"physical_size_{axis.lower()}_quantity").to("micrometer").magnitude
        for axis in "XYZ"
        if getattr(pixels, f"physical_size_{axis.lower()}") is not None
    }
    if pixels.time_increment is not None:
        told["T"] = pixels.time_increment_quantity.to("second").magnitude
    assert told == pytest.approx(known, rel=1e-6)


@RARELY
@given(data=st.data(), place=places(), zarr_format=st.sampled_from([2, 3]))
def test_labels_come_back_from_ome_zarr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject, place: Geometry, zarr_format: int
) -> None:
    labels = data.draw(label_images(place.axes))
    monkeypatch.setattr(writers, "ZARR_FORMAT", zarr_format)
    write_labels(tmp_path / "a.zarr", labels, place.axes, geometry=place)
    back = read_image(tmp_path / "a.zarr")
    assert back.axes == place.axes
    np.testing.assert_array_equal(back.array[:], labels)
    assert sizes(back.geometry) == pytest.approx(sizes(place), rel=1e-9)
    starts = [o * (factor(u, a) or 1.0) for a, o, u in zip(place.axes, place.origin, place.units, strict=True)]
    back_starts = [
        o * (factor(u, a) or 1.0) for a, o, u in zip(back.axes, back.geometry.origin, back.geometry.units, strict=True)
    ]
    assert back_starts == pytest.approx(starts, rel=1e-9)
    check_by_specification(tmp_path / "a.zarr", back.geometry, zarr_format)


def check_by_specification(path: Path, geometry: Geometry, zarr_format: int) -> None:
    """What an independent implementation of the specification reads, units of its list included."""
    group = zarr.open_group(path, mode="r")
    image: Any = (ImageLabel04 if zarr_format == 2 else ImageLabel05).from_zarr(group)
    told = image.attributes if zarr_format == 2 else image.ome_attributes
    multiscale = told.multiscales[0]
    assert [axis.name for axis in multiscale.axes] == list(geometry.axes.lower())
    assert [axis.unit or "" for axis in multiscale.axes] == list(geometry.units)
    assert all(unit in (*LENGTHS, *TIMES, "") for unit in geometry.units)
    if zarr_format == 3:
        assert group["0"].metadata.dimension_names == tuple(geometry.axes.lower())


@RARELY
@given(data=st.data(), place=places(), suffix=st.sampled_from([".npy", ".tif", ".zarr", ".png"]))
def test_napari_itself_reads_what_is_written(tmp_path: Path, data: st.DataObject, place: Geometry, suffix: str) -> None:
    place = place.along("YX") if suffix == ".png" else place
    labels = data.draw(label_images(place.axes))
    labels = np.minimum(labels.astype(np.int64), 2**16 - 1) if suffix == ".png" else labels
    path = tmp_path / f"a{suffix}"
    write_labels(path, labels, place.axes, geometry=place)
    read = napari_get_reader(str(path))
    assert read is not None
    layers = read(str(path))
    assert len(layers) == 1
    np.testing.assert_array_equal(np.squeeze(np.asarray(layers[0][0])), np.squeeze(labels))


@RARELY
@given(data=st.data(), name=st.sampled_from(["a.npy", "a.tif", "a.zarr"]))
def test_every_id_comes_back(tmp_path: Path, data: st.DataObject, name: str) -> None:
    labels = data.draw(label_images("ZYX"))
    write_labels(tmp_path / name, labels)
    np.testing.assert_array_equal(read_image(tmp_path / name).array[...], labels)


@RARELY
@given(
    axes=st.permutations("TCZYX"),
    dtype=st.sampled_from(["uint8", "uint16", "float32", "int16", "float64"]),
    units=st.tuples(st.sampled_from(TIMES), *[st.sampled_from(LENGTHS)] * 3),
    scale=st.tuples(*[SIZES] * 5),
    version=st.sampled_from(["0.4", "0.5"]),
)
def test_images_in_any_order_of_axes_are_read(
    tmp_path: Path, axes: list[str], dtype: str, units: tuple[str, ...], scale: tuple[float, ...], version: str
) -> None:
    full = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6).astype(dtype)
    by_axis = dict(zip("TZYX", units, strict=True))
    group = zarr.open_group(tmp_path / "a", mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", data=full.transpose(["TCZYX".index(axis) for axis in axes]))
    image = {
        "axes": [{"name": axis.lower(), **({"unit": by_axis[axis]} if axis in by_axis else {})} for axis in axes],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}],
    }
    group.attrs.update({"multiscales": [image]} if version == "0.4" else {"ome": {"multiscales": [image]}})
    back = read_image(tmp_path / "a", channel=1)
    assert (back.label_axes, back.shape, back.channels) == ("TZYX", (2, 4, 5, 6), 3)
    block = back.block((1, 2), Region((1, 2), (4, 6)))
    np.testing.assert_array_equal(block, full[1, 1:2, 2, 1:4, 2:6].astype(np.float32))
    sizes_there = dict(zip(axes, scale, strict=True))
    told = Geometry("TZYX", tuple(sizes_there[a] for a in "TZYX"), (0.0,) * 4, units)
    assert back.spacing == spacing_of(told)


@RARELY
@given(
    axes=st.sampled_from(["YX", "ZYX", "TYX", "TZYX", "CYX", "TCYX", "TZCYX"]),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    unit=st.sampled_from(["nm", "um", "micron", "mm", "cm", "inch", "pixel"]),
    size=SIZES,
)
def test_images_of_imagej_are_read(tmp_path: Path, axes: str, dtype: str, unit: str, size: float) -> None:
    shape = tuple({"T": 2, "Z": 3, "C": 2, "Y": 8, "X": 9}[axis] for axis in axes)
    pixels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    told = {"axes": axes, "unit": unit, "spacing": 2 * size}
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, resolution=(1 / size, 1 / size), metadata=told)
    back = read_image(tmp_path / "a.tif")
    assert back.axes == axes
    np.testing.assert_array_equal(back.array, pixels)
    times = factor(unit, "X") or 1 / size
    wanted = {"X": size * times, "Y": size * times, "Z": 2 * size * times}
    assert back.spacing == pytest.approx([wanted.get(axis, 1.0) for axis in back.label_axes], rel=1e-5)


def test_labels_inside_an_image_lie_where_it_lies_in_its_units(tmp_path: Path) -> None:
    """Scales of the level and of the image, a place, odd units, channels: the labels have the same along their axes."""
    for zarr_format in (2, 3):
        path = tmp_path / f"a{zarr_format}.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
        group.create_array("0", data=np.zeros((2, 3, 8, 9), np.uint8))
        axes = [
            {"name": "c", "type": "channel"},
            {"name": "z", "type": "space", "unit": "angstrom"},
            {"name": "y", "type": "space", "unit": "nanometer"},
            {"name": "x", "type": "space", "unit": "nanometer"},
        ]
        own = [{"type": "scale", "scale": [1, 4, 2, 2]}, {"type": "translation", "translation": [0, 1, 10, 20]}]
        image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": own}]}
        image |= {"coordinateTransformations": [{"type": "scale", "scale": [1, 1, 5, 5]}]}
        version = {2: "0.4", 3: "0.5"}[zarr_format]
        told = {"multiscales": [{**image, "version": version}]}
        group.attrs.update(told if zarr_format == 2 else {"ome": {"version": version, **told}})
        there = read_image(path, channel=0)
        write_labels(path / "labels" / "cells", np.ones((3, 8, 9), int), "ZYX", there.spacing, there.geometry)
        labels = read_image(path / "labels" / "cells")
        assert labels.geometry == there.geometry
        assert labels.geometry == Geometry(
            "ZYX", (4.0, 10.0, 10.0), (1.0, 50.0, 100.0), ("angstrom", "nanometer", "nanometer")
        )
        check_by_specification(path / "labels" / "cells", labels.geometry, zarr_format)


def test_large_planes_are_written_by_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(0).integers(0, 300, (2, 700, 1030))
    monkeypatch.setattr(writers, "TILED", 1000)
    write_labels(tmp_path / "a.tif", labels, "ZYX", (2.0, 0.5, 0.5))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), labels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages.first.tile == (512, 512)
    assert read_image(tmp_path / "a.tif").spacing == (2.0, 0.5, 0.5)

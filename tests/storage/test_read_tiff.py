"""TIFF: the pixels of the file that was named, sizes in its units, and sentences where pixels are missing."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_clickseg.storage import read_tiff
from napari_clickseg.storage.read_images import read_image

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (3, 20, 30)).astype(np.uint16)
INCH = 25400.0


@pytest.mark.parametrize(
    ("unit", "spacing"),
    [
        ("nm", (0.002, 0.005, 0.005)),
        ("um", (2.0, 5.0, 5.0)),
        ("micron", (2.0, 5.0, 5.0)),
        (r"\u00B5m", (2.0, 5.0, 5.0)),
        ("mm", (2000.0, 5000.0, 5000.0)),
        ("cm", (20000.0, 50000.0, 50000.0)),
        ("inch", (2 * INCH, 5 * INCH, 5 * INCH)),
        ("pixel", (0.4, 1.0, 1.0)),
        ("grey value", (0.4, 1.0, 1.0)),
        (None, (0.4, 1.0, 1.0)),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_units_of_imagej(tmp_path: Path, unit: str | None, spacing: tuple[float, ...], sign: int) -> None:
    """Sizes that are no lengths stay as ratios; stages that move down count planes by a negative step."""
    told = {"axes": "ZYX", "spacing": 2.0 * sign} | ({"unit": unit} if unit else {})
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(0.2, 0.2), metadata=told)
    image = read_image(tmp_path / "a.tif")
    assert image.spacing == pytest.approx(spacing)
    assert image.geometry.units == (("", "", "") if spacing[-1] == 1 else (unit,) * 3)


@pytest.mark.parametrize(
    ("resolution", "size", "spacing"),
    [("INCH", 254.0, 100.0), ("CENTIMETER", 1000.0, 10.0), ("NONE", 0.5, 1.0), ("INCH", 72.0, 1.0)],
)
def test_a_resolution_has_a_unit_of_its_own(tmp_path: Path, resolution: str, size: float, spacing: float) -> None:
    """As ImageJ has it: dots per inch or per centimetre, and 72 dots per inch for "nobody said"."""
    tifffile.imwrite(
        tmp_path / "a.tif", STACK[0], imagej=True, resolution=(size, size), resolutionunit=resolution, metadata={}
    )
    assert read_image(tmp_path / "a.tif").spacing == pytest.approx((spacing, spacing))


@pytest.mark.parametrize(
    ("unit", "seconds"), [("sec", 2.0), ("min", 120.0), ("ms", 0.002), (None, 2.0), ("frame", 1.0)]
)
def test_time_steps_of_imagej(tmp_path: Path, unit: str | None, seconds: float) -> None:
    told = {"axes": "TYX", "finterval": 2.0} | ({"tunit": unit} if unit else {})
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata=told)
    assert read_image(tmp_path / "a.tif").spacing == pytest.approx((seconds, 1.0, 1.0))


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [("µm", 5.0), ("nm", 0.005), ("Å", 5e-4), ("pm", 5e-6), ("mm", 5e3), ("cm", 5e4), ("m", 5e6), ("in", 5 * INCH)],
)
def test_units_of_ome(tmp_path: Path, unit: str, micrometres: float) -> None:
    told = {"axes": "ZYX"}
    for axis in "XYZ":
        told |= {f"PhysicalSize{axis}": 5.0, f"PhysicalSize{axis}Unit": unit}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=told)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.spacing == pytest.approx((micrometres,) * 3)
    assert image.geometry.units == (unit,) * 3


@pytest.mark.parametrize("unit", ["pixel", "reference frame"])
def test_units_of_ome_that_are_no_lengths_are_ratios(tmp_path: Path, unit: str) -> None:
    told = {"axes": "ZYX", "PhysicalSizeX": 5.0, "PhysicalSizeY": 5.0, "PhysicalSizeZ": 10.0}
    told |= {f"PhysicalSize{axis}Unit": unit for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=told)
    image = read_image(tmp_path / "a.ome.tif")
    assert (image.spacing, image.geometry.units) == ((2.0, 1.0, 1.0), ("", "", ""))


@pytest.mark.parametrize(
    ("unit", "seconds"), [("s", 2.0), ("min", 120.0), ("ms", 0.002), ("h", 7200.0), ("d", 172800.0)]
)
def test_time_steps_of_ome(tmp_path: Path, unit: str, seconds: float) -> None:
    told = {"axes": "TYX", "TimeIncrement": 2.0, "TimeIncrementUnit": unit}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=told)
    assert read_image(tmp_path / "a.ome.tif").spacing == pytest.approx((seconds, 1.0, 1.0))


def test_an_axis_that_nothing_is_told_of_has_size_one(tmp_path: Path) -> None:
    told = {"axes": "ZYX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeZ": -1.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=told)
    assert read_image(tmp_path / "a.ome.tif").spacing == pytest.approx((1.5, 1.0, 0.25))


# -- sets and series ---------------------------------------------------------------------------------------------------


def ome_set(folder: Path, positions: int = 3) -> list[np.ndarray]:
    """One file per position, each with the description of all, as Micro-Manager and others write them."""
    planes = [np.full((2, 8, 10), 100 + k, np.uint16) for k in range(positions)]
    images = "".join(
        f'<Image ID="Image:{k}" Name="pos{k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYZCT" Type="uint16" SizeX="10" '
        f'SizeY="8" SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="{k + 1}" PhysicalSizeXUnit="nm">'
        f'<Channel ID="Channel:{k}:0" SamplesPerPixel="1"/><TiffData FirstZ="0" IFD="0" PlaneCount="2">'
        f'<UUID FileName="p{k}.ome.tif">urn:uuid:'
        f"0000000{k}-0000-0000-0000-000000000000</UUID></TiffData></Pixels></Image>"
        for k in range(positions)
    )
    for k, plane in enumerate(planes):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:0000000{k}-0000-0000-0000-000000000000">{images}</OME>'
        )
        tifffile.imwrite(folder / f"p{k}.ome.tif", plane, description=xml, metadata=None, photometric="minisblack")
    return planes


def test_of_a_set_of_files_the_named_one_is_read(tmp_path: Path) -> None:
    for k, plane in enumerate(ome_set(tmp_path)):
        image = read_image(tmp_path / f"p{k}.ome.tif")
        np.testing.assert_array_equal(image.array, plane)
        assert image.spacing[-1] == pytest.approx((k + 1) / 1000)


def test_a_set_that_lacks_other_positions_still_has_its_own_pixels(tmp_path: Path, caplog: object) -> None:
    planes = ome_set(tmp_path)
    (tmp_path / "p0.ome.tif").unlink()
    np.testing.assert_array_equal(read_image(tmp_path / "p2.ome.tif").array, planes[2])


def test_a_movie_over_several_files_of_which_one_is_missing_is_refused(tmp_path: Path) -> None:
    frames = "".join(
        f'<TiffData FirstT="{k}" IFD="0" PlaneCount="1"><UUID FileName="t{k}.ome.tif">urn:uuid:{k}</UUID></TiffData>'
        for k in range(3)
    )
    for k in range(3):
        xml = (
            f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{k}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="10" '
            f'SizeY="8" SizeZ="1" SizeC="1" SizeT="3">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{frames}</Pixels></Image></OME>'
        )
        plane = np.full((8, 10), k, np.uint16)
        tifffile.imwrite(tmp_path / f"t{k}.ome.tif", plane, description=xml, metadata=None)
    assert read_image(tmp_path / "t1.ome.tif").array[:, 0, 0].tolist() == [0, 1, 2]
    (tmp_path / "t2.ome.tif").unlink()
    with pytest.raises(ValueError, match="one file of a set, of which 1 of 3 planes are missing"):
        read_image(tmp_path / "t1.ome.tif")


def test_several_images_of_a_file_are_named_by_number(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tiff:
        tiff.write(np.full((20, 30), 1, np.uint8))
        tiff.write(np.full((25, 30), 2, np.uint8))
    with pytest.raises(ValueError, match=r"holds 2 images; name one of them: a\.ome\.tif/0 \(20, 30\), a\.ome\.tif/1"):
        read_image(tmp_path / "a.ome.tif")
    assert read_image(tmp_path / "a.ome.tif" / "1").array.max() == 2
    for wrong in ("2", "x", "-1"):
        with pytest.raises(ValueError, match=f"has no image {wrong}; it has 2, counted from 0"):
            read_image(tmp_path / "a.ome.tif" / wrong)


def test_an_overview_beside_an_image_is_none(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(np.full((20, 30), 1, np.uint8))
        tiff.write(np.full((7, 9), 2, np.uint8))
    assert read_image(tmp_path / "a.tif").array.shape == (20, 30)


# -- pyramids and large files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_of_a_pyramid_the_finest_level_is_read_tile_by_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    finest = RNG.integers(0, 255, (512, 768)).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tiff:
        options = {"tile": (64, 64), "compression": compression, "photometric": "minisblack"}
        tiff.write(finest, subifds=2, **options)
        for step in (2, 4):
            tiff.write(finest[::step, ::step], subfiletype=1, **options)
    monkeypatch.setattr(read_tiff, "DECODED_AT_ONCE", 1000)
    image = read_image(tmp_path / "a.ome.tif")
    assert not isinstance(image.array, np.ndarray)
    assert (image.shape, image.axes) == ((512, 768), "YX")
    np.testing.assert_array_equal(image.array[100:200, 300:400], finest[100:200, 300:400])


def test_without_zarr_a_large_compressed_file_is_refused_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression="zlib", photometric="minisblack")
    monkeypatch.setattr(read_tiff, "DECODED_AT_ONCE", 1000)
    monkeypatch.setattr(read_tiff, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'needs the package zarr: pip install "napari-clickseg\[zarr\]"'):
        read_image(tmp_path / "a.tif")


# -- codecs and damage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "jpeg2000", "packbits", "lzma"])
def test_compressed_pixels_are_read(tmp_path: Path, compression: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression=compression, photometric="minisblack")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, STACK)


def test_packed_pixels_are_unpacked(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, bitspersample=12, photometric="minisblack")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, STACK)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compression": "zstd"}, "ZSTD compression"),
        ({"compression": "lzw"}, "LZW compression"),
        ({"bitspersample": 12}, "12 bits a pixel"),
    ],
)
@pytest.mark.parametrize("lazily", [False, True])
def test_a_missing_codec_is_named(tmp_path: Path, options: dict, words: str, lazily: bool) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", **options)
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from napari_clickseg.storage import read_tiff, read_images\n"
        f"read_tiff.DECODED_AT_ONCE = {0 if lazily else 1 << 28}\n"
        "try:\n    read_images.read_image(sys.argv[1])\nexcept ValueError as error:\n    print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f'{words}, which needs the package imagecodecs: pip install "napari-clickseg[codecs]"' in said


def damaged(path: Path, how: str) -> None:
    """Damage a TIFF as disks and transfers do."""
    whole = bytearray(path.read_bytes())
    if how.startswith("cut"):
        whole = whole[: int(len(whole) * float(how.removeprefix("cut ")))]
    elif how == "flipped":
        whole[-400:-200] = bytes(255 - b for b in whole[-400:-200])
    elif how == "absurd":
        with tifffile.TiffFile(path) as tiff:
            where = tiff.pages.first.tags["ImageLength"].valueoffset
        whole[where : where + 4] = struct.pack("<I", 2**31 - 1)
    elif how == "zeros":
        whole[8:] = bytes(len(whole) - 8)
    path.write_bytes(bytes(whole))


@pytest.mark.parametrize("how", ["cut 0.9", "cut 0.5", "cut 0.1", "cut 0.01", "absurd", "zeros"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"tile": (16, 16)},
        {"imagej": True},
        {"ome": True},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
    ids=str,
)
def test_a_damaged_tiff_is_one_sentence(tmp_path: Path, options: dict, how: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", **options)
    damaged(tmp_path / "a.tif", how)
    try:
        left = np.asarray(read_image(tmp_path / "a.tif").array).ravel()[:600]
    except ValueError as error:
        sentence = str(error)
    else:  # a file of which the first plane is left
        np.testing.assert_array_equal(left, STACK.ravel()[:600])
        return
    assert "a.tif" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300

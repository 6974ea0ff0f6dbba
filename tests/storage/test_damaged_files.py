"""Damaged and odd files: every reader answers each with pixels or with one sentence that names the file."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3

from napari_clickseg.storage.exports import EXPORTS
from napari_clickseg.storage.formats import FORMATS
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.read_labels import read_labels
from napari_clickseg.storage.tables import read_clicks_csv

PIXELS = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
NOISE = np.random.default_rng(0).integers(0, 256, 2000).astype(np.uint8).tobytes()
BEGINNINGS = {
    "empty": b"",
    "text": b"these are no pixels",
    "noise": NOISE,
    "zeros": bytes(2000),
    "tiff": b"II*\0" + NOISE,
    "big tiff": b"II+\0\x08\0\0\0" + NOISE,
    "tiff without pages": b"II*\0\0\0\0\0",
    "png": b"\x89PNG\r\n\x1a\n" + NOISE,
    "jpeg": b"\xff\xd8\xff\xe0" + NOISE,
    "gif": b"GIF89a" + NOISE,
    "bmp": b"BM" + NOISE,
    "npy": b"\x93NUMPY\x01\0\x76\0{'descr'" + NOISE,
    "zip": b"PK\x03\x04" + NOISE,
    "gzip": b"\x1f\x8b\x08\0" + NOISE,
    "hdf5": b"\x89HDF\r\n\x1a\n" + NOISE,
    "web page": b"<!DOCTYPE html><html>404</html>",
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "czi": b"ZISRAWFILE" + NOISE,
    "pickle": b"\x80\x04\x95\x00",
}
READ = [form for form in FORMATS if form.images or form.labels]
READERS: dict[str, Callable[[Path], object]] = {
    "image": lambda path: np.asarray(read_image(path).array[...]),
    "labels": lambda path: np.asarray(read_labels(path).array[...]),
    "clicks": lambda path: read_clicks_csv(path, "YX"),
}


def answered(read: Callable[[Path], object], path: Path) -> str:
    """The sentence with which a reader refuses; empty where it reads."""
    try:
        read(path)
    except (ValueError, OSError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", BEGINNINGS)
@pytest.mark.parametrize("suffix", [*{form.kind: form.suffix for form in READ}.values(), ".csv", ".docx", ""])
def test_whatever_a_file_holds_the_answer_is_one_sentence(
    tmp_path: Path, reader: str, content: str, suffix: str
) -> None:
    path = tmp_path / f"cells{suffix}"
    path.write_bytes(BEGINNINGS[content])
    sentence = answered(READERS[reader], path)
    assert path.name in sentence
    assert "\n" not in sentence
    assert len(sentence) < 420
    for word in ("pillow", "uri", "Traceback", "buffer", "NoneType", "pickled", "codec can't"):
        assert word not in sentence


@pytest.mark.parametrize(
    "content", [*BEGINNINGS.values(), b"{}", b"[1]", b'{"features": [{"geometry": null}]}', b"null"]
)
@pytest.mark.parametrize("name", [name for name, export in EXPORTS.items() if export.form.imports])
def test_objects_of_other_programs_are_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / f"cells{EXPORTS[name].suffix}"
    path.write_bytes(content)
    sentence = answered(EXPORTS[name].read, path)
    assert path.name in sentence
    assert "\n" not in sentence


WHOLE = {
    "a.tif": lambda path: tifffile.imwrite(path, PIXELS),
    "z.tif": lambda path: tifffile.imwrite(path, PIXELS, compression="zlib"),
    "l.tif": lambda path: tifffile.imwrite(path, PIXELS, compression="lzw"),
    "o.ome.tif": lambda path: tifffile.imwrite(path, PIXELS, metadata={"axes": "YX", "PhysicalSizeX": 0.5}),
    "i.tif": lambda path: tifffile.imwrite(path, PIXELS, imagej=True),
    "a.png": lambda path: v3.imwrite(path, PIXELS),
    "a.jpg": lambda path: v3.imwrite(path, PIXELS),
    "a.gif": lambda path: v3.imwrite(path, PIXELS),
    "a.bmp": lambda path: v3.imwrite(path, PIXELS),
    "a.npy": lambda path: np.save(path, PIXELS),
    "a.npz": lambda path: np.savez_compressed(path, PIXELS),
    "a_seg.npy": lambda path: np.save(path, {"masks": PIXELS}, allow_pickle=True),
}
"""A whole file of each kind, by name."""


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("seed", range(12))
def test_flipped_and_lost_bytes_end_with_pixels_or_a_sentence(tmp_path: Path, name: str, seed: int) -> None:
    WHOLE[name](tmp_path / name)
    rng = np.random.default_rng(seed)
    content = bytearray((tmp_path / name).read_bytes())
    for place in rng.integers(0, min(len(content), 400), 1 + seed):
        content[place] ^= int(rng.integers(1, 256))
    if seed % 3 == 0:
        del content[int(rng.integers(1, len(content))) :]
    (tmp_path / name).write_bytes(bytes(content))
    for read in (READERS["image"], READERS["labels"]):
        sentence = answered(read, tmp_path / name)
        assert "\n" not in sentence
        assert not sentence or name in sentence or "axes" in sentence


def test_every_kind_of_the_table_is_damaged_above() -> None:
    assert {form.kind for form in READ} == {"tiff", "zarr", "picture", "npy", "npz", "cellpose", "bioio"}


# -- what is no file ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the platform has no named pipes")
@pytest.mark.parametrize("reader", READERS)
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path, reader: str) -> None:
    os.mkfifo(tmp_path / "a.tif")
    assert "a.tif is no file" in answered(READERS[reader], tmp_path / "a.tif")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the platform has no such sockets")
def test_a_socket_and_a_device_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("a.tif")
        assert "a.tif is no file but a pipe, a socket or a device" in answered(READERS["image"], Path("a.tif"))
    assert "no file but a pipe, a socket or a device" in answered(READERS["image"], Path(os.devnull))


@pytest.mark.parametrize("name", ["a.tif/b/c", "a" * 300, "a\0b.tif", ""])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tif").write_bytes(b"no folder")
    assert answered(READERS["image"], tmp_path / name)


# -- arrays that are no images -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((8, 9), complex), "Pixels must be integers, floats or booleans, but these are complex128"),
        (np.full((8, 9), "a"), "Pixels must be integers, floats or booleans, but these are <U1"),
        (np.zeros((8, 9), "datetime64[s]"), "but these are datetime64"),
        (np.zeros((8, 9), [("a", "u1")]), "Pixels must be integers, floats or booleans"),
        (np.zeros((0, 9)), "The image is empty"),
        (np.zeros(9), "has no obvious axes"),
        (np.float64(3), "has no obvious axes"),
        (np.zeros((2, 2, 2, 2, 2, 2)), "has no obvious axes"),
        (np.array([{"a": 1}], object), "holds Python objects"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path: Path, array: np.ndarray, sentence: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    found = answered(READERS["image"], tmp_path / "a.npy")
    assert sentence in found
    assert "a.npy" in found


@pytest.mark.parametrize("axes", ["YXZ", "XYZ", "ZXY", "xzy"])
def test_axes_may_be_named_in_any_order(tmp_path: Path, axes: str) -> None:
    stack = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    np.save(tmp_path / "a.npy", stack.transpose(["ZYX".index(axis) for axis in axes.upper()]))
    image = read_image(tmp_path / "a.npy", axes)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.array, stack)


@pytest.mark.parametrize("axes", ["YXX", "Y", "YXC", "ZYXC", "", "Y X"])
def test_axes_that_do_not_fit_are_refused_with_the_file(tmp_path: Path, axes: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 9)))
    found = answered(lambda path: read_image(path, axes), tmp_path / "a.npy")
    assert ("a.npy" in found) == bool(axes)


def test_a_stitched_picture_beyond_pillows_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image as Picture

    v3.imwrite(tmp_path / "a.png", PIXELS)
    monkeypatch.setattr(Picture, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").array, PIXELS)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").array, PIXELS)
    assert Picture.MAX_IMAGE_PIXELS == 100


def test_a_picture_of_absurd_size_is_refused(tmp_path: Path) -> None:
    v3.imwrite(tmp_path / "a.png", PIXELS)
    whole = bytearray((tmp_path / "a.png").read_bytes())
    whole[16:24] = struct.pack(">II", 2**30, 2**30)
    (tmp_path / "a.png").write_bytes(bytes(whole))
    assert "a.png" in answered(READERS["image"], tmp_path / "a.png")

"""Images without content end with a sentence on the command line, and intensities of any scale with the same labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_clickseg.cli import main

Y, X = np.mgrid[:60, :90]
PIXELS = np.where((Y - 20) ** 2 + (X - 65) ** 2 <= 100, 3000.0, 200.0)


def segment(folder: Path, pixels: np.ndarray) -> int:
    tifffile.imwrite(folder / "a.tif", pixels)
    (folder / "a.csv").write_text("object,positive,y,x\n1,1,20,65\n")
    command = ["segment", "a.tif", "--clicks", "a.csv", "--model", "geodesic", "--output", "l.tif"]
    return main([str(folder / part) if "." in part else part for part in command])


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_an_image_of_one_value_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float) -> None:
    assert segment(tmp_path, np.full((60, 90), value, np.float32)) == 2
    assert "there is nothing to outline" in capsys.readouterr().err
    assert not (tmp_path / "l.tif").exists()


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_labels_do_not_depend_on_scale_and_offset(tmp_path: Path, scale: float, offset: float) -> None:
    assert segment(tmp_path, (PIXELS + offset) * scale) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "l.tif") > 0, PIXELS > 1000)


def test_blank_frames_of_a_movie_get_no_objects_and_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    movie = np.stack([np.full(PIXELS.shape, np.nan), PIXELS, np.full(PIXELS.shape, 7.0)]).astype(np.float32)
    command = ["segment", "--model", "unet-sample", "--output", str(tmp_path / "l.tif")]
    tifffile.imwrite(tmp_path / "m.tif", movie, photometric="minisblack", metadata={"axes": "TYX"}, ome=True)
    assert main([*command, str(tmp_path / "m.tif")]) == 0
    assert "m.tif: 2 frames hold one value, or none, and get no objects: 0; 2." in capsys.readouterr().err
    assert tifffile.imread(tmp_path / "l.tif").any(axis=(1, 2)).tolist() == [False, True, False]


def test_a_movie_of_blank_frames_alone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((3, 40, 50), np.uint8), photometric="minisblack")
    command = ["segment", str(tmp_path / "m.tif"), "--model", "unet-sample", "--output", str(tmp_path / "l.tif")]
    assert main(command) == 2
    assert "Each frame of the image has one value everywhere, or none" in capsys.readouterr().err
    assert not (tmp_path / "l.tif").exists()

"""Files of microscopes' makers: read through bioio where it is installed; else the packages to install are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_clickseg.storage.formats import FORMATS
from napari_clickseg.storage.read_images import read_image

BIOIO = '''
"""As much of bioio as is used: scenes, five axes lazily, sizes in micrometres, a time step."""
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import dask.array as da
import numpy as np

Sizes = namedtuple("Sizes", "Z Y X")


class BioImage:
    def __init__(self, path):
        if b"damaged" in Path(path).read_bytes():
            raise Exception("an error of its own")
        self.scenes = ("cells", "beads") if b"two" in Path(path).read_bytes() else ("cells",)
        self.dims = type("Dims", (), {"order": "TCZYX"})
        self.physical_pixel_sizes = Sizes(-2.0, 0.5, None)
        self.time_interval = timedelta(minutes=1)

    def set_scene(self, number):
        self.dask_data = da.from_array(np.full((4, 1, 3, 8, 9), number, np.uint16))
'''


@pytest.fixture
def bioio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A double of bioio, and of its reader of CZI, on the path of imports."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "bioio.py").write_text(BIOIO)
    (tmp_path / "packages" / "bioio_czi.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.delitem(__import__("sys").modules, "bioio", raising=False)


@pytest.mark.parametrize("form", [form for form in FORMATS if form.kind == "bioio"], ids=lambda form: form.name)
def test_the_packages_to_install_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: object) -> None:
    monkeypatch.setattr("napari_clickseg.storage.read_bioio.find_spec", lambda name: None)
    for suffix in form.suffixes:
        (tmp_path / f"a{suffix}").write_bytes(b"pixels of a maker")
        with pytest.raises(
            ValueError, match=rf"a\{suffix} is a file of .* \(pip install {form.needs}\) or save it as OME"
        ):
            read_image(tmp_path / f"a{suffix}")


@pytest.mark.usefixtures("bioio")
def test_a_scene_is_read_lazily_with_its_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.czi").write_bytes(b"one")
    image = read_image(tmp_path / "a.czi")
    assert (image.axes, image.shape, image.spacing) == ("TZYX", (4, 3, 8, 9), (60.0, 2.0, 0.5, 1.0))
    assert not isinstance(image.array, np.ndarray)


@pytest.mark.usefixtures("bioio")
def test_of_several_scenes_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.czi").write_bytes(b"two")
    with pytest.raises(
        ValueError, match=r"holds 2 scenes; name one of them. It has a\.czi/0 \(cells\), a\.czi/1 \(beads"
    ):
        read_image(tmp_path / "a.czi")
    for name in ("1", "beads"):
        assert int(np.asarray(read_image(tmp_path / "a.czi" / name).array).max()) == 1
    with pytest.raises(ValueError, match=r"has no scene 2; it has a\.czi/0 \(cells\)"):
        read_image(tmp_path / "a.czi" / "2")


@pytest.mark.usefixtures("bioio")
def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.czi").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"a\.czi cannot be read as an image: bioio-czi finds it damaged"):
        read_image(tmp_path / "a.czi")

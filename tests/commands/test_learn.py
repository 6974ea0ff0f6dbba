"""clickseg learn on real files: a model comes out where it pays, and a sentence where not."""

from functools import partial

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from doubles import disk
from napari_clickseg.cli import main
from napari_clickseg.models.load import load_model
from napari_clickseg.training import adapt
from napari_clickseg.training.few_objects import Effort

SHAPE = (80, 112)


@pytest.fixture
def cells(tmp_path, monkeypatch):
    labels = np.zeros(SHAPE, np.uint16)
    for number, place in enumerate([(16, 16), (16, 48), (16, 80), (48, 16), (48, 48), (48, 80)], start=1):
        labels[disk(SHAPE, place, 8)] = number
    for name, array in (("images", ndimage.gaussian_filter((labels > 0) * 200.0, 1)), ("labels", labels)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", array.astype(np.uint16))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adapt, "adapt", partial(adapt.adapt, effort=Effort(seconds=600, steps=1, batch=1)))
    return tmp_path


def test_folders_give_a_model_that_loads(cells, capsys):
    assert main(["learn", "images", "labels", "--output", "mine.safetensors", "--unchecked", "--device", "cpu"]) == 0
    assert "learning from 6 objects" in capsys.readouterr().out
    assert load_model("mine.safetensors", "cpu").name.startswith("learned-")


def test_what_saves_no_clicks_is_not_written(cells, capsys, monkeypatch):
    monkeypatch.setattr(adapt, "clicks_needed", lambda *args: 1)
    assert main(["learn", "images/a.tif", "labels/a.tif", "--output", "mine.safetensors", "--device", "cpu"]) == 1
    assert "saves no clicks (1.0, before 1.0)" in capsys.readouterr().err
    assert not (cells / "mine.safetensors").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--objects", "1,2"], "needs 5 kept objects"),
        (["--objects", "1,99"], "no object 99"),
        (["--objects", "one"], "takes numbers of objects"),
        (["--output", "mine.pt"], "would not be found"),
    ],
)
def test_refusals_are_one_sentence(cells, capsys, more, words):
    assert main(["learn", "images/a.tif", "labels/a.tif", "--output", "mine.safetensors", *more]) == 2
    assert words in capsys.readouterr().err

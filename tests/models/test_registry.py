"""The table of models: every source is listed, names are unique, no damage stops it, nothing heavy loads."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from napari_clickseg.models import classic, registry
from napari_clickseg.models.registry import find_model, list_models, load_model, user_folder

WITHOUT_WEIGHTS = ["geodesic", "grabcut", "random-walker", "superpixels"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the user's models."""
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path))
    return tmp_path


def plugin_model(device: str) -> classic.Geodesic:
    """What another package's entry point would name."""
    return classic.Geodesic(name=f"plugin on {device}")


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_models_without_weights_load_by_name(name: str) -> None:
    predictor = load_model(name, device="cpu")
    assert (predictor.name, predictor.ndim, predictor.device) == (name, 2, "cpu")


def test_an_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"no model 'resnet'; there are .*random-walker.*superpixels"):
        load_model("resnet")


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no weights file .*none\.safetensors"):
        load_model(tmp_path / "none.safetensors")


def test_a_damaged_file_in_the_users_folder_is_listed_as_such_and_stops_nothing(folder: Path) -> None:
    (folder / "mine.safetensors").write_bytes(b"\x00" * 100)
    table = {entry.name: entry for entry in list_models()}
    assert not table["mine"].readable
    assert "damaged" in table["mine"].title
    assert set(WITHOUT_WEIGHTS) <= set(table)


def test_loading_a_damaged_file_says_so_in_a_sentence(folder: Path) -> None:
    (folder / "mine.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(ValueError, match=r"mine\.safetensors"):
        load_model("mine")


def test_a_users_file_never_hides_another_model(folder: Path) -> None:
    (folder / "geodesic.safetensors").write_bytes(b"")
    names = [entry.name for entry in list_models()]
    assert len(names) == len(set(names))
    assert load_model("weightless:geodesic").name == "geodesic"


def test_other_packages_add_models_by_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", f"{__name__}:plugin_model", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    monkeypatch.setattr(EntryPoint, "load", lambda self: plugin_model)
    assert find_model("theirs").kind == "plugin"
    assert load_model("theirs", device="cpu").name == "plugin on cpu"


def test_without_the_variable_the_users_folder_is_in_the_platforms_user_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLICKSEG_MODELS")
    assert user_folder().parts[-2:] == ("napari-clickseg", "models")


def test_listing_imports_neither_torch_nor_qt_nor_napari() -> None:
    code = (
        "import sys; from napari_clickseg import list_models; list_models(); "
        "print([m for m in ('torch', 'qtpy', 'napari', 'skimage.segmentation') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_predictor_whose_library_is_not_there_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "grabcut" in {entry.name for entry in list_models()}
    monkeypatch.setitem(registry.NEEDS, "grabcut", "no_such_library")
    assert "grabcut" not in {entry.name for entry in list_models()}

"""The table of models: every source is listed, names are unique, no damage stops it, nothing heavy loads."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_clickseg.models import classic, registry
from napari_clickseg.models.card import ModelCard
from napari_clickseg.models.load import load_model
from napari_clickseg.models.registry import find_model, list_models
from napari_clickseg.storage.paths import user_folder

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


# -- switches ----------------------------------------------------------------------------------------------------------


CARD = ModelCard("small", "Small", "For tests.", "clicknet", {}, 64, {"clicks": "disk", "sizes": [5]}, 0.4, ("flip",))


@pytest.fixture
def weights(folder: Path) -> Path:
    """A model of the user's own, which flips."""
    path = folder / "small.safetensors"
    save_file({"a": np.zeros(1, np.float16)}, str(path), metadata=CARD.to_metadata())
    return path


@pytest.mark.parametrize(
    ("text", "switches"),
    [
        ("", {}),
        (":flip=off", {"flip": False}),
        (":flip=off:obey=on", {"flip": False, "obey": True}),
    ],
)
def test_switches_follow_a_name_or_a_path(weights: Path, text: str, switches: dict[str, bool]) -> None:
    for model in ("small", str(weights)):
        entry = find_model(model + text)
        assert entry.path == weights
        assert entry.switches == switches


def test_switched_model_is_told_apart_by_its_name_and_not_listed(weights: Path) -> None:
    assert find_model("small:flip=off").name == "small:flip=off"
    small = next(entry for entry in list_models() if entry.path == weights)
    assert (small.name, small.switches) == ("small", {})


@pytest.mark.parametrize("text", ["", ":flip=off", ":flip=off:obey=on"])
def test_the_colon_of_a_windows_drive_is_no_switch(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(Path, "is_file", lambda path: asked.append(path) or True)
    monkeypatch.setattr(registry, "_card", lambda path: CARD)
    monkeypatch.setattr(registry, "list_models", list)
    entry = find_model(r"C:\x\y.safetensors" + text)
    assert str(entry.path) == str(asked[-1]) == r"C:\x\y.safetensors"
    assert len(entry.switches) == text.count("=")


def test_a_missing_windows_file_with_switches_is_named_without_them() -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no weights file C:\\x\\y\.safetensors\.$"):
        find_model(r"C:\x\y.safetensors:flip=off")


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            "small:blur=on",
            r"There is no refinement blur; there are closer, zoom, merge, flip, guided, obey, brs, fbrs\.$",
        ),
        ("small:flip=maybe", r"A refinement is switched on or off, not flip=maybe\.$"),
        ("small:flip=", r"A refinement is switched on or off, not flip=\.$"),
        ("geodesic:flip=off", r"'geodesic' has no refinements to switch: only models with weights have\.$"),
        ("weightless:flip=off", r"no model 'weightless'; there are"),
    ],
)
def test_switches_that_cannot_be_are_refused_in_one_sentence(weights: Path, model: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        find_model(model)


def test_loaded_model_has_its_refinements_switched(folder: Path) -> None:
    from napari_clickseg.inference.guidance import Encoding
    from napari_clickseg.models.load import new_network, save_model

    network = new_network(CARD.network, CARD.network_options, Encoding.from_mapping(CARD.encoding))
    save_model(folder / "real.safetensors", network, CARD)
    assert load_model("real:flip=off:obey=on", "cpu").card.refinements == ("obey",)
    assert load_model("real", "cpu").card.refinements == ("flip",)
    with pytest.raises(ValueError, match="network ClickNet has no guided filter"):
        load_model("real:guided=on", "cpu")


# -- damage and clashes ------------------------------------------------------------------------------------------------


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


def test_learned_weights_are_found_by_name_though_not_listed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CLICKSEG_JOURNALS", str(folder / "journals"))
    name = "learned-00112233aa"
    with pytest.raises(ValueError, match=r"learned from kept objects, and are not on this computer any more"):
        find_model(name)
    place = folder / "journals" / "learned" / f"{name}.safetensors"
    place.parent.mkdir(parents=True)
    card = ModelCard(name, "Learned", "From 9 objects.", "lite_clicknet", {}, 64, {}, 0.46)
    save_file({"x": np.zeros(1, np.float32)}, str(place), metadata=card.to_metadata())
    assert find_model(name).path == place
    assert name not in [entry.name for entry in list_models()]

"""Foreign models: what is kept answers bit for bit like the original, and nothing is kept that cannot be used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from foreign_files import SOURCE, TINY, WRITERS, Saved, exported_fixed, halves, safetensors, scripted, state_dict
from foreign_networks import TinyUNet, seeded
from napari_clickseg.core.images import Image
from napari_clickseg.models import import_model as foreign
from napari_clickseg.models.card import ConvertedCard, amend_card, read_card, read_click_card
from napari_clickseg.models.import_model import Candidate, check_name, examine, keep
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.models.load import load_model, open_converted
from napari_clickseg.models.registry import find_model, list_models
from napari_clickseg.models.trust import ClassNeeded, Untrusted
from napari_clickseg.networks.unet import UNet

EXACT = sorted(set(WRITERS) - {"onnx"})
"""Formats whose writers leave the weights as they are; that of ONNX folds normalisation into convolutions."""


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's models: an empty folder."""
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def opened(saved: Saved) -> Candidate:
    return examine(saved.path, trust=True, **saved.options)


def image(side: int = 64) -> torch.Tensor:
    return torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(1))


# -- bit for bit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_the_examined_and_the_kept_network_answer_bit_for_bit_like_the_original(tmp_path: Path, name: str) -> None:
    network = seeded(outputs=3)
    candidate = opened(WRITERS[name](tmp_path, network))
    kept = keep(candidate, candidate.conventions, "mine")
    for answers in (candidate.network, open_converted(kept, "cpu").network, load_model("mine", "cpu").network):
        assert torch.equal(answers(image()), network(image()))


def test_a_kept_onnx_network_answers_like_the_examined_one_and_that_like_the_original(tmp_path: Path) -> None:
    network = seeded(outputs=3)
    candidate = opened(WRITERS["onnx"](tmp_path, network))
    kept = load_model(keep(candidate, candidate.conventions, "mine"), "cpu")
    assert torch.equal(kept.network(image()), candidate.network(image()))
    torch.testing.assert_close(candidate.network(image()), network(image()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["state_dict", "scripted", "exported"])
def test_with_no_click_the_probability_of_a_frame_is_the_original_networks(tmp_path: Path, name: str) -> None:
    network = seeded(outputs=1)
    candidate = opened(WRITERS[name](tmp_path, network))
    kept = load_model(keep(candidate, replace(candidate.conventions, normalise="none"), "mine"), "cpu")
    pixels = image()[0, 0].numpy()
    wanted = torch.sigmoid(network(torch.from_numpy(pixels)[None, None]))[0, 0].numpy()
    np.testing.assert_array_equal(kept.probability(Image.of(pixels), ()), wanted)


def test_weights_are_kept_in_the_precision_in_which_they_came(tmp_path: Path) -> None:
    candidate = opened(halves(tmp_path, seeded()))
    kept = load_file(keep(candidate, candidate.conventions, "mine"))
    given = load_file(tmp_path / "net.safetensors")
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], given[name]) and kept[name].dtype == given[name].dtype for name in given)


def test_a_third_partys_network_is_converted_by_the_path_of_its_class(tmp_path: Path) -> None:
    nets = pytest.importorskip("monai.networks.nets")
    options = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8, 16], "strides": [2, 2]}
    torch.manual_seed(0)
    network = nets.UNet(**options).eval().requires_grad_(False)
    torch.save(network.state_dict(), tmp_path / "monai.pt")
    saved = Saved(tmp_path / "monai.pt", {"class_path": "monai.networks.nets:UNet", "kwargs": options})
    candidate = opened(saved)
    assert (candidate.conventions.divisible, candidate.conventions.objects) == (4, (1,))
    kept = load_model(keep(candidate, candidate.conventions, "mine"), "cpu")
    assert torch.equal(kept.network(image()), network(image()))


def test_a_program_for_one_size_is_given_that_size_alone(tmp_path: Path) -> None:
    rules = opened(exported_fixed(tmp_path, seeded())).conventions
    assert (rules.divisible, rules.smallest_side, rules.tile) == (64, 64, 64)


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_the_card_tells_where_the_model_comes_from_and_what_it_expects(tmp_path: Path) -> None:
    candidate = opened(state_dict(tmp_path, seeded(outputs=3)))
    rules = Conventions(channels=1, objects=(1,), boundary=2, activation="softmax", divisible=4, smallest_side=4)
    card = read_card(keep(candidate, rules, "mine", "Mine", "Of my cells.", "CC0-1.0"))
    assert isinstance(card, ConvertedCard)
    assert (card.title, card.description, card.licence) == ("Mine", "Of my cells.", "CC0-1.0")
    assert (card.origin, card.format, card.conventions) == ("net.pt", "state dict", rules)
    assert (card.class_path, card.kwargs) == ("foreign_networks.py:TinyUNet", {"outputs": 3})
    assert card.code == SOURCE.read_text("utf-8")
    assert card.sha256 == candidate.sha256
    assert len(card.sha256) == 64
    assert find_model("mine").title == "Mine"


def test_source_that_came_along_runs_without_the_file_that_it_came_from(tmp_path: Path) -> None:
    source = shutil.copy(SOURCE, tmp_path / "nets.py")
    network = seeded()
    torch.save(network.state_dict(), tmp_path / "net.pt")
    candidate = examine(tmp_path / "net.pt", f"{source}:TinyUNet", trust=True)
    kept = keep(candidate, candidate.conventions, "mine")
    Path(source).unlink()
    assert torch.equal(open_converted(kept, "cpu").network(image()), network(image()))


def test_metrics_go_into_the_card_and_leave_the_weights(tmp_path: Path) -> None:
    candidate = opened(state_dict(tmp_path, seeded()))
    kept = keep(candidate, candidate.conventions, "mine")
    before = load_file(kept)
    amend_card(kept, metrics={"dsb2018": {"iou": 0.8}}, data={"dsb2018": "CC0"})
    assert read_card(kept).metrics == {"dsb2018": {"iou": 0.8}}
    assert all(torch.equal(before[name], value) for name, value in load_file(kept).items())


def test_our_own_network_opens_without_trust_and_tells_all_by_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = UNet(channels=1, outputs=3, width=8, depth=2).eval().requires_grad_(False)
    said = {
        "class": "napari_clickseg.networks.unet:UNet",
        "kwargs": {"channels": 1, "width": 8, "depth": 2},
        "conventions": {"objects": [1, 2], "boundary": None, "threshold": 0.4},
    }
    path = tmp_path / "our.safetensors"
    save_file(network.state_dict(), path, metadata={"clickseg.network": json.dumps(said)})
    candidate = examine(path)
    assert (candidate.conventions.objects, candidate.conventions.boundary) == ((1, 2), None)
    assert (candidate.conventions.threshold, candidate.guesses["threshold"]) == (0.4, "the file's metadata says so")
    assert torch.equal(
        load_model(keep(candidate, candidate.conventions, "our"), "cpu").network(image()), network(image())
    )


def test_a_converted_model_is_no_start_for_training(tmp_path: Path) -> None:
    candidate = opened(state_dict(tmp_path, seeded()))
    kept = keep(candidate, candidate.conventions, "mine")
    with pytest.raises(ValueError, match=r"is a converted network that takes no clicks as input"):
        read_click_card(kept)


def test_a_candidate_answers_by_any_conventions_before_it_is_kept(tmp_path: Path, models: Path) -> None:
    candidate = opened(safetensors(tmp_path, seeded(outputs=2)))
    pixels = Image.of(image()[0, 0].numpy())
    for objects in ((0,), (1,)):
        rules = Conventions(objects=objects, activation="softmax", divisible=4, normalise="none")
        shown = candidate.predictor(rules).probability(pixels, ())
        wanted = torch.softmax(candidate.network(image()), 1)[0, objects[0]].numpy()
        np.testing.assert_array_equal(shown, wanted)
    assert not models.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"objects": (3,)}, r"^The network has 3 output channels, so there is no channel 3\.$"),
        ({"boundary": 5}, r"^The network has 3 output channels, so there is no channel 5\.$"),
        ({"channels": 4}, r"^With these conventions the network does not run: Given groups=1"),
        ({"divisible": 3}, r"^With these conventions the network does not run: Sizes of tensors must match"),
        (
            {"output": 1},
            r"^With these conventions the network does not run: it returns 1 tensors, so there is no output 1",
        ),
    ],
)
def test_conventions_under_which_it_does_not_run_are_not_kept(
    tmp_path: Path, models: Path, changes: dict[str, object], sentence: str
) -> None:
    candidate = opened(state_dict(tmp_path, seeded(outputs=3)))
    with pytest.raises(ValueError, match=sentence):
        keep(candidate, replace(candidate.conventions, **changes), "mine")
    assert not models.exists()


def test_refinement_by_backpropagation_is_switched_by_name_and_no_other(tmp_path: Path) -> None:
    candidate = opened(state_dict(tmp_path, seeded()))
    keep(candidate, candidate.conventions, "mine")
    assert [load_model(name, "cpu").refines for name in ("mine", "mine:brs=off", "mine:brs=on")] == [True, False, True]
    with pytest.raises(ValueError, match=r"^A converted network has one refinement to switch, brs, not flip\.$"):
        load_model("mine:flip=on", "cpu")


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "../mine", "a b", "a:b", ".hidden", "a/b", "x" * 65, "-a"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no name for a model: use up to 64 letters"):
        check_name(name)


def test_a_name_that_is_taken_is_refused_and_replaced_only_where_it_is_the_users(tmp_path: Path, models: Path) -> None:
    candidate = opened(state_dict(tmp_path, seeded()))
    kept = keep(candidate, candidate.conventions, "mine")
    before = kept.read_bytes()
    for name in ("mine", "Mine", "geodesic", "default"):
        with pytest.raises(ValueError, match=r"^There is a model '\w+' already; choose another name\.$"):
            keep(candidate, candidate.conventions, name)
    with pytest.raises(ValueError, match=r"it is not yours to replace"):
        keep(candidate, candidate.conventions, "default", replace=True)
    assert kept.read_bytes() == before
    assert keep(candidate, Conventions(divisible=4, threshold=0.7), "mine", replace=True) == kept
    assert read_card(kept).conventions.threshold == 0.7
    assert sorted(path.name for path in models.iterdir()) == ["mine.safetensors", "trusted.json"]


def test_a_disk_that_refuses_leaves_no_file_and_no_trust(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = opened(state_dict(tmp_path, seeded()))

    def full(tensors: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(foreign, "save_file", full)
    with pytest.raises(OSError, match="No space left on device"):
        keep(candidate, candidate.conventions, "mine")
    assert list(models.iterdir()) == []


# -- trust -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"onnx"}))
def test_foreign_code_runs_only_after_somebody_said_that_it_may(tmp_path: Path, models: Path, name: str) -> None:
    saved = WRITERS[name](tmp_path, seeded())
    with pytest.raises(Untrusted, match=r"is a program that can do on this computer whatever you can do"):
        examine(saved.path, **saved.options)
    opened(saved)
    with pytest.raises(Untrusted):
        examine(saved.path, **saved.options)
    candidate = opened(saved)
    keep(candidate, candidate.conventions, "mine")
    examine(saved.path, **saved.options)


def test_onnx_is_no_code_and_needs_no_trust(tmp_path: Path) -> None:
    assert examine(WRITERS["onnx"](tmp_path, seeded()).path).opened.permission == ""


@pytest.mark.parametrize("writer", [state_dict, scripted])
def test_a_model_copied_from_another_computer_asks_again(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, writer: object
) -> None:
    candidate = opened(writer(tmp_path, seeded()))
    kept = keep(candidate, candidate.conventions, "mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(kept, elsewhere)
    monkeypatch.setenv("CLICKSEG_MODELS", str(elsewhere))
    assert "mine" in {entry.name for entry in list_models()}
    with pytest.raises(
        Untrusted, match=r"The model 'mine' is a program .*\(choose it in the panel, or call"
    ) as refused:
        load_model("mine", "cpu")
    foreign.remember(refused.value.sha256)
    assert load_model("mine", "cpu").name == "mine"


def test_trust_in_one_model_is_none_in_a_file_that_only_claims_to_be_it(tmp_path: Path) -> None:
    candidate = opened(scripted(tmp_path, seeded(0)))
    kept = keep(candidate, candidate.conventions, "mine")
    (tmp_path / "other").mkdir()
    other = opened(scripted(tmp_path / "other", seeded(1)))
    forged = keep(other, other.conventions, "forged", folder=tmp_path)
    (tmp_path / "models" / "trusted.json").write_text(json.dumps([candidate.opened.permission]))
    amend_card(forged, sha256=read_card(kept).sha256)
    with pytest.raises(Untrusted):
        open_converted(forged, "cpu")


def test_changed_source_asks_again(tmp_path: Path) -> None:
    candidate = opened(state_dict(tmp_path, seeded()))
    kept = keep(candidate, candidate.conventions, "mine")
    amend_card(kept, code=read_card(kept).code + "\nprint('changed')\n")
    with pytest.raises(Untrusted):
        open_converted(kept, "cpu")


@pytest.mark.parametrize(
    "called", ["napari_clickseg.networks.catalogue:import_module", "napari_clickseg.networks.blocks:nn"]
)
def test_only_classes_of_networks_are_ours(tmp_path: Path, called: str) -> None:
    torch.save(seeded().state_dict(), tmp_path / "net.pt")
    with pytest.raises(ValueError, match="it is no network of this package"):
        examine(tmp_path / "net.pt", called, {"name": "antigravity"})


def test_weights_alone_need_a_class(tmp_path: Path) -> None:
    torch.save(seeded().state_dict(), tmp_path / "net.pt")
    with pytest.raises(ClassNeeded, match=r"net\.pt holds weights alone \(\d+ tensors\)\. Name the class"):
        examine(tmp_path / "net.pt")


# -- what does not fit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("called", "kwargs", "sentence"),
    [
        (TINY, {"outputs": 2}, r"do not fit TinyUNet: leave\.weight is \(1, 8, 1, 1\) in the file, \(2, 8, 1, 1\)"),
        (f"{SOURCE}:Volumes", {}, r"do not fit Volumes: 2 are missing, such as only\.weight; 15 are unknown to it"),
        (TINY, {"depth": 2}, r"gives no network with the arguments depth=2 \(TypeError: .*depth'\)\.$"),
        (f"{SOURCE}:Nothing", {}, r"gives no network with no arguments \(AttributeError"),
        (f"{SOURCE}:seeded", {"seed": "x"}, r"gives no network with the arguments seed='x'"),
        ("no_such_package:Net", {}, r"no_such_package:Net gives no network .*ModuleNotFoundError"),
        ("collections:OrderedDict", {}, r"gives a OrderedDict, not a torch\.nn\.Module"),
        ("TinyUNet", {}, r"The class 'TinyUNet' must be named as package\.module:Class or file\.py:Class"),
        ("missing.py:TinyUNet", {}, r"The source missing\.py of the class TinyUNet cannot be read"),
        (TINY, {"outputs": {1}}, r"The arguments of TinyUNet must be values that JSON can hold"),
    ],
)
def test_a_class_that_does_not_fit_is_one_sentence(
    tmp_path: Path, called: str, kwargs: dict[str, object], sentence: str
) -> None:
    torch.save(seeded().state_dict(), tmp_path / "net.pt")
    with pytest.raises(ValueError, match=sentence) as refused:
        examine(tmp_path / "net.pt", called, kwargs, trust=True)
    assert "\n" not in str(refused.value)


def test_a_class_named_for_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is TorchScript and brings its network along; name no class for it"):
        examine(scripted(tmp_path, seeded()).path, TINY, trust=True)


def test_a_whole_pickled_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torch.save(TinyUNet(), tmp_path / "whole.pt")
    with pytest.raises(ValueError, match=r"whole\.pt holds more than weights: opening it would run code\. Save model"):
        examine(tmp_path / "whole.pt", TINY, trust=True)


@pytest.mark.parametrize("content", [b"<html>404 Not Found</html>", b"\xff\xd8\xff\xe0"])
def test_a_page_or_picture_under_the_name_of_weights_is_not_taken_for_a_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.pt is no file that torch wrote"):
        examine(tmp_path / "net.pt")


def test_an_image_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_bytes(b"II*\x00")
    with pytest.raises(ValueError, match=r"image\.tif is in no format that can be converted, which are state dict"):
        examine(tmp_path / "image.tif")

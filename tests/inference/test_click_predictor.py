"""ClickPredictor, with a small untrained network: what holds for any weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop, Stopped
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.inference import click_predictor as predictor_module
from napari_clickseg.inference import guidance as guidance_module
from napari_clickseg.inference.brs import Budget
from napari_clickseg.inference.click_predictor import ClickPredictor, fuse_batch_norms
from napari_clickseg.inference.device import FeatureCache
from napari_clickseg.inference.guidance import Encoding
from napari_clickseg.models.card import ModelCard, read_card
from napari_clickseg.models.load import load_click_model, new_network, save_model
from napari_clickseg.networks.catalogue import build_network
from napari_clickseg.training.recipe import list_recipes, read_recipe

OPTIONS = {
    "widths": [8, 8, 8, 8, 8],
    "depths": [1, 1, 1, 1],
    "features": [8, 8, 8, 8, 8],
    "click_widths": [8, 8, 8, 8, 8],
}
ENCODING = {"clicks": "gaussian", "sizes": [1.5, 7.0], "prior": "probability"}
CARD = ModelCard("small", "Small", "For tests.", "clicknet", OPTIONS, 32, ENCODING, 0.4, ("closer", "obey"))
CLICK = Click((30.0, 40.0))


@pytest.fixture
def predictor() -> ClickPredictor:
    torch.manual_seed(0)
    return ClickPredictor.of(build_network("clicknet", {"guidance": 6, **OPTIONS}), CARD, torch.device("cpu"))


@pytest.fixture
def image() -> Image:
    return Image.of(np.random.default_rng(0).normal(size=(80, 90)).astype(np.float32))


@pytest.mark.parametrize("on_disk", [False, True])
def test_an_image_that_was_changed_in_place_is_looked_at_again(
    predictor: ClickPredictor, tmp_path: Path, on_disk: bool
) -> None:
    pixels = np.random.default_rng(3).random((48, 56)).astype(np.float32)
    array = zarr.create_array(tmp_path / "image.zarr", data=pixels) if on_disk else pixels
    image, request = Image.of(array), Request((), (Click((20, 20)),), diameter=12)
    first = predictor.predict(image, request)
    array[10:30, 10:30] = np.float32(2)
    again = predictor.predict(image, request)
    fresh = replace(predictor, cache=FeatureCache()).predict(Image.of(array[:]), request)
    np.testing.assert_array_equal(again.logits, fresh.logits)
    assert again.region == fresh.region
    assert first.logits.shape != again.logits.shape or not np.array_equal(again.logits, first.logits)


def test_answer_is_the_same_with_and_without_the_cache(predictor: ClickPredictor, image: Image):
    request = Request((), (CLICK,), None, 20.0)
    first = predictor.predict(image, request)
    assert predictor.cache.size > 0
    second = predictor.predict(image, request)
    predictor.cache.clear()
    third = predictor.predict(image, request)
    np.testing.assert_array_equal(first.logits, second.logits)
    np.testing.assert_array_equal(first.logits, third.logits)


def test_further_click_in_the_same_window_runs_the_light_part_only(
    predictor: ClickPredictor, image: Image, monkeypatch
):
    window = Region.around((30, 40), (50, 50))
    y, x = np.indices((50, 50)) - 25
    prior = replace(Prediction.from_mask(np.hypot(y, x) < 10, window), window=window)
    predictor.predict(image, Request((), (CLICK,), prior, 20.0))
    encoded = []
    monkeypatch.setattr(ClickPredictor, "_encode", lambda self, *place: encoded.append(place))
    answer = predictor._look(image, Request((), ()), window, [((31.0, 41.0), False)], prior, NEVER)
    assert answer.window == window
    assert not encoded


@pytest.mark.parametrize(("estimated", "scales"), [(True, 4), (False, 1)])
def test_first_click_looks_at_several_scales_only_where_the_diameter_is_an_estimate(
    predictor: ClickPredictor, image: Image, monkeypatch: pytest.MonkeyPatch, estimated: bool, scales: int
):
    monkeypatch.setattr(predictor_module, "PASSES", 1)
    predictor.predict(image, Request((), (CLICK,), None, 20.0, estimated))
    assert len(predictor.cache) == scales


def test_clicked_pixels_have_their_label(predictor: ClickPredictor, image: Image):
    clicks = (CLICK, Click((34.0, 40.0), positive=False), Click((30.0, 46.0)))
    mask = predictor.predict(image, Request((), clicks, None, 20.0)).full_mask(image.shape)
    assert [bool(mask[int(c.position[0]), int(c.position[1])]) for c in clicks] == [True, False, True]


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (17, 5)])
def test_tiny_and_narrow_images_are_answered(predictor: ClickPredictor, shape: tuple[int, int]):
    image = Image.of(np.zeros(shape, np.uint8))
    answer = predictor.predict(image, Request((), (Click((0.0, 0.0)),), None, 10.0))
    assert answer.full_mask(shape)[0, 0]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint32, np.float64])
def test_any_dtype_is_answered(predictor: ClickPredictor, dtype: type):
    array = (np.random.default_rng(0).random((40, 40)) * 100).astype(dtype)
    answer = predictor.predict(Image.of(array), Request((), (Click((20.0, 20.0)),), None, 10.0))
    assert np.isfinite(answer.logits).all()


def test_nan_and_infinite_pixels_are_answered(predictor: ClickPredictor):
    array = np.random.default_rng(0).normal(size=(40, 40))
    array[::3], array[1, ::2] = np.nan, np.inf
    answer = predictor.predict(Image.of(array), Request((), (Click((20.0, 20.0)),), None, 10.0))
    assert np.isfinite(answer.logits).all()


def test_stopped_job_ends(predictor: ClickPredictor, image: Image):
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        predictor.predict(image, Request((), (CLICK,), None, 20.0), stop)


# -- refinements -------------------------------------------------------------------------------------------------------


WHOLE = Region((0, 0), (32, 32))
POINT = [((16.0, 8.0), True)]


class Lopsided(torch.nn.Module):
    """Answers 2 in the left half of what it sees and -4 in the right."""

    def forward(self, image: torch.Tensor, guidance: torch.Tensor) -> torch.Tensor:
        left = torch.arange(image.shape[-1]) < image.shape[-1] // 2
        return torch.where(left, 2.0, -4.0).expand(len(image), 1, *image.shape[-2:])


class Repeating(torch.nn.Module):
    """Answers with the map of the positive clicks, and the image's first channel."""

    def forward(self, image: torch.Tensor, guidance: torch.Tensor) -> torch.Tensor:
        return 4 * guidance[:, :1] + image[:, :1]


def refined(network: torch.nn.Module, *refinements: str) -> ClickPredictor:
    return ClickPredictor(network, replace(CARD, refinements=refinements), torch.device("cpu"), torch.float32)


@pytest.fixture
def small_image() -> Image:
    return Image.of(np.random.default_rng(0).normal(size=WHOLE.shape).astype(np.float32))


def test_flip_answers_with_the_mean_probability_of_both_views(small_image: Image):
    answer = refined(Lopsided(), "flip")._look(small_image, Request((), ()), WHOLE, POINT, None, NEVER)
    mean = (1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(4))) / 2
    np.testing.assert_allclose(answer.logits, np.log(mean / (1 - mean)), rtol=1e-4)


def test_flip_shows_image_and_clicks_mirrored_alike(small_image: Image):
    straight, both = (
        refined(Repeating(), *names)._look(small_image, Request((), ()), WHOLE, POINT, None, NEVER)
        for names in ((), ("flip",))
    )
    np.testing.assert_allclose(both.logits, straight.logits, atol=1e-3)


def test_flip_changes_the_answer_of_a_network_that_is_not_symmetric(predictor: ClickPredictor, small_image: Image):
    flipping = predictor.with_refinements({"flip": True})
    both, straight = (p._look(small_image, Request((), ()), WHOLE, POINT, None, NEVER) for p in (flipping, predictor))
    assert not np.allclose(both.logits, straight.logits, atol=1e-3)


@pytest.mark.parametrize(("refinements", "obeyed"), [((), False), (("obey",), True)])
def test_only_obey_corrects_a_click_that_the_network_contradicts(
    image: Image, refinements: tuple[str, ...], obeyed: bool
):
    request = Request((), (CLICK, Click((30.0, 47.0))), None, 20.0)
    mask = refined(Lopsided(), *refinements).predict(image, request).full_mask(image.shape)
    assert mask[30, 47] == obeyed


@pytest.mark.parametrize(("refinements", "looks"), [((), 1), (("closer",), 2)])
def test_only_closer_looks_twice_at_a_correction(
    image: Image, monkeypatch: pytest.MonkeyPatch, refinements: tuple[str, ...], looks: int
):
    monkeypatch.setattr(predictor_module, "PASSES", 1)
    window = Region.around((30, 40), (60, 60))
    y, x = np.indices((60, 60)) - 30
    prior = replace(Prediction.from_mask(np.hypot(y, x) < 12, window), window=window)
    predictor = refined(Lopsided(), *refinements)
    predictor.predict(image, Request((), (CLICK, Click((34.0, 41.0), False)), prior, 24.0))
    assert len(predictor.cache) == looks


def test_closer_does_not_look_twice_at_a_first_click(image: Image, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictor_module, "PASSES", 1)
    predictor = refined(Lopsided(), "closer")
    predictor.predict(image, Request((), (CLICK,), None, 24.0))
    assert len(predictor.cache) == 1


def test_guided_is_switched_on_a_copy_and_the_model_itself_answers_as_before():
    torch.manual_seed(0)
    card = replace(CARD, network="two_stream", network_options={}, side=64, refinements=("guided",))
    filtering = ClickPredictor.of(build_network("two_stream", {"guidance": 6}), card, torch.device("cpu"))
    image, whole = Image.of(np.random.default_rng(0).normal(size=(64, 64))), Region((0, 0), (64, 64))
    before = filtering._look(image, Request((), ()), whole, POINT, None, NEVER)
    plain = filtering.with_refinements({"guided": False})
    again = plain.with_refinements({"guided": True})
    answers = [p._look(image, Request((), ()), whole, POINT, None, NEVER).logits for p in (plain, filtering, again)]
    assert not np.array_equal(answers[0], before.logits)
    np.testing.assert_array_equal(answers[1], before.logits)
    np.testing.assert_array_equal(answers[2], before.logits)


def test_guided_is_refused_where_the_network_has_no_such_filter(predictor: ClickPredictor):
    with pytest.raises(ValueError, match="The network ClickNet has no guided filter"):
        predictor.with_refinements({"guided": True})


def test_switching_leaves_the_models_own_card_and_features_as_they_are(predictor: ClickPredictor, image: Image):
    request = Request((), (CLICK,), None, 20.0)
    before = predictor.predict(image, request)
    switched = predictor.with_refinements({"flip": True, "obey": False})
    assert switched.card.refinements == ("closer", "flip")
    switched.predict(image, request)
    assert predictor.card == CARD
    np.testing.assert_array_equal(predictor.predict(image, request).logits, before.logits)


# -- superpixels -------------------------------------------------------------------------------------------------------


def test_superpixels_are_kept_with_the_features_and_change_no_answer(image: Image, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    encoding = {"clicks": "superpixel", "sizes": [255.0], "prior": "box", "superpixels": 60}
    network = new_network("clicknet", OPTIONS, Encoding.from_mapping(encoding))
    predictor = ClickPredictor.of(network, replace(CARD, encoding=encoding), torch.device("cpu"))
    counted, slic = [], guidance_module.of_windows
    monkeypatch.setattr(guidance_module, "of_windows", lambda *args: counted.append(args) or slic(*args))
    request = Request((), (CLICK,), None, 20.0)
    first = predictor.predict(image, request)
    windows = len(counted)
    assert windows == len(predictor.cache)
    second = predictor.predict(image, request)
    assert len(counted) == windows
    predictor.cache.clear()
    third = predictor.predict(image, request)
    np.testing.assert_array_equal(first.logits, second.logits)
    np.testing.assert_array_equal(first.logits, third.logits)


# -- the recipes' networks ---------------------------------------------------------------------------------------------


@cache
def untrained(name: str) -> ClickPredictor:
    """A recipe's model before training, with smaller windows; what it does follows from no clock."""
    torch.manual_seed(0)
    recipe = read_recipe(name)
    network = new_network(recipe.network, recipe.network_options, Encoding.from_mapping(recipe.encoding))
    card = ModelCard(
        name,
        name,
        name,
        recipe.network,
        recipe.network_options,
        64,
        recipe.encoding,
        recipe.shares[0],
        recipe.refinements,
    )
    return replace(ClickPredictor.of(network, card, torch.device("cpu")), budget=Budget(float("inf"), looks=3))


@pytest.mark.parametrize("shape", [(80, 90), (80, 90, 3), (4, 80, 90)], ids=["grey", "colour", "stack"])
@pytest.mark.parametrize("name", list_recipes())
def test_every_recipes_network_answers_a_first_click_and_a_correction(name: str, shape: tuple[int, ...]):
    image = Image.of(np.random.default_rng(0).integers(0, 255, shape, np.uint8))
    frame = (2,) if image.ndim == 3 else ()
    clicks = (Click((*map(float, frame), 30.0, 40.0)), Click((*map(float, frame), 44.0, 52.0), False))
    predictor = untrained(name)
    first = predictor.predict(image, Request(frame, clicks[:1], None, 20.0))
    second = predictor.predict(image, Request(frame, clicks, first, 20.0))
    for answer in (first, second):
        assert np.isfinite(answer.logits).all()
        assert Region.whole((80, 90)).intersection(answer.region) == answer.region
    again = predictor.predict(image, Request(frame, clicks, first, 20.0))
    np.testing.assert_array_equal(again.logits, second.logits)


# -- out of memory -----------------------------------------------------------------------------------------------------


class CrowdedGpu(ClickPredictor):
    """A predictor whose GPU has no memory left; its copies on the CPU work."""

    @property
    def device(self) -> str:
        return "cuda"

    def _predict(self, *question: object) -> Prediction:
        raise self.error

    error: RuntimeError = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("MPS backend out of memory (allocated 5 GB)")]
)
def test_gpu_out_of_memory_is_answered_on_the_cpu_with_a_sentence(
    predictor: ClickPredictor, image: Image, error: RuntimeError, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(CrowdedGpu, "error", error)
    crowded = CrowdedGpu(predictor.network, CARD, torch.device("cpu"), predictor.precision)
    request = Request((), (CLICK,), None, 20.0)
    answer = crowded.predict(image, request)
    assert "ran out of memory" in answer.note
    np.testing.assert_array_equal(answer.logits, predictor.predict(image, request).logits)


def test_other_failures_of_a_gpu_are_not_hidden(predictor: ClickPredictor, image: Image, monkeypatch):
    monkeypatch.setattr(CrowdedGpu, "error", RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))
    crowded = CrowdedGpu(predictor.network, CARD, torch.device("cpu"), predictor.precision)
    with pytest.raises(RuntimeError, match="cuDNN"):
        crowded.predict(image, Request((), (CLICK,), None, 20.0))


def test_folding_batch_norms_changes_nothing():
    torch.manual_seed(0)
    network = build_network("clicknet", {"guidance": 6, **OPTIONS})
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    network.eval()
    image, guidance = torch.randn(1, 3, 32, 32), torch.rand(1, 6, 32, 32)
    before = network(image, guidance)
    torch.testing.assert_close(fuse_batch_norms(network)(image, guidance), before, atol=1e-4, rtol=1e-3)


def test_saved_model_loads_with_its_card(tmp_path: Path, image: Image):
    torch.manual_seed(0)
    save_model(tmp_path / "small.safetensors", build_network("clicknet", {"guidance": 6, **OPTIONS}), CARD)
    loaded = load_click_model(tmp_path / "small.safetensors", "cpu")
    assert loaded.card == CARD
    assert read_card(tmp_path / "small.safetensors").title == "Small"
    assert list(tmp_path.iterdir()) == [tmp_path / "small.safetensors"]
    assert loaded.predict(image, Request((), (CLICK,), None, 20.0)).full_mask(image.shape)[30, 40]


def test_corrupt_weights_are_refused_in_one_sentence(tmp_path: Path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match=r"broken\.safetensors is no readable weights file"):
        load_click_model(path, "cpu")


def test_weights_that_do_not_fit_their_card_are_refused(tmp_path: Path):
    path = tmp_path / "odd.safetensors"
    save_model(path, torch.nn.Conv2d(1, 1, 1), CARD)
    with pytest.raises(ValueError, match="do not fit its card"):
        load_click_model(path, "cpu")


def test_missing_device_is_refused_with_those_that_are_there(tmp_path: Path):
    path = tmp_path / "small.safetensors"
    save_model(path, build_network("clicknet", {"guidance": 6, **OPTIONS}), CARD)
    with pytest.raises(ValueError, match="choose one of auto, cpu"):
        load_click_model(path, "abacus")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_answers_as_the_cpu_does(predictor: ClickPredictor, image: Image, tmp_path: Path):
    save_model(tmp_path / "small.safetensors", build_network("clicknet", {"guidance": 6, **OPTIONS}), CARD)
    answers = [
        load_click_model(tmp_path / "small.safetensors", device).predict(image, Request((), (CLICK,), None, 20.0))
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(answers[0].logits, answers[1].logits, atol=0.1)

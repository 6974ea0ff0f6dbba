"""ClickPredictor, with a small untrained network: what holds for any weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_clickseg.clicks import Click
from napari_clickseg.engine import predictor as predictor_module
from napari_clickseg.engine.predictor import ClickPredictor, fuse_batch_norms
from napari_clickseg.engine.weights import save_model
from napari_clickseg.images import Image
from napari_clickseg.masks import Prediction
from napari_clickseg.models.card import ModelCard, read_card
from napari_clickseg.networks.catalogue import build_network
from napari_clickseg.questions import NEVER, Request, Stop, Stopped
from napari_clickseg.regions import Region

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
    answer = predictor._look(image, (), window, [((31.0, 41.0), False)], prior, NEVER)
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
    loaded = ClickPredictor.load(tmp_path / "small.safetensors", "cpu")
    assert loaded.card == CARD
    assert read_card(tmp_path / "small.safetensors").title == "Small"
    assert list(tmp_path.iterdir()) == [tmp_path / "small.safetensors"]
    assert loaded.predict(image, Request((), (CLICK,), None, 20.0)).full_mask(image.shape)[30, 40]


def test_corrupt_weights_are_refused_in_one_sentence(tmp_path: Path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match=r"broken\.safetensors is no readable weights file"):
        ClickPredictor.load(path, "cpu")


def test_weights_that_do_not_fit_their_card_are_refused(tmp_path: Path):
    path = tmp_path / "odd.safetensors"
    save_model(path, torch.nn.Conv2d(1, 1, 1), CARD)
    with pytest.raises(ValueError, match="do not fit the network ClickNet"):
        ClickPredictor.load(path, "cpu")


def test_missing_device_is_refused_with_those_that_are_there(tmp_path: Path):
    path = tmp_path / "small.safetensors"
    save_model(path, build_network("clicknet", {"guidance": 6, **OPTIONS}), CARD)
    with pytest.raises(ValueError, match="choose one of auto, cpu"):
        ClickPredictor.load(path, "abacus")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_answers_as_the_cpu_does(predictor: ClickPredictor, image: Image, tmp_path: Path):
    save_model(tmp_path / "small.safetensors", build_network("clicknet", {"guidance": 6, **OPTIONS}), CARD)
    answers = [
        ClickPredictor.load(tmp_path / "small.safetensors", device).predict(image, Request((), (CLICK,), None, 20.0))
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(answers[0].logits, answers[1].logits, atol=0.1)

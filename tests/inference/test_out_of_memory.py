"""On a GPU out of memory the network, which other threads may be using, stays where it is: the CPU gets a copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_clickseg import load_model
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.inference.automatic_predictor import ClickablePredictor
from napari_clickseg.inference.click_predictor import ClickPredictor
from napari_clickseg.inference.device import ON_CPU
from napari_clickseg.inference.judged_predictor import JudgedPredictor
from napari_clickseg.models.card import ModelCard
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.networks.catalogue import build_network

OPTIONS = dict.fromkeys(("widths", "features", "click_widths"), [4] * 5) | {"depths": [1] * 4}
ENCODING = {"clicks": "gaussian", "sizes": [1.5, 7.0], "prior": "probability"}
CARD = ModelCard("small", "Small", "For tests.", "clicknet", OPTIONS, 32, ENCODING, 0.4, ("obey",))
MASK = Prediction.from_mask(np.ones((20, 20), bool), Region((20, 30), (40, 50)))
REQUEST = Request((), (Click((30.0, 40.0)),), None, 20.0)


class CrowdedClicks(ClickPredictor):
    """Its GPU has no memory left; copies on the CPU work."""

    @property
    def device(self) -> str:
        return "cuda"

    def _predict(self, *question: object) -> Prediction:
        raise torch.OutOfMemoryError("CUDA out of memory.")


def crowded_clicks() -> ClickPredictor:
    torch.manual_seed(0)
    network = build_network("clicknet", {"guidance": 6, **OPTIONS})
    ready = ClickPredictor.of(network, CARD, torch.device("cpu"))
    return CrowdedClicks(ready.network, CARD, torch.device("cpu"), ready.precision)


class Bright(nn.Module):
    """Brightness is the answer; its first forward pass on the "GPU" runs out of memory."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(1, 1, 3, padding=1)
        self.fails = True

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.fails:
            self.fails = False
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.only(image)


class CrowdedSegments(ClickablePredictor):
    @property
    def device(self) -> str:
        return "cuda"


def crowded_segments() -> ClickablePredictor:
    ready = ClickablePredictor.of(Bright(), Conventions(tile=64, halo=4), "bright", torch.device("cpu"))
    return CrowdedSegments(ready.network, ready.conventions, ready.name, torch.device("cpu"))


@pytest.mark.parametrize("crowded", [crowded_clicks, crowded_segments])
def test_the_shared_network_is_not_moved(crowded, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = crowded()
    before = {name: value.data_ptr() for name, value in predictor.network.state_dict().items()}
    moved: list[nn.Module] = []
    apply = nn.Module._apply
    monkeypatch.setattr(nn.Module, "_apply", lambda self, *args, **how: moved.append(self) or apply(self, *args, **how))
    image = Image.of(np.random.default_rng(0).random((80, 90), np.float32))
    answer = predictor.predict(image, REQUEST)
    assert "ran out of memory" in answer.note
    shared = set(predictor.network.modules())
    assert not shared.intersection(moved)
    assert {name: value.data_ptr() for name, value in predictor.network.state_dict().items()} == before


class CrowdedJudge(JudgedPredictor):
    """Its GPU has no memory left for features; copies on the CPU work."""

    @property
    def device(self) -> str:
        return "cuda"

    def _encode(self, *question: object) -> tuple[torch.Tensor, ...]:
        raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize(
    "question",
    [
        lambda model, image: model.explore(image, REQUEST)[0].note,
        lambda model, image: model.answer_many(image, (), [(30.0, 40.0)], 20.0)[0].note,
        lambda model, image: len(model.seeds(image, (), 20.0)),
        lambda model, image: model.describe(image, (), [MASK], 20.0).shape[0],
    ],
    ids=("explore", "answer_many", "seeds", "describe"),
)
def test_looking_for_objects_goes_on_on_the_cpu_too(question) -> None:
    able = load_model("default", "cpu")
    crowded = CrowdedJudge(able.network, able.card, able.torch_device, able.precision)
    image = Image.of(np.random.default_rng(0).random((80, 90), np.float32))
    answer, usual = question(crowded, image), question(able, image)
    assert answer == (ON_CPU if isinstance(usual, str) else usual)

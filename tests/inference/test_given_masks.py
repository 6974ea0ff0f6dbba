"""What a model is shown of a given mask, by the kind of its encoding; zoom-in; the filter at image resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from doubles import disk
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.inference.click_predictor import ClickPredictor
from napari_clickseg.inference.guidance import Encoding, Guidance
from napari_clickseg.inference.window import WindowRule, zoom_window
from napari_clickseg.models.card import ModelCard
from napari_clickseg.models.load import new_network

SHAPE = (96, 96)
IMAGE = Image.of(disk(SHAPE, (48, 48), 20).astype(np.float32))
WHOLE = Region.whole(SHAPE)
GIVEN = Prediction.from_mask(disk(SHAPE, (48, 48), 12), WHOLE)
LATEST = Prediction.from_mask(disk(SHAPE, (48, 48), 25), WHOLE)
CLICKS = (Click((48.0, 48.0)), Click((48.0, 70.0), False))


def model(
    prior: str, refinements: Sequence[str] = (), network: str = "deeplab", sizes: Sequence[float] = (3.0,)
) -> ClickPredictor:
    torch.manual_seed(0)
    encoding = {"clicks": "disk" if len(sizes) == 1 else "gaussian", "sizes": list(sizes), "prior": prior}
    card = ModelCard("m", "m", "m", network, {}, 64, encoding, 0.4, tuple(refinements))
    return ClickPredictor.of(new_network(network, {}, Encoding.from_mapping(encoding)), card, torch.device("cpu"))


def shown(predictor: ClickPredictor, request: Request, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How much of the window the masks fill that the network is shown, look by look; -1 where it is shown none."""
    seen: list[float] = []
    draw = Guidance.__call__

    def spy(self, points, prior, has_prior, kept=(), others=None):  # type: ignore[no-untyped-def]
        seen.append(float(prior.mean()) if bool(has_prior) else -1.0)
        return draw(self, points, prior, has_prior, kept, others)

    monkeypatch.setattr(Guidance, "__call__", spy)
    predictor.predict(IMAGE, request)
    return seen


def test_a_mask_channel_for_given_masks_stays_empty_from_scratch(monkeypatch: pytest.MonkeyPatch):
    assert set(shown(model("outside"), Request((), CLICKS, LATEST, 40.0), monkeypatch)) == {-1.0}


def test_a_given_mask_is_shown_as_it_was_left_by_the_last_answer(monkeypatch: pytest.MonkeyPatch):
    first, *_ = shown(model("outside"), Request((), CLICKS, LATEST, 40.0, initial=GIVEN), monkeypatch)
    latest, *_ = shown(model("mask"), Request((), CLICKS, LATEST, 40.0), monkeypatch)
    assert first == latest > 0


def test_a_box_stays_that_of_the_mask_before_the_first_click(monkeypatch: pytest.MonkeyPatch):
    predictor = model("box")
    first, *_ = shown(predictor, Request((), CLICKS, LATEST, 40.0, initial=GIVEN), monkeypatch)
    latest, *_ = shown(model("mask"), Request((), CLICKS, LATEST, 40.0), monkeypatch)
    assert 0 < first < latest


def test_a_model_that_sees_no_masks_says_so():
    note = model("none").predict(IMAGE, Request((), CLICKS, GIVEN, 40.0, initial=GIVEN, corrects=True)).note
    assert note == "m ignores masks: it draws the object anew from the clicks alone."
    assert model("none").predict(IMAGE, Request((), CLICKS[:1], None, 40.0)).note == ""


def test_a_corrected_mask_changes_only_where_it_is_clicked():
    predictor = model("mask", ("merge", "obey"))
    answer = predictor.predict(IMAGE, Request((), CLICKS[:1], GIVEN, 24.0, initial=GIVEN, corrects=True))
    np.testing.assert_array_equal(answer.full_mask(SHAPE), GIVEN.mask())


def test_zoom_in_is_on_the_box_of_mask_and_clicks():
    window = zoom_window([((48.0, 48.0), True)], GIVEN, WindowRule())
    assert window == Region.around((47.5, 47.5), (33, 33)) or window is not None
    assert window is not None
    assert window.shape[0] == pytest.approx(1.4 * 24, abs=2)


def test_zoom_in_keeps_a_window_that_overlaps_by_half():
    kept = Region((28, 28), (68, 68))
    prior = Prediction(GIVEN.region, GIVEN.logits, window=kept)
    assert zoom_window([((48.0, 48.0), True)], prior, WindowRule()) == kept
    far = Prediction(GIVEN.region, GIVEN.logits, window=Region((0, 0), (96, 96)))
    assert zoom_window([((48.0, 48.0), True)], far, WindowRule()) != far.window


def test_zoom_in_needs_a_mask():
    assert zoom_window([((4.0, 4.0), True)], Prediction.from_mask(np.zeros(SHAPE, bool), WHOLE), WindowRule()) is None


def test_the_guided_filter_works_on_the_pixels_of_the_image():
    """A window of 96 pixels that the network sees as 64: the filter gets the 96."""
    predictor = model("mask", ("guided",), "two_stream", (2.0, 4.0, 8.0))
    sizes: list[int] = []
    predictor.network.guide.register_forward_hook(lambda module, given, made: sizes.append(made.shape[-1]))
    predictor._look(IMAGE, Request((), CLICKS), Region((0, 0), (96, 96)), [((48.0, 48.0), True)], None, _never())
    assert sizes == [64, 96]


def _never():  # type: ignore[no-untyped-def]
    from napari_clickseg.core.jobs import NEVER

    return NEVER

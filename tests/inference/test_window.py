"""Windows: chosen around clicks at the object's scale, kept while they fit, and put back where they came from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_clickseg.core.images import Image
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.inference.window import (
    WindowRule,
    blended,
    choose_window,
    close_window,
    credibility,
    cut_logits,
    cut_window,
    normalise,
    put_back,
    to_window,
)

RULE = WindowRule(object_share=0.4)
FRAME = (1000, 1000)


def disk(radius: int, centre: tuple[int, int], window: Region | None = None) -> Prediction:
    region = Region.around(centre, (2 * radius + 3, 2 * radius + 3))
    y, x = np.indices(region.shape) - (radius + 1)
    prediction = Prediction.from_mask(np.hypot(y, x) <= radius, region)
    return Prediction(prediction.region, prediction.logits, window=window)


def test_first_window_has_the_objects_scale_and_the_click_in_its_middle():
    window = choose_window([((500.0, 400.0), True)], None, 40, FRAME, RULE)
    assert window.shape == (100, 100)
    assert np.allclose(window.centre, (500, 400), atol=0.5)


def test_first_window_of_a_huge_plane_is_as_small_as_that_of_a_small_one():
    clicks = [((100.0, 100.0), True)]
    assert choose_window(clicks, None, 40, (20_000, 20_000), RULE) == choose_window(clicks, None, 40, (200, 200), RULE)


def test_first_window_holds_every_click():
    clicks = [((10.0, 10.0), True), ((300.0, 20.0), False)]
    window = choose_window(clicks, None, 20, FRAME, RULE)
    assert all(window.contains(point) for point, _ in clicks)


def test_window_is_used_again_while_the_object_fits():
    window = Region.around((500, 500), (100, 100))
    assert choose_window([((500.0, 500.0), True)], disk(20, (500, 500), window), 40, FRAME, RULE) == window


def test_window_grows_when_the_mask_touches_its_rim():
    window = Region.around((500, 500), (100, 100))
    grown = choose_window([((500.0, 500.0), True)], disk(60, (500, 500), window), 40, FRAME, RULE)
    assert grown.shape[0] > 160


def test_window_grows_for_a_click_beyond_it():
    window = Region.around((500, 500), (100, 100))
    clicks = [((500.0, 500.0), True), ((500.0, 600.0), True)]
    assert choose_window(clicks, disk(20, (500, 500), window), 40, FRAME, RULE).contains((500, 600))


def test_window_at_the_frames_rim_does_not_grow_for_a_mask_that_ends_there():
    window = Region((-50, 450), (50, 550))
    mask = np.ones((20, 20), bool)
    prior = Prediction.from_mask(mask, Region((0, 490), (20, 510)))
    prior = Prediction(prior.region, prior.logits, window=window)
    assert choose_window([((5.0, 500.0), True)], prior, 25, FRAME, RULE) == window


def test_window_of_a_mask_without_clicks_surrounds_the_mask():
    window = choose_window([], disk(20, (300, 300)), 40, FRAME, RULE)
    assert np.allclose(window.centre, (300, 300), atol=1)


def test_question_without_click_and_mask_is_refused():
    with pytest.raises(ValueError, match="needs a click or a mask"):
        choose_window([], None, 40, FRAME, RULE)


def test_cut_beyond_the_frame_repeats_its_edge():
    image = Image.of(np.tile(np.arange(8.0), (8, 1)))
    cut = cut_window(image, (), Region((-4, -4), (12, 12)), 16)
    assert cut.shape == (1, 3, 16, 16)
    assert torch.equal(cut[0, 0, 8, :5], torch.zeros(5))
    assert torch.equal(cut[0, 0, 8, -5:], torch.full((5,), 7.0))


def test_put_back_inverts_the_cut_at_the_same_scale():
    rng = np.random.default_rng(0)
    region = Region((3, 4), (19, 20))
    prediction = Prediction(region, rng.normal(size=(16, 16)).astype(np.float32))
    back, values = put_back(cut_logits(prediction, region, 16), region, (40, 40))
    assert back == region
    np.testing.assert_allclose(values, prediction.logits, atol=1e-6)


def test_put_back_keeps_to_the_frame():
    region, values = put_back(torch.zeros(1, 1, 16, 16), Region((-8, 30), (8, 46)), (40, 40))
    assert region == Region((0, 30), (8, 40))
    assert values.shape == region.shape


@pytest.mark.parametrize("side", [16, 64, 23])
def test_clicks_fall_on_the_same_spot_of_the_resampled_window(side: int):
    window = Region((10, 20), (42, 52))
    image = np.zeros((64, 64), np.float32)
    image[25:28, 35:38] = 1
    cut = cut_window(Image.of(image), (), window, side)[0, 0]
    (((y, x), _),) = to_window([((26.0, 36.0), True)], window, side)
    peak = np.unravel_index(int(cut.argmax()), cut.shape)
    assert abs(peak[0] - y) <= 1.5
    assert abs(peak[1] - x) <= 1.5


def test_normalised_windows_do_not_depend_on_gain_and_offset():
    image = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(normalise(image), normalise(image * 1000 + 50), atol=1e-3, rtol=1e-3)


def test_constant_windows_stay_finite():
    assert torch.isfinite(normalise(torch.full((1, 3, 8, 8), 7.0))).all()


def test_certain_object_of_the_usual_share_is_the_most_credible():
    window = Region.around((500, 500), (100, 100))
    usual, tiny = disk(20, (500, 500), window), disk(4, (500, 500), window)
    doubtful = Prediction(usual.region, usual.logits / 12, window=window)
    scores = [credibility(answer, FRAME, RULE) for answer in (usual, tiny, doubtful)]
    assert scores[0] == max(scores)
    assert scores[0] == pytest.approx(1, abs=0.02)


def test_object_that_leaves_its_window_is_hardly_credible():
    window = Region.around((500, 500), (60, 60))
    inside, outside = disk(12, (500, 500), window), disk(35, (500, 500), window)
    assert credibility(outside, FRAME, RULE) < credibility(inside, FRAME, RULE) - 0.2


def test_empty_answer_is_not_credible():
    window = Region.around((500, 500), (60, 60))
    assert credibility(Prediction(window, np.full((60, 60), -5, np.float32), window=window), FRAME, RULE) == -1


def test_reduced_window_is_looked_into_closer_around_the_last_click():
    clicks = [((500.0, 500.0), True), ((560.0, 540.0), False)]
    close = close_window(Region.around((500, 500), (300, 300)), clicks, side=128)
    assert close is not None
    assert close.shape == (120, 120)
    assert np.allclose(close.centre, (560, 540), atol=0.5)


def test_window_seen_without_loss_needs_no_closer_look():
    assert close_window(Region.around((500, 500), (100, 100)), [((500.0, 500.0), True)], side=128) is None


def test_closer_look_counts_in_its_middle_and_not_at_its_rim():
    answer = Prediction(Region((0, 0), (100, 100)), np.full((100, 100), -3, np.float32))
    look = Prediction(Region((30, 30), (70, 70)), np.full((40, 40), 3, np.float32))
    logits = blended(answer, look, (50.0, 50.0), 40)
    assert logits[50, 50] == 3
    assert logits[50, 31] == -3
    assert (logits[:30] == -3).all()
    assert (answer.logits == -3).all()

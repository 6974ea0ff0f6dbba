"""Predictors without weights: clicks are obeyed, the prior holds, any image is taken."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.models.classic import Geodesic, GrabCut, RandomWalker, Superpixels
from napari_clickseg.models.seeded_window import LARGEST_SIDE, seeded_window
from napari_clickseg.session.session import Session

Predictor = RandomWalker | Geodesic | Superpixels | GrabCut
PREDICTORS: list[Predictor] = [RandomWalker(), Geodesic(), Superpixels(), GrabCut()]
SEED_BOUND = PREDICTORS[:3]
"""GrabCut knows a prior mask as probable only, and takes blurred rims in images without noise for the object."""
every = pytest.mark.parametrize("predictor", PREDICTORS, ids=lambda predictor: predictor.name)
seed_bound = pytest.mark.parametrize("predictor", SEED_BOUND, ids=lambda predictor: predictor.name)


def disk(shape: tuple[int, int], centre: tuple[int, int], radius: float) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.hypot(rows - centre[0], columns - centre[1]) <= radius


def noisy(mask: np.ndarray, noise: float = 0.05) -> np.ndarray:
    return mask + noise * np.random.default_rng(0).normal(size=mask.shape)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def ask(predictor: Predictor, array: np.ndarray, *clicks: Click, diameter: float = 20.0, prior=None) -> np.ndarray:
    image = Image.of(array)
    answer = predictor.predict(image, Request((), clicks, prior, diameter))
    return answer.full_mask(image.shape)


@every
def test_one_click_finds_a_bright_disk(predictor: Predictor) -> None:
    truth = disk((80, 90), (40, 45), 10)
    assert iou(ask(predictor, noisy(truth), Click((40, 45))), truth) > 0.85


@every
def test_one_click_finds_a_dark_disk_as_well(predictor: Predictor) -> None:
    truth = disk((80, 90), (40, 45), 10)
    assert iou(ask(predictor, 100 - 50 * noisy(truth), Click((40, 45))), truth) > 0.85


@seed_bound
def test_a_colour_difference_alone_is_seen(predictor: Predictor) -> None:
    truth = disk((80, 80), (40, 40), 10)
    colours = np.where(truth[..., None], [200, 50, 100], [50, 200, 100]).astype(np.uint8)
    assert iou(ask(predictor, colours, Click((40, 40))), truth) > 0.85


@every
def test_clicked_pixels_get_their_label_whatever_the_image_says(predictor: Predictor) -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        clicks = [Click(tuple(rng.integers(0, 40, 2).astype(float)), bool(rng.integers(2))) for _ in range(6)]
        said = {click.position: click.positive for click in clicks}
        mask = ask(predictor, rng.normal(size=(40, 40)), *clicks, diameter=float(rng.uniform(3, 60)))
        assert all(mask[tuple(map(int, position))] == positive for position, positive in said.items())


@every
def test_opposite_clicks_on_touching_objects_part_them(predictor: Predictor) -> None:
    left, right = disk((60, 80), (30, 30), 10), disk((60, 80), (30, 49), 10)
    mask = ask(predictor, noisy(left | right), Click((30, 30)), Click((30, 49), False))
    assert iou(mask, left) > 0.7


@seed_bound
def test_a_prior_that_nothing_contradicts_stays(predictor: Predictor) -> None:
    prior = disk((60, 60), (30, 30), 12)
    given = Prediction.from_mask(prior, Region.whole(prior.shape))
    mask = ask(predictor, np.zeros((60, 60)), Click((30, 30)), prior=given, diameter=24)
    assert iou(mask, prior) > 0.7


@every
def test_a_negative_click_takes_a_leak_away_and_leaves_the_rest(predictor: Predictor) -> None:
    truth, leak = disk((80, 100), (40, 35), 12), disk((80, 100), (40, 62), 12)
    given = Prediction.from_mask(truth | leak, Region.whole(truth.shape))
    mask = ask(predictor, noisy(truth), Click((40, 35)), Click((40, 62), False), prior=given, diameter=24)
    assert iou(mask, truth) > 0.85


@every
def test_a_positive_click_far_outside_the_prior_adds_what_lies_there(predictor: Predictor) -> None:
    truth = np.zeros((60, 120), bool)
    truth[20:40, 10:110] = True
    given = np.zeros_like(truth)
    given[20:40, 10:40] = True
    prior = Prediction.from_mask(given, Region.whole(truth.shape))
    mask = ask(predictor, noisy(truth), Click((30, 25)), Click((30, 80)), prior=prior, diameter=20)
    assert iou(mask, truth) > 0.7


@every
def test_negative_clicks_alone_draw_nothing(predictor: Predictor) -> None:
    assert not ask(predictor, np.random.default_rng(0).normal(size=(40, 40)), Click((20, 20), False)).any()


@every
def test_parts_without_a_click_are_not_drawn(predictor: Predictor) -> None:
    near, other = disk((80, 80), (40, 30), 8), disk((80, 80), (40, 52), 8)
    mask = ask(predictor, noisy(near | other), Click((40, 30)), diameter=16)
    assert not mask[other].any()


@every
def test_a_hole_without_a_negative_click_is_closed(predictor: Predictor) -> None:
    ring = disk((80, 80), (40, 40), 14) & ~disk((80, 80), (40, 40), 5)
    clicks = [Click((40 + dy, 40 + dx)) for dy, dx in ((-9, 0), (9, 0), (0, -9), (0, 9))]
    assert ask(predictor, noisy(ring), *clicks, diameter=28)[40, 40]


@seed_bound
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_any_dtype_gives_the_same_object(predictor: Predictor, dtype: type) -> None:
    truth = disk((60, 60), (30, 30), 10)
    assert iou(ask(predictor, truth.astype(dtype), Click((30, 30))), truth) > 0.9


@every
def test_nan_and_infinity_do_not_stop_it(predictor: Predictor) -> None:
    truth = disk((60, 60), (30, 30), 10)
    pixels = noisy(truth)
    pixels[25, 25:30] = np.nan
    pixels[5, 5] = np.inf
    assert np.isfinite(predictor.predict(Image.of(pixels), Request((), (Click((30, 30)),), None, 20.0)).logits).all()


@every
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (5, 3)])
def test_tiny_images_are_answered(predictor: Predictor, shape: tuple[int, int]) -> None:
    mask = ask(predictor, np.arange(np.prod(shape), dtype=float).reshape(shape), Click((0, 0)), diameter=6)
    assert mask[0, 0]


@every
def test_even_images_are_answered(predictor: Predictor) -> None:
    assert ask(predictor, np.full((50, 50), 7), Click((25, 25)))[25, 25]


@every
def test_the_answer_is_no_larger_than_the_window(predictor: Predictor) -> None:
    image = Image.of(np.zeros((3000, 3000), np.uint8))
    answer = predictor.predict(image, Request((), (Click((1500.0, 1500.0)),), None, 20.0))
    assert max(answer.region.shape) <= 61


@every
def test_large_objects_are_looked_at_coarsely(predictor: Predictor) -> None:
    image = Image.of(np.zeros((1500, 1500), np.uint8))
    window = seeded_window(image, Request((), (Click((700.0, 700.0)),), None, 400.0))
    assert window.step == 9
    assert max(window.picture.shape[:2]) <= LARGEST_SIDE


@every
def test_a_requested_stop_ends_it(predictor: Predictor) -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        predictor.predict(Image.of(np.zeros((30, 30))), Request((), (Click((15.0, 15.0)),), None, 10.0), stop)


@every
def test_a_session_without_a_diameter_works_on_a_stack(predictor: Predictor) -> None:
    truth = disk((64, 64), (30, 30), 8)
    session = Session(np.stack([np.zeros((64, 64)), noisy(truth)]), predictor)
    session.click((1, 30, 30))
    assert session.labels[1][truth].mean() > 0.6
    assert not session.labels[0].any()


def test_grabcut_gives_up_a_probable_mask_where_colours_speak_against_it() -> None:
    truth, wrong = disk((80, 100), (40, 40), 12), disk((80, 100), (40, 44), 14)
    given = Prediction.from_mask(wrong, Region.whole(truth.shape))
    mask = ask(GrabCut(), noisy(truth), Click((40, 40)), prior=given, diameter=24)
    assert iou(mask, truth) > 0.9


def test_grabcut_keeps_an_object_on_which_nobody_clicked() -> None:
    truth = disk((80, 100), (40, 40), 12)
    given = Prediction.from_mask(truth, Region.whole(truth.shape))
    mask = ask(GrabCut(), noisy(truth), Click((40, 60), False), prior=given, diameter=24)
    assert iou(mask, truth) > 0.9


def test_grabcut_answers_a_question_alike_each_time() -> None:
    array = np.random.default_rng(0).normal(size=(60, 60))
    np.testing.assert_array_equal(*(ask(GrabCut(), array, Click((30, 30))) for _ in range(2)))


def test_grabcut_takes_a_mask_that_fills_the_image() -> None:
    full = np.ones((30, 30), bool)
    given = Prediction.from_mask(full, Region.whole(full.shape))
    assert not ask(GrabCut(), noisy(full), Click((15, 15), False), prior=given)[15, 15]


def test_without_opencv_grabcut_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match="GrabCut needs OpenCV: pip install"):
        GrabCut()

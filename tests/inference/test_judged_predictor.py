"""JudgedPredictor: scales of a first click, candidates, many clicks at once, seeds; a network told by eye stands in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Explorer, Others, Proposer, Request
from napari_clickseg.inference.judged_predictor import JudgedPredictor, peaks
from napari_clickseg.inference.scale_choice import AT_ONCE, lattice_window, with_candidates
from napari_clickseg.inference.shared_windows import LARGE_CROP, Lattice
from napari_clickseg.inference.window import WindowRule
from napari_clickseg.models.card import ModelCard

CARD = ModelCard(
    "bright", "Bright", "", "lite_clicknet", {}, 64, {"others": True}, object_share=0.4, refinements=("obey",)
)


class Bright(nn.Module):
    """Answers with what is bright and no other object; its quality is how near the mask's share is to a sixth."""

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)

    def answer(self, features: tuple[Tensor, ...], guidance: Tensor) -> tuple[Tensor, Tensor]:
        logits = 4 * (features[0][:, :1] > 0).float() - 2 - 8 * guidance[:, -1:]
        share = (logits > 0).float().mean((1, 2, 3))
        return logits, (3 - 20 * (share - 1 / 6).abs())[:, None]

    def decode(self, features: tuple[Tensor, ...], guidance: Tensor) -> Tensor:
        return self.answer(features, guidance)[0]

    def centres(self, features: tuple[Tensor, ...]) -> Tensor:
        return nn.functional.avg_pool2d(6 * nn.functional.avg_pool2d(features[0][:, :1], 9, 1, 4) - 3, 2)


@pytest.fixture
def predictor() -> JudgedPredictor:
    return JudgedPredictor.of(Bright(), CARD, torch.device("cpu"))


def squares(*middles: tuple[int, int], half: int = 8, side: int = 160) -> Image:
    plane = np.zeros((side, side), np.float32)
    for y, x in middles:
        plane[y - half : y + half, x - half : x + half] = 1
    return Image.of(plane)


def request(*positions: tuple[float, float], **options) -> Request:
    return Request((), tuple(Click(position) for position in positions), **options)


def test_it_is_an_explorer_and_a_proposer(predictor: JudgedPredictor) -> None:
    assert isinstance(predictor, Explorer)
    assert isinstance(predictor, Proposer)


def test_the_window_with_the_best_quality_answers_a_first_click(predictor: JudgedPredictor) -> None:
    image = squares((80, 80))
    for estimate in (10.0, 18.0, 36.0):
        answer = predictor.predict(image, request((80.0, 80.0), diameter=estimate, estimated=True))
        assert answer.full_mask((160, 160)).sum() == pytest.approx(256, abs=40)
        assert answer.quality == max(one.quality for one in (answer, *answer.candidates))


def test_a_known_size_is_looked_at_alone(predictor: JudgedPredictor) -> None:
    answer = predictor.predict(squares((80, 80)), request((80.0, 80.0), diameter=18.0))
    assert answer.candidates == ()
    assert answer.window == lattice_window((80, 80), 18 / 0.4, predictor.rule)


def test_nearby_clicks_see_the_same_window_whose_features_are_kept(predictor: JudgedPredictor) -> None:
    image = squares((80, 80))
    windows = {
        predictor.predict(image, request((float(y), float(x)), diameter=18.0)).window for y, x in ((79, 79), (82, 81))
    }
    assert len(windows) == 1
    assert len(predictor.cache) == 1


def test_other_objects_take_no_part_in_the_answer(predictor: JudgedPredictor) -> None:
    image = squares((80, 72), (80, 88))
    mask = np.zeros((160, 160), bool)
    mask[:, 80:] = True
    others = Others(Region.whole((160, 160)), mask)
    alone = predictor.predict(image, request((80.0, 72.0), diameter=18.0, others=others))
    both = predictor.predict(image, request((80.0, 72.0), diameter=18.0))
    assert alone.full_mask((160, 160)).sum() == pytest.approx(256, abs=40)
    assert both.full_mask((160, 160)).sum() > 400


def test_exploring_looks_at_other_windows_than_the_first_answer(predictor: JudgedPredictor) -> None:
    asked = request((80.0, 80.0), diameter=18.0, estimated=True)
    found = predictor.explore(squares((80, 80)), asked)
    first = {lattice_window((80, 80), 18 * 2**octave / 0.4, predictor.rule) for octave in AT_ONCE}
    assert found
    assert all(answer.window not in first and answer.quality is not None for answer in found)


def test_many_first_clicks_are_answered_each_for_itself(predictor: JudgedPredictor) -> None:
    middles = [(40, 40), (40, 70), (120, 100), (100, 30)]
    answers = predictor.answer_many(squares(*middles), (), middles, 18.0)
    for (y, x), answer in zip(middles, answers, strict=True):
        mask = answer.full_mask((160, 160))
        assert mask[y - 8 : y + 8, x - 8 : x + 8].all()
        mask[y - 9 : y + 9, x - 9 : x + 9] = False  # it may be a pixel wider, as two are seen as one
        assert not mask.any()


def test_an_object_that_reaches_the_rim_of_its_crop_is_seen_in_a_larger_one(predictor: JudgedPredictor) -> None:
    image = squares((80, 80), half=22)
    (answer,) = predictor.answer_many(image, (), [(80, 80)], 18.0)
    cell = Lattice.of(18.0).cell
    assert answer.window is not None
    assert answer.window.shape == (LARGE_CROP * cell, LARGE_CROP * cell)
    assert answer.full_mask((160, 160)).sum() == pytest.approx(44**2, rel=0.1)


def test_parts_of_a_frame_see_each_object_once_and_no_window_twice(
    predictor: JudgedPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    middles = [(y, x) for y in range(20, 310, 30) for x in range(20, 310, 30)]
    image, windows = squares(*middles, side=320), []
    encode = JudgedPredictor._encode
    monkeypatch.setattr(
        JudgedPredictor, "_encode", lambda self, *place: windows.append(place[2]) or encode(self, *place)
    )
    seen = []
    for part in predictor.parts(Region.whole((320, 320)), 18.0):
        seeds = predictor.seeds(image, (), 18.0, part)
        predictor.answer_many(image, (), [seed.position for seed in seeds], 18.0)
        seen += seeds
    assert len(seen) == len(middles)
    assert len(windows) == len(set(windows)) == 9


def test_answering_many_can_be_called_off(predictor: JudgedPredictor) -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        predictor.answer_many(squares((40, 40)), (), [(40, 40)], 18.0, stop=stop)


def test_seeds_lie_in_the_middles_of_objects(predictor: JudgedPredictor) -> None:
    middles = {(40, 40), (40, 90), (120, 100)}
    seeds = predictor.seeds(squares(*middles), (), 18.0)
    assert {tuple(min(middles, key=lambda m: np.hypot(*np.subtract(m, seed.position)))) for seed in seeds} == middles
    assert all(min(np.hypot(*np.subtract(m, seed.position)) for m in middles) < 4 for seed in seeds)
    assert len(seeds) == 3
    within = predictor.seeds(squares(*middles), (), 18.0, region=Region((0, 0), (80, 70)))
    assert [seed.position[1] < 60 for seed in within] == [True]


def test_peaks_of_a_plateau_are_one() -> None:
    depth = np.zeros((20, 20), np.float32)
    depth[4:7, 4:7] = 0.8
    places, heights = peaks(depth, 3, 0.5)
    assert places.tolist() == [[5.0, 5.0]]
    assert heights.tolist() == pytest.approx([0.8])


def test_alike_answers_are_one_candidate(predictor: JudgedPredictor) -> None:
    answer = predictor.predict(squares((80, 80)), request((80.0, 80.0), diameter=18.0))
    assert with_candidates([answer, answer]).candidates == ()


def test_the_lattice_keeps_the_position_near_the_middle() -> None:
    rule = WindowRule()
    for position in ((0.0, 0.0), (13.4, 200.7), (99.0, 31.0)):
        window = lattice_window(position, 61, rule)
        off = np.abs(np.subtract(position, window.centre)) / window.shape[0]
        assert (off <= 1 / 8 + 1 / 61).all()

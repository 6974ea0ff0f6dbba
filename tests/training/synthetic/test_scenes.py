"""Every scene: sizes and types, the same plane from the same seed, whole labels, objects that can be seen."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from napari_clickseg.training.synthetic import SCENES, draw_plane, draw_scene
from napari_clickseg.training.synthetic.collage import Cutout, draw_collage
from napari_clickseg.training.synthetic.scene import Scene, tidy

SEEDS = range(4)


@pytest.mark.parametrize("side", [64, 97, 224])
@pytest.mark.parametrize("name", SCENES)
def test_scene_is_an_8_bit_plane_of_the_side_asked_for_with_numbered_labels(name: str, side: int):
    scene = draw_scene(np.random.default_rng(5), name, side)
    assert scene.image.dtype == np.uint8
    assert scene.image.shape in ((side, side), (side, side, 3))
    assert scene.labels.dtype == np.uint16
    assert scene.labels.shape == (side, side)
    assert set(np.unique(scene.labels)) - {0} == set(range(1, int(scene.labels.max()) + 1))


@pytest.mark.parametrize("name", SCENES)
def test_same_seed_draws_the_same_plane_and_another_seed_another(name: str):
    first, again, other = (draw_scene(np.random.default_rng(seed), name, 96) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("name", SCENES)
def test_every_label_is_one_connected_piece(name: str):
    for seed in SEEDS:
        labels = draw_scene(np.random.default_rng(seed), name, 160).labels
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            assert ndimage.label(labels[box] == number)[1] == 1


@pytest.mark.parametrize("name", SCENES)
def test_nearly_every_object_can_be_told_from_what_is_around_it(name: str):
    scores = np.concatenate([visibility(draw_scene(np.random.default_rng(seed), name, 160)) for seed in SEEDS])
    assert len(scores) > 4
    assert (scores > 3).mean() > 0.9


@pytest.mark.parametrize("name", SCENES)
def test_objects_of_many_planes_differ_widely_in_size(name: str):
    areas = np.concatenate([areas_of(draw_scene(np.random.default_rng(seed), name, 128)) for seed in range(10)])
    assert np.quantile(areas, 0.95) > 4 * np.quantile(areas, 0.05)


def test_scene_without_a_name_comes_by_its_weight():
    planes = [draw_scene(np.random.default_rng(seed), side=64).image for seed in range(40)]
    coloured = sum(image.ndim == 3 for image in planes)
    assert 0 < coloured < 20  # blood, tissue and shapes have colours: 14 % by their weights


def test_unknown_scene_and_tiny_side_are_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"no scene 'cheese'; choose from bacteria, phase_contrast"):
        draw_scene(np.random.default_rng(0), "cheese")
    with pytest.raises(ValueError, match=r"at least 64 pixels wide, not 20"):
        draw_scene(np.random.default_rng(0), side=20)


def test_collage_shows_the_pixels_of_the_cutout_under_its_labels():
    y, x = np.mgrid[:21, :21]
    disk = np.hypot(y - 10, x - 10) < 9
    red = np.broadcast_to(np.array((1.0, 0.0, 0.0)), (21, 21, 3))
    scenes = [draw_collage(np.random.default_rng(seed), 128, [], [Cutout(red, disk)]) for seed in SEEDS]
    for scene in scenes:
        assert 0 < np.bincount(scene.labels.ravel())[1:].max() <= disk.sum()
    apart = [np.abs(s.image[s.labels > 0].mean(axis=0) - s.image[s.labels == 0].mean(axis=0)).max() for s in scenes]
    assert max(apart) > 60


def test_plane_may_borrow_from_real_images():
    real = np.random.default_rng(0).random((50, 70, 3)).astype(np.float32)
    mask = np.ones((12, 12), bool)
    planes = [
        draw_plane(np.random.default_rng(seed), [real], [Cutout(real[:12, :12], mask)], side=96) for seed in range(12)
    ]
    assert all(plane.image.shape[:2] == (96, 96) for plane in planes)
    assert any(np.bincount(plane.labels.ravel())[1:].max(initial=0) == 144 for plane in planes)


def test_tidy_keeps_the_largest_piece_and_drops_specks():
    labels = np.array([[7, 7, 0, 7], [7, 0, 0, 0], [0, 0, 2, 2], [4, 0, 2, 2]])
    np.testing.assert_array_equal(tidy(labels, 2), [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 2, 2], [0, 0, 2, 2]])


def test_scenes_are_drawn_without_torch():
    code = "import sys, napari_clickseg.training.synthetic; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def areas_of(scene: Scene) -> npt.NDArray[np.int64]:
    return np.bincount(scene.labels.ravel())[1:]


def visibility(scene: Scene) -> npt.NDArray[np.float64]:
    """Of each object Welch's t between inside, border and surroundings: the largest over colours and local contrast."""
    colours = np.atleast_3d(scene.image).astype(np.float64)
    features = [colours[..., k] for k in range(colours.shape[2])]
    features.append(np.abs(features[0] - ndimage.gaussian_filter(features[0], 5.0)))  # shading: dark and bright sides
    scores = []
    for number, box in enumerate(ndimage.find_objects(scene.labels), start=1):
        wide = tuple(slice(max(s.start - 6, 0), s.stop + 6) for s in box)
        mine = scene.labels[wide] == number
        depth = ndimage.distance_transform_edt(np.pad(mine, 1, mode="edge"))[1:-1, 1:-1]
        away = ndimage.distance_transform_edt(~mine)
        zones = [depth > 2.5, (depth > 0) & (depth <= 2.5), (away > 0) & (away <= 2.5), (away > 2.5) & (away <= 5)]
        best = 0.0
        for feature in features:
            values = [feature[wide][zone] for zone in zones if zone.sum() > 4]
            for k, first in enumerate(values):
                for second in values[k + 1 :]:
                    spread = np.sqrt(first.var() / len(first) + second.var() / len(second)) + 0.2
                    best = max(best, abs(first.mean() - second.mean()) / spread)
        scores.append(best)
    return np.array(scores)

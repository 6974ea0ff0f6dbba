"""Guidance channels, by values that can be checked by eye."""

from __future__ import annotations

import math

import pytest
import torch

from napari_clickseg.inference.guidance import (
    CLICK_MAPS,
    NOWHERE,
    PRIORS,
    Encoding,
    Guidance,
    PointSet,
    distances,
    gaussians,
)

STRIPS = torch.arange(8, dtype=torch.int32).repeat(8, 1)[None, None] // 2
"""Four superpixels side by side, each two columns wide: centroids in columns 0.5, 2.5, 4.5, 6.5."""
BLOCKS = 4 * STRIPS.mT + STRIPS
"""Sixteen superpixels of 2 x 2."""

POSITIVE, NEGATIVE = True, False
Said = list[tuple[tuple[float, ...], bool]]


def said(*clicks: tuple[float, float, bool]) -> PointSet:
    return PointSet.of([[((y, x), positive) for y, x, positive in clicks]], "cpu")


def square(rows: slice, columns: slice, side: int = 8) -> torch.Tensor:
    plane = torch.zeros((1, 1, side, side))
    plane[..., rows, columns] = 1
    return plane


def drawn(encoding: Encoding, points: PointSet, prior: torch.Tensor | None = None, labels=BLOCKS) -> torch.Tensor:
    """Channels (channel, y, x) of one window of 8 x 8."""
    shown = torch.zeros((1, 1, 8, 8)) if prior is None else prior
    told = torch.tensor([0.0 if prior is None else 1.0])
    return Guidance(encoding)(points, shown, told, (labels,) if encoding.on_superpixels else ())[0]


def box(points: PointSet, prior: torch.Tensor | None = None, labels=BLOCKS) -> list[list[int]]:
    """The box channel at the corner of each of the 4 x 4 superpixels of BLOCKS."""
    return drawn(Encoding("disk", (1.0,), "box"), points, prior, labels)[-1, ::2, ::2].int().tolist()


# Gaussians


def test_gaussian_is_one_at_the_click_and_falls_as_it_should():
    maps = gaussians(torch.tensor([[[2.0, 3.0]]]), (8, 8), sigma=2.0)
    assert maps.shape == (1, 1, 8, 8)
    assert maps[0, 0, 2, 3] == 1
    assert math.isclose(float(maps[0, 0, 2, 5]), math.exp(-0.5), rel_tol=1e-5)


def test_nearest_click_wins():
    maps = gaussians(torch.tensor([[[1.0, 1.0], [6.0, 6.0]]]), (8, 8), sigma=1.0)
    assert maps[0, 0, 1, 1] == 1
    assert maps[0, 0, 6, 6] == 1


def test_window_without_clicks_gets_an_empty_map():
    points = PointSet.of([[], [((1.0, 1.0), True)]], "cpu")
    assert gaussians(points.positive, (4, 4), 1.0)[0].sum() == 0
    assert gaussians(points.negative, (4, 4), 1.0).sum() == 0


def test_channels_are_positive_scales_then_negative_scales_then_prior_and_flag():
    encoding = Encoding("gaussian", (1.0, 3.0), "probability")
    maps = drawn(encoding, said((1, 1, POSITIVE), (5, 5, NEGATIVE)), torch.full((1, 1, 8, 8), 0.25))
    assert maps.shape == (encoding.channels, 8, 8)
    assert [float(maps[k, 1, 1]) == 1 for k in range(4)] == [True, True, False, False]
    assert [float(maps[k, 5, 5]) == 1 for k in range(4)] == [False, False, True, True]
    assert (maps[4] == 0.25).all()
    assert (maps[5] == 1).all()


def test_the_shipped_models_channels_are_gaussians_and_prior_bit_by_bit():
    points, prior = said((1.3, 1.7, POSITIVE), (5, 6.2, NEGATIVE)), torch.rand((1, 1, 8, 8))
    maps = [gaussians(side, (8, 8), sigma) for side in (points.positive, points.negative) for sigma in (1.5, 7.0)]
    expected = torch.cat((*maps, prior, torch.ones_like(prior)), dim=1)[0]
    assert torch.equal(drawn(Encoding(), points, prior), expected)


def test_a_cut_gaussian_is_zero_beyond_the_cut_and_whole_within():
    click = said((0, 0, POSITIVE))
    whole = drawn(Encoding("gaussian", (10.0,), "none"), click)[0]
    cut = drawn(Encoding("gaussian", (10.0,), "none", cut=5.0), click)[0]
    assert torch.equal(cut[3, :5], whole[3, :5])  # (3, 4) is 5 away
    assert cut[3, 5:].tolist() == [0, 0, 0]
    assert drawn(Encoding("gaussian", (10.0,), "none", cut=5.0), said()).sum() == 0


# Disks, distances, superpixels


def test_a_disk_is_one_within_its_radius():
    maps = drawn(Encoding("disk", (2.0, 1.0), "none"), said((2, 2, NEGATIVE)))
    assert maps[:2].sum() == 0
    assert maps[2, :5, :5].int().tolist() == [
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
    ]
    assert maps[3].sum() == 5


def test_a_distance_map_grows_from_the_nearest_click_to_one_at_the_cut():
    maps = drawn(Encoding("distance", (4.0,), "none"), said((0, 0, POSITIVE), (0, 7, POSITIVE)))
    assert maps[0, 0].tolist() == [0, 0.25, 0.5, 0.75, 0.75, 0.5, 0.25, 0]
    assert maps[0, 7].tolist() == [1] * 8
    assert (maps[1] == 1).all()


def test_distances_are_euclidean_and_infinite_without_points():
    assert distances(torch.tensor([[[0.0, 0.0]]]), (4, 5))[0, 0, 3, 4] == 5
    assert distances(torch.zeros((1, 0, 2)), (4, 5)).isinf().all()


def test_a_superpixel_map_is_flat_on_each_superpixel_and_one_at_the_cut():
    maps = drawn(Encoding("superpixel", (4.0,), "none"), said((7, 1, POSITIVE)), labels=STRIPS)
    assert maps[0].tolist() == [[0, 0, 0.5, 0.5, 1, 1, 1, 1]] * 8
    assert (maps[1] == 1).all()


# Priors


@pytest.mark.parametrize(("prior", "channels"), [("none", 0), ("probability", 2), ("mask", 1), ("distance", 1)])
def test_a_prior_that_is_not_there_leaves_its_channels_empty(prior, channels):
    maps = drawn(Encoding("disk", (1.0,), prior), said((2, 2, POSITIVE)))
    assert len(maps) == 2 + channels
    assert maps[2:].sum() == 0


def test_the_mask_is_the_last_channel_and_empty_where_there_is_no_prior():
    prior = torch.tensor([0.4, 0.6]).repeat(2, 1, 8, 4)
    points = PointSet.of([[], []], "cpu")
    maps = Guidance(Encoding("disk", (5.0,), "mask"))(points, prior, torch.tensor([1.0, 0.0]))
    assert maps[0, -1, 0].tolist() == [0, 1] * 4
    assert maps[1].sum() == 0


def test_the_distance_prior_is_the_depth_inside_the_mask_up_to_a_quarter_of_the_window():
    maps = drawn(Encoding("disk", (1.0,), "distance"), said(), square(slice(1, 6), slice(1, 6)))
    assert maps[-1, 3].tolist() == [0, 0.5, 1, 1, 1, 0.5, 0, 0]
    assert maps[-1, 1].tolist() == [0, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0]


def test_a_mask_that_fills_the_window_is_shallow_at_its_rim():
    maps = drawn(Encoding("disk", (1.0,), "distance"), said(), torch.ones((1, 1, 8, 8)))
    assert maps[-1, 4].tolist() == [0.5, 1, 1, 1, 1, 1, 1, 0.5]


def test_the_outside_prior_is_the_distance_to_the_mask_and_a_flag():
    maps = drawn(Encoding("disk", (1.0,), "outside"), said(), square(slice(0, 8), slice(0, 3)))
    assert maps[-2, 4].tolist() == [0, 0, 0, 0.5, 1, 1, 1, 1]
    assert maps[-1, 4].tolist() == [1] * 8


def test_without_a_mask_the_outside_prior_is_far_everywhere():
    maps = drawn(Encoding("disk", (1.0,), "outside"), said())
    assert maps[-2].unique().tolist() == [1]
    assert maps[-1].unique().tolist() == [0]


# The superpixel box

ALL = [[1, 1, 1, 1]] * 4


@pytest.mark.parametrize("points", [said(), said((4, 4, POSITIVE)), said((-50, 4, NEGATIVE))])
def test_without_a_pair_and_a_prior_the_box_is_the_whole_window(points):
    assert box(points) == ALL
    assert box(points, torch.zeros((1, 1, 8, 8))) == ALL


def test_the_first_pair_spans_a_box_around_the_positive_click():
    # Rows and columns 2 .. 4.
    assert box(said((3, 3, POSITIVE), (2, 4, NEGATIVE))) == [
        [0, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]


def test_clicks_in_a_row_span_a_box_half_as_high_as_wide():
    # Rows 2 .. 6, columns 0 .. 8.
    assert box(said((4, 4, POSITIVE), (4, 0, NEGATIVE))) == [
        [0, 0, 0, 0],
        [1, 1, 1, 1],
        [1, 1, 1, 1],
        [1, 1, 1, 1],
    ]


def test_later_positive_clicks_extend_the_box_and_negative_ones_remove_their_superpixel():
    pair = (3, 3, POSITIVE), (2, 4, NEGATIVE)
    assert box(said(*pair, (7, 7, POSITIVE), (2, 2, NEGATIVE))) == [
        [0, 0, 0, 0],
        [0, 0, 1, 1],
        [0, 1, 1, 1],
        [0, 1, 1, 1],
    ]


def test_which_click_comes_first_decides_on_the_box():
    first, second = (3, 3, POSITIVE), (7, 3, POSITIVE)
    beside = (2, 4, NEGATIVE)
    assert box(said(first, second, beside)) != box(said(second, first, beside))
    assert box(said(first, beside, second)) == box(said(beside, first, second))


def test_around_a_mask_the_box_encloses_it_and_every_click_refines_it():
    mask = square(slice(2, 3), slice(2, 3)) + square(slice(5, 6), slice(4, 5))
    enclosing = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert box(said(), mask) == enclosing
    assert box(said((0, 0, POSITIVE)), mask) == [[1, 1, 1, 0]] * 3 + [[0, 0, 0, 0]]
    assert box(said((2, 4, NEGATIVE)), mask) == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_a_given_mask_draws_the_box_whatever_pair_is_clicked():
    pair = said((3, 3, POSITIVE), (2, 4, NEGATIVE))
    assert box(pair, square(slice(6, 8), slice(6, 8))) == [
        [0, 0, 0, 0],
        [0, 1, 0, 1],
        [0, 1, 1, 1],
        [0, 1, 1, 1],
    ]


# All of them


def scene() -> tuple[torch.Tensor, list[Said], torch.Tensor, torch.Tensor]:
    """Four windows: no click and no prior, one click, a pair, many clicks; priors in the last two."""
    made = torch.Generator().manual_seed(0)
    clicks: list[Said] = [[((9.0 * k % 23, 5.0 * k % 19), k % 2 == 0) for k in range(count)] for count in (0, 1, 2, 25)]
    told = torch.tensor([0.0, 0.0, 1.0, 1.0])
    prior = torch.rand((4, 1, 24, 20), generator=made) * told.reshape(-1, 1, 1, 1)
    return torch.rand((4, 3, 24, 20), generator=made), clicks, prior, told


@pytest.mark.parametrize("prior_name", PRIORS)
@pytest.mark.parametrize("clicks_name", CLICK_MAPS)
def test_a_batch_is_drawn_as_each_window_alone(clicks_name, prior_name):
    guide = Guidance(Encoding(clicks_name, (3.0, 9.0), prior_name, superpixels=40))
    images, clicks, prior, told = scene()
    together = guide(PointSet.of(clicks, "cpu"), prior, told, guide.prepare(images))
    assert together.shape == (4, guide.channels, 24, 20)
    assert together.dtype == torch.float32
    assert together.min() >= 0
    assert together.max() <= 1
    for k in range(4):
        one = slice(k, k + 1)
        alone = guide(PointSet.of(clicks[one], "cpu"), prior[one], told[one], guide.prepare(images[one]))
        assert torch.equal(alone[0], together[k])


@pytest.mark.parametrize("prior_name", PRIORS)
@pytest.mark.parametrize("clicks_name", CLICK_MAPS)
def test_a_prior_in_half_precision_gives_single_precision(clicks_name, prior_name):
    guide = Guidance(Encoding(clicks_name, (3.0,), prior_name, superpixels=40))
    images, clicks, prior, told = scene()
    kept = guide.prepare(images.bfloat16())
    assert guide(PointSet.of(clicks, "cpu"), prior.bfloat16(), told.bfloat16(), kept).dtype == torch.float32


@pytest.mark.parametrize("prior_name", PRIORS)
@pytest.mark.parametrize("clicks_name", CLICK_MAPS)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_all_is_drawn_as_on_the_cpu(clicks_name, prior_name):
    guide = Guidance(Encoding(clicks_name, (3.0,), prior_name, superpixels=40))
    images, clicks, prior, told = scene()
    here = guide(PointSet.of(clicks, "cpu"), prior, told, guide.prepare(images))
    there = guide(PointSet.of(clicks, "cuda"), prior.cuda(), told.cuda(), guide.prepare(images.cuda()))
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here)


def test_only_encodings_on_superpixels_keep_something():
    window = torch.rand((1, 3, 16, 16))
    for clicks_name in CLICK_MAPS:
        for prior_name in PRIORS:
            kept = Guidance(Encoding(clicks_name, (3.0,), prior_name)).prepare(window)
            assert bool(kept) == (clicks_name == "superpixel" or prior_name == "box")


def test_superpixels_that_were_not_prepared_are_asked_for():
    with pytest.raises(ValueError, match=r"pass what Guidance.prepare\(images\) returned"):
        Guidance(Encoding("superpixel", (255.0,)))(said(), torch.zeros((1, 1, 8, 8)), torch.zeros(1))


def test_padding_is_no_click():
    points = PointSet.of([[((1.0, 1.0), True)], [((1.0, 1.0), True), ((2.0, 2.0), True)]], "cpu")
    assert points.positive[0].tolist() == [[1, 1], [NOWHERE, NOWHERE]]
    assert points.negative.shape == (2, 0, 2)


# Encodings in words


def test_an_encoding_comes_from_a_table_whose_lists_become_tuples():
    table = {"clicks": "disk", "sizes": [5], "prior": "mask"}
    assert Encoding.from_mapping(table) == Encoding("disk", (5,), "mask")
    assert Encoding.from_mapping({}) == Encoding()


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"clicks": "scribble"}, "There is no click map 'scribble'; there are gaussian, disk, distance, superpixel."),
        ({"prior": "edge"}, "There is no encoding 'edge' of the prior; there are none, probability, mask"),
        ({"size": [5]}, "An encoding has no size; it may have clicks, sizes, prior, cut, superpixels."),
        ({"sizes": []}, r"The sizes of the click maps are \(\); wanted are one or more numbers above 0."),
        ({"sizes": [3, 0]}, r"The sizes of the click maps are \(3, 0\); wanted"),
        ({"sizes": 5}, "The sizes of the click maps are 5; wanted"),
        ({"sizes": ["wide"]}, r"The sizes of the click maps are \('wide',\); wanted"),
        ({"clicks": "disk", "cut": 20}, "A cut of 20 for disk maps; only gaussian has one, a number above 0."),
        ({"cut": -1}, "A cut of -1 for gaussian maps"),
        ({"superpixels": 0}, "0 superpixels were asked for; wanted are 1 or more."),
        ({"superpixels": 10.5}, "10.5 superpixels were asked for"),
    ],
)
def test_what_no_encoding_can_be_is_refused_in_one_sentence(table, sentence):
    with pytest.raises(ValueError, match=sentence):
        Encoding.from_mapping(table)

"""What a network is given of an image, and what its output says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_clickseg.core.images import Image
from napari_clickseg.core.regions import Region
from napari_clickseg.inference.io_transforms import feed, pick, statistics, to_extent, to_logit, to_probability
from napari_clickseg.models.io_spec import Conventions

RAMP = np.arange(12, dtype=np.float32).reshape(3, 4)


def given(array, window, axes=None, channel=None, **conventions):
    rule = Conventions(**{"normalise": "none", **conventions})
    image = Image.of(array, axes, channel=channel)
    return feed(image, (), window, rule, statistics(image, (), rule))[0].numpy()


def test_beyond_the_frame_it_is_mirrored():
    seen = given(RAMP, Region((0, 2), (2, 6)))
    assert seen.tolist() == [[[2, 3, 2, 1], [6, 7, 6, 5]]]


def test_a_grey_image_is_repeated_and_channels_come_in_the_order_named():
    assert given(RAMP, Region((0, 0), (3, 4)), channels=3).shape == (3, 3, 4)
    colours = np.stack([RAMP + 100 * k for k in range(4)], axis=-1)
    seen = given(colours, Region((0, 0), (1, 2)), "YXC", channels=2, use=(3, 0))
    assert seen.tolist() == [[[300, 301]], [[0, 1]]]


def test_the_channel_that_a_person_chose_is_the_only_one():
    colours = np.stack([RAMP + 100 * k for k in range(4)], axis=-1)
    assert given(colours, Region((0, 0), (1, 1)), "YXC", channel=1, channels=2).ravel().tolist() == [100, 100]


@pytest.mark.parametrize(
    ("rule", "ends"),
    [
        ({"normalise": "percentile", "low": 0, "high": 100}, (0, 1)),
        ({"normalise": "range", "low": 1, "high": 11}, (-0.1, 1)),
        ({"normalise": "fixed", "low": 1, "high": 2}, (-0.5, 5)),
        ({"normalise": "mean-sd"}, (-5.5 / np.std(range(12)), 5.5 / np.std(range(12)))),
        ({"normalise": "none"}, (0, 11)),
    ],
)
def test_normalisation_by_the_conventions(rule, ends):
    seen = given(RAMP, Region((0, 0), (3, 4)), **rule)
    assert (seen.min(), seen.max()) == pytest.approx(ends)


def test_channels_are_normalised_each_or_together():
    colours = np.stack([RAMP, 2 * RAMP], axis=-1)
    rule = {"normalise": "percentile", "low": 0, "high": 100, "channels": 2}
    window = Region((0, 0), (3, 4))
    assert given(colours, window, "YXC", **rule).max(axis=(1, 2)).tolist() == [1, 1]
    assert given(colours, window, "YXC", per_channel=False, **rule).max(axis=(1, 2)).tolist() == [0.5, 1]


def test_a_flat_frame_is_normalised_to_zero():
    assert not given(np.full((4, 4), 7.0), Region((0, 0), (4, 4)), normalise="percentile").any()


def test_another_scale_halves_or_doubles_a_ramp_in_place():
    line = np.tile(np.arange(16, dtype=np.float32), (4, 1))
    assert given(line, Region((0, 1), (1, 7)), scale=0.5)[0, 0] == pytest.approx(np.arange(2.5, 14, 2))
    assert given(line, Region((0, 2), (1, 6)), scale=2)[0, 0] == pytest.approx([0.75, 1.25, 1.75, 2.25])


def test_probabilities_by_activation_objects_and_boundary():
    output = torch.tensor([0.0, 2.0, 1.0]).reshape(1, 3, 1, 1)
    soft = torch.softmax(output, 1).flatten()
    rule = {"channels": 1, "objects": (1,), "activation": "softmax"}
    assert to_probability(output, Conventions(**rule)).item() == pytest.approx(soft[1].item())
    assert to_probability(output, Conventions(boundary=2, **rule)).item() == pytest.approx((soft[1] - soft[2]).item())
    assert to_extent(output, Conventions(boundary=2, **rule)).item() == pytest.approx((soft[1] / (1 - soft[2])).item())
    both = Conventions(objects=(1, 2), activation="softmax")
    assert to_probability(output, both).item() == pytest.approx((soft[1] + soft[2]).item())
    assert to_probability(output, Conventions(objects=(1,))).item() == pytest.approx(torch.sigmoid(output[0, 1]).item())


@pytest.mark.parametrize(
    "rule",
    [
        {"objects": (1,)},
        {"objects": (1, 2), "activation": "softmax"},
        {"objects": (0, 1, 2), "activation": "softmax"},
        {"objects": (1,), "boundary": 2, "activation": "softmax"},
    ],
)
@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_logits_are_those_of_the_probability_and_0_at_the_threshold(rule, threshold):
    output = torch.tensor([[0.3, 1.2, -0.4], [2.0, 0.1, 0.3]]).T.reshape(1, 3, 1, 2)
    conventions = Conventions(threshold=threshold, **rule)
    expected = torch.logit(to_probability(output, conventions), 1e-6) - np.log(threshold / (1 - threshold))
    assert to_logit(output, conventions).flatten().tolist() == pytest.approx(expected.flatten().tolist(), abs=1e-4)


def test_one_of_several_outputs_is_picked_by_number():
    one, other = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    rule = Conventions(output=1)
    assert pick((one, other), rule, (2, 2)) is other
    assert pick({"a": one, "b": other}, rule, (2, 2)) is other
    with pytest.raises(ValueError, match="no output 1"):
        pick([one], rule, (2, 2))


@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_means_and_deviations_of_each_channel(scale: float) -> None:
    """As of ImageNet, for values as stored, whatever their size."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (16, 16, 3)) * scale
    means, deviations = (
        (123.675 * scale, 116.28 * scale, 103.53 * scale),
        (58.395 * scale, 57.12 * scale, 57.375 * scale),
    )
    conventions = Conventions(channels=3, normalise="fixed", means=means, deviations=deviations)
    image = Image.of(pixels, "YXC")
    given = feed(image, (), Region.whole((16, 16)), conventions, statistics(image, (), conventions))[0].numpy()
    wanted = np.moveaxis((pixels - means) / deviations, -1, 0)
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"means": (1.0,), "deviations": (1.0, 2.0)}, "must hold 2 numbers each"),
        ({"means": (1.0,), "deviations": (1.0,)}, "must hold 2 numbers each"),
        ({"means": (1.0, 2.0), "deviations": (1.0, 0.0)}, "must be above 0"),
        ({"means": (1.0, float("nan")), "deviations": (1.0, 1.0)}, "must be numbers"),
    ],
)
def test_means_and_deviations_that_cannot_be(values: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Conventions(channels=2, normalise="fixed", **values)


# -- neighbouring planes -----------------------------------------------------------------------------------------------

STACK = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((6, 4, 5), np.float32)
"""Each plane holds its number."""


def planes_seen(image: Image, frame: tuple[int, ...], **values) -> list[float]:
    conventions = Conventions(**{"channels": 5, "planes": True, "normalise": "none", **values})
    window = Region((0, 0), (4, 5))
    return feed(image, frame, window, conventions, statistics(image, frame, conventions))[0, :, 2, 2].tolist()


@pytest.mark.parametrize(
    ("z", "planes"), [(2, [0, 1, 2, 3, 4]), (3, [1, 2, 3, 4, 5]), (0, [0, 0, 0, 1, 2]), (5, [3, 4, 5, 5, 5])]
)
def test_neighbouring_planes_are_the_true_ones_and_the_last_again_beyond_the_ends(z, planes):
    assert planes_seen(Image.of(STACK, "ZYX"), (z,)) == planes


def test_planes_of_a_movie_of_stacks_lie_in_one_time_point():
    movie = np.stack([STACK, STACK + 100])
    assert planes_seen(Image.of(movie, "TZYX"), (1, 4), channels=3) == [103, 104, 105]


def test_planes_are_those_of_the_channel_that_was_chosen():
    colours = np.stack([STACK, STACK + 10, STACK + 20])
    assert planes_seen(Image.of(colours, "CZYX", channel=1), (1,), channels=3) == [10, 11, 12]
    assert planes_seen(Image.of(colours, "CZYX"), (1,), channels=3, use=(2,)) == [20, 21, 22]
    with pytest.raises(ValueError, match="one channel, but the image has 3; choose one"):
        planes_seen(Image.of(colours, "CZYX"), (1,))


@pytest.mark.parametrize(("array", "axes"), [(STACK[0], "YX"), (STACK, "TYX")])
def test_without_neighbouring_planes_the_model_is_refused_in_one_sentence(array, axes):
    with pytest.raises(ValueError, match=f"neighbouring planes, but the image has the axes {axes}; it needs a stack"):
        planes_seen(Image.of(array, axes), (0,) * (array.ndim - 2))


@pytest.mark.parametrize("channels", [4, 5, 9])
def test_one_plane_is_never_repeated_for_more_channels_than_colours(channels):
    conventions = Conventions(channels=channels)
    with pytest.raises(ValueError, match=rf"takes {channels} channels, but one .* \(planes\)"):
        statistics(Image.of(STACK, "ZYX"), (0,), conventions)


@pytest.mark.parametrize("values", [{"channels": 4}, {"channels": 3, "ndim": 3}, {"channels": 3, "use": (0, 1, 2)}])
def test_planes_that_cannot_be_are_refused(values):
    with pytest.raises(ValueError, match=r"planes need|must name 1 channels"):
        Conventions(planes=True, **values)

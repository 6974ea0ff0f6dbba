import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles import disk
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.distances import depth
from napari_clickseg.core.simulated_user import (
    BOX_IOU,
    FARTHEST_SLIP,
    ROBOTS,
    SLIPS,
    first_click,
    largest_component,
    next_click,
    pick_beside,
)

SHAPE = (24, 30)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("robot", sorted(ROBOTS.keys() - SLIPS.keys()))
@given(seed=st.integers(0, 2**32 - 1))
def test_every_robot_with_a_steady_hand_clicks_where_the_mask_is_wrong_and_says_what_is_there(robot, seed):
    random = rng(seed)
    truth, mask = (random.random((2, 9, 11)) < 0.5).astype(bool)
    click = next_click(truth, mask, rng=random, robot=robot)
    where = tuple(int(p) for p in click.position)
    assert truth[where] != mask[where]
    assert click.positive == truth[where]


@given(seed=st.integers(0, 2**32 - 1))
def test_the_human_robot_misses_what_is_wrong_by_a_few_pixels_at_most_and_says_what_it_meant(seed):
    random = rng(seed)
    truth, mask = disk(SHAPE, (10, 10), 5), disk(SHAPE, (10, 13), 5)
    click = next_click(truth, mask, rng=random, robot="human")
    wrong = np.argwhere((truth != mask) & (truth == click.positive))
    assert np.abs(wrong - click.position).max(axis=1).min() <= FARTHEST_SLIP
    assert all(0 <= p < n for p, n in zip(click.position, SHAPE, strict=True))


def test_the_human_robot_crosses_the_boundary_of_thin_errors_now_and_then():
    truth = disk(SHAPE, (12, 14), 8)
    mask = disk(SHAPE, (12, 14), 7)
    clicks = [next_click(truth, mask, rng=rng(k), robot="human") for k in range(60)]
    missed = [click for click in clicks if not truth[tuple(map(int, click.position))]]
    assert all(click.positive for click in clicks)
    assert 0 < len(missed) < 45


@pytest.mark.parametrize("robot", ROBOTS)
def test_nothing_wrong_no_click(robot):
    truth = disk(SHAPE, (10, 10), 4)
    assert next_click(truth, truth.copy(), robot=robot) is None
    assert next_click(truth, ~truth, robot=robot, ignore=np.ones_like(truth)) is None


def test_the_centre_robot_takes_the_middle_of_the_largest_error():
    truth = disk(SHAPE, (10, 10), 5) | disk(SHAPE, (20, 25), 2)
    assert next_click(truth, np.zeros_like(truth), rng=rng()).position == (10.0, 10.0)
    assert next_click(truth, disk(SHAPE, (10, 10), 5), rng=rng()).position == (20.0, 25.0)
    false = truth | disk(SHAPE, (8, 22), 4)
    assert next_click(truth, false, rng=rng()) == Click((8.0, 22.0), False)


def test_the_centre_robot_keeps_away_from_its_earlier_clicks():
    truth = np.zeros((9, 21), bool)
    truth[3:6] = True
    first = next_click(truth, np.zeros_like(truth), rng=rng())
    again = next_click(truth, np.zeros_like(truth), [first], rng=rng())
    assert again.position != first.position


def test_clicks_outside_the_error_do_not_matter():
    truth = disk(SHAPE, (10, 10), 4)
    click = next_click(truth, np.zeros_like(truth), [Click((23.0, 29.0)), Click((0.0, 0.0))], rng=rng())
    assert click.position == (10.0, 10.0)


def test_an_error_clicked_all_over_is_clicked_again():
    truth = np.zeros(SHAPE, bool)
    truth[4, 4] = True
    assert next_click(truth, np.zeros_like(truth), [Click((4.0, 4.0))], rng=rng()).position == (4.0, 4.0)


def test_the_eroded_robot_stays_in_the_inner_quarter():
    truth = disk(SHAPE, (12, 14), 8)
    inner = depth(truth)
    picked = [next_click(truth, np.zeros_like(truth), rng=rng(k), robot="eroded").position for k in range(60)]
    assert all(inner[tuple(map(int, p))] >= np.quantile(inner[truth], 0.75) for p in picked)
    assert len(set(picked)) > 20


@pytest.mark.parametrize("seed", range(8))
def test_the_pair_robot_opens_with_a_click_in_the_middle_and_one_beside_the_object(seed):
    truth = np.zeros((60, 80), bool)
    truth[20:36, 30:54] = True
    first = next_click(truth, np.zeros_like(truth), rng=rng(seed), robot="pair")
    assert (first.positive, truth[tuple(map(int, first.position))]) == (True, True)
    middle = Click((28.0, 42.0))
    second = next_click(truth, np.zeros_like(truth), [middle], rng(seed), "pair")
    assert not second.positive
    assert not truth[tuple(map(int, second.position))]
    down, across = np.abs(np.subtract(second.position, middle.position))
    height, width = 2 * max(down, across / 2) + 1, 2 * max(across, down / 2) + 1
    shared = min(height, 16) * min(width, 24)
    assert shared / (height * width + 16 * 24 - shared) > BOX_IOU - 0.1


def test_the_pair_robot_then_clicks_on_the_largest_error():
    truth = disk(SHAPE, (10, 10), 5)
    said = [Click((10.0, 10.0)), Click((4.0, 16.0), False)]
    mask = truth & ~disk(SHAPE, (8, 8), 2)
    assert next_click(truth, mask, said, rng(), "pair") == next_click(truth, mask, said, rng(), "centre")


def test_the_pair_robot_opens_with_no_pair_where_a_mask_is_corrected():
    truth, mask = disk(SHAPE, (10, 10), 5), disk(SHAPE, (10, 12), 5)
    said = [Click((10.0, 6.0))]
    assert next_click(truth, mask, said, rng(), "pair", from_nothing=False) == next_click(truth, mask, said, rng())


def test_no_click_beside_an_object_that_fills_the_image():
    full = np.ones((6, 6), bool)
    assert pick_beside(full, ~full, (3.0, 3.0), rng()) is None
    assert next_click(full, disk((6, 6), (3, 3), 2), [Click((3.0, 3.0))], rng(), "pair").positive


def test_ignored_pixels_are_not_clicked_as_background():
    truth = disk(SHAPE, (10, 10), 5)
    ignore = np.zeros_like(truth)
    ignore[:, 10:] = True
    clicks = [next_click(truth, ~truth, [Click((10.0, 10.0))], rng(k), "pair", ignore & ~truth) for k in range(8)]
    assert all(not ignore[tuple(map(int, click.position))] for click in clicks)


def test_the_cluster_robot_visits_small_errors_too():
    truth = disk(SHAPE, (10, 8), 5) | disk(SHAPE, (18, 25), 3)
    picked = {next_click(truth, np.zeros_like(truth), rng=rng(k), robot="cluster").position for k in range(40)}
    assert picked == {(10.0, 8.0), (18.0, 25.0)}


def test_volumes_are_clicked_too():
    truth = disk((9, 9, 9), (4, 4, 4), 3)
    assert next_click(truth, np.zeros_like(truth), rng=rng()).position == (4.0, 4.0, 4.0)


def test_the_first_click_is_as_far_off_centre_as_wanted():
    truth = disk(SHAPE, (12, 14), 8)
    assert first_click(truth, rng(), spread=0).position == (12.0, 14.0)
    anywhere = {first_click(truth, rng(k), spread=1).position for k in range(80)}
    assert len(anywhere) > 50
    assert all(truth[tuple(map(int, p))] for p in anywhere)


def test_components_connect_by_faces():
    mask = np.array([[1, 0, 1], [0, 1, 1]], bool)
    np.testing.assert_array_equal(largest_component(mask), [[0, 0, 1], [0, 1, 1]])


def test_unknown_robots_and_masks_that_do_not_fit_are_refused():
    truth = disk(SHAPE, (10, 10), 4)
    with pytest.raises(ValueError, match="choose one of centre"):
        next_click(truth, ~truth, robot="nobody")
    with pytest.raises(ValueError, match=r"shape \(24, 30\)"):
        next_click(truth, truth[:1])

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles import disk
from napari_clickseg.clicks import Click
from napari_clickseg.robot import ROBOTS, depth, first_click, largest_component, next_click

SHAPE = (24, 30)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("robot", ROBOTS)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_robot_clicks_where_the_mask_is_wrong_and_says_what_is_there(robot, seed):
    random = rng(seed)
    truth, mask = (random.random((2, 9, 11)) < 0.5).astype(bool)
    click = next_click(truth, mask, rng=random, robot=robot)
    where = tuple(int(p) for p in click.position)
    assert truth[where] != mask[where]
    assert click.positive == truth[where]


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


def test_the_border_of_the_array_is_a_border():
    np.testing.assert_array_equal(depth(np.ones((3, 4), bool)), [[1, 1, 1, 1], [1, 2, 2, 1], [1, 1, 1, 1]])


def test_components_connect_by_faces():
    mask = np.array([[1, 0, 1], [0, 1, 1]], bool)
    np.testing.assert_array_equal(largest_component(mask), [[0, 0, 1], [0, 1, 1]])


def test_unknown_robots_and_masks_that_do_not_fit_are_refused():
    truth = disk(SHAPE, (10, 10), 4)
    with pytest.raises(ValueError, match="choose one of centre"):
        next_click(truth, ~truth, robot="nobody")
    with pytest.raises(ValueError, match=r"shape \(24, 30\)"):
        next_click(truth, truth[:1])

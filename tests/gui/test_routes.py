"""Ways along frames, where somebody painted, and what the status line says of it: values, no window."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

from napari_clickseg.core.regions import Region
from napari_clickseg.gui.brush_strokes import before_strokes, painted_regions
from napari_clickseg.gui.view import messages
from napari_clickseg.propagation.plan import Plan, backward, bracket, forward
from napari_clickseg.review.findings import Finding

MaskedStroke = namedtuple("MaskedStroke", "slice_key mask old_values new_value")


def test_frames_ahead_and_behind_end_with_the_movie_or_the_reach():
    assert forward((2, 7), 0, 5, 0) == ((3, 7), (4, 7))
    assert forward((2, 7), 0, 5, 1) == ((3, 7),)
    assert forward((4,), 0, 5, 0) == ()
    assert backward((2, 7), 1, 3) == ((2, 6), (2, 5), (2, 4))
    assert backward((0,), 0, 0) == ()


def test_only_confirmed_frames_on_the_same_line_bracket_one():
    confirmed = {(1, 4), (6, 4), (5, 3)}
    assert bracket((3, 4), 0, confirmed) == ((1, 4), (6, 4))
    with pytest.raises(ValueError, match="no confirmed frame after"):
        bracket((6, 4), 0, confirmed)
    with pytest.raises(ValueError, match="no confirmed frame before"):
        bracket((0, 4), 0, confirmed)


def test_what_is_left_of_a_route_begins_where_it_ended():
    route = Plan((5,), ((4,), (3,), (2,)), ids=(7,))
    assert route.onwards((5,)) == route
    assert route.onwards((3,)) == Plan((3,), ((2,),), ids=(7,))
    assert route.onwards((2,)) is None
    assert route.onwards((9,)) is None


def test_strokes_over_several_planes_are_told_plane_by_plane_without_the_thin_axis():
    strokes = [
        MaskedStroke((slice(1, 3), slice(0, 1), slice(4, 6), slice(2, 5)), None, None, 7),
        ((np.array([2]), np.array([0]), np.array([9]), np.array([1])), None, 7),
    ]
    assert list(painted_regions(strokes, thin=1)) == [
        Region((1, 4, 2), (2, 6, 5)),
        Region((2, 4, 1), (3, 10, 5)),
    ]


def test_what_stood_before_strokes_is_found_under_all_of_them_the_last_one_first():
    labels = np.full((2, 3, 4), 9)
    labels[0, 0], labels[1, 2, 1:3] = 7, (8, 7)
    strokes = [
        MaskedStroke((slice(0, 1), slice(0, 1), slice(0, 1), slice(0, 4)), None, np.array([[[[1, 2, 3, 4]]]]), 7),
        MaskedStroke(
            (slice(1, 2), slice(0, 1), slice(2, 3), slice(1, 3)), np.array([[[[True, True]]]]), np.array([5, 6]), 8
        ),
        ((np.array([1]), np.array([0]), np.array([2]), np.array([2])), np.array([8]), 7),
    ]
    before = before_strokes(labels, Region((0, 0, 0), (2, 3, 4)), strokes, thin=1)
    assert before[0, 0].tolist() == [1, 2, 3, 4]
    assert before[1, 2].tolist() == [9, 5, 6, 9]
    assert (before == 9).sum() == 18


@pytest.mark.parametrize(
    ("drawn", "halted", "more", "words"),
    [
        ([], "Frame 1 is confirmed.", False, "Nothing was tracked. Frame 1 is confirmed."),
        ([(1,)], "", True, "Tracked over 1 frame, to frame 1. Q goes on from there. G shows what to look at first."),
        ([(1, 2), (2, 2)], "", False, "Tracked over 2 frames, to frame 2, 2. G shows what to look at first."),
    ],
)
def test_the_status_says_how_far_objects_were_tracked_and_how_to_go_on(drawn, halted, more, words):
    assert messages.followed(drawn, halted, more).text == words


def test_the_status_names_an_object_once():
    doubt = Finding((3,), 7, "its size jumps")
    question = Finding((3,), 7, "Object 7 divides.", question=True)
    assert messages.looking_at(doubt, 1, 2).text == "1 of 2: frame 3, object 7. Its size jumps."
    assert messages.looking_at(question, 2, 2).text == "2 of 2: frame 3. Object 7 divides."


def test_planes_of_a_stack_are_called_planes():
    assert messages.followed([(3,), (4,)], "", more=False, unit="plane").text.startswith(
        "Tracked over 2 planes, to plane 4."
    )
    assert messages.following(1, "plane").text.startswith("Tracking over 1 plane.")

"""Suggest and accept: found objects are values; accepted ones are one step of undo and one story in the journal."""

from __future__ import annotations

import numpy as np
import pytest

from doubles import Disks, Finding, Seeing, disk
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Nobody
from napari_clickseg.core.suggestions import Suggestion
from napari_clickseg.session.object_search import Search, likely_diameter
from napari_clickseg.session.replay import Act
from napari_clickseg.session.session import Session
from napari_clickseg.storage.serialization import pack, unpack

SHAPE = (96, 128)
MIDDLES = [(20, 20), (20, 60), (60, 30), (70, 100)]


def plane(middles=MIDDLES, radius: float = 7, value: float = 0.9) -> np.ndarray:
    image = np.zeros(SHAPE, np.float32)
    for middle in middles:
        image[disk(SHAPE, middle, radius)] = value
    return image


def session(image: np.ndarray | None = None, **options) -> Session:
    return Session(plane() if image is None else image, Seeing(), diameter=15, **options)


def truth(middles=MIDDLES, radius: float = 7) -> np.ndarray:
    return plane(middles, radius) > 0


def test_all_objects_are_found_and_nothing_is_written() -> None:
    one = session()
    found = one.suggest()
    assert len(found) == 4
    assert not one.labels.any()
    assert not one.can_undo
    assert (sum(s.on(Region.whole(SHAPE)).astype(int) for s in found) == truth()).all()


def test_accepted_ones_are_objects_with_fresh_ids_and_one_step_of_undo() -> None:
    one = session()
    one.edit({})
    found = one.suggest()
    ids = one.accept(found)
    assert sorted(ids) == [1, 2, 3, 4]
    for label, suggestion in zip(ids, found, strict=True):
        assert ((one.labels == label) == suggestion.on(Region.whole(SHAPE))).all()
    one.undo()
    assert not one.labels.any()
    one.redo()
    assert ((one.labels > 0) == truth()).all()


def test_some_may_be_accepted_and_the_others_stay_to_choose_from() -> None:
    one = session()
    found = one.suggest()
    (label,) = one.accept([found[2]])
    rest = found.without([found[2]])
    assert len(rest) == 3
    assert (one.labels == label).sum() == found[2].area
    assert len(one.accept(rest)) == 3
    assert one.label == 5


def test_nothing_is_suggested_over_what_is_there() -> None:
    one = session()
    one.labels[disk(SHAPE, MIDDLES[0], 7)] = 9
    one.labels[65, :] = 4
    one.reserve(9)
    found = one.suggest()
    taken = one.labels > 0
    assert len(found) == 3
    assert not any((s.on(Region.whole(SHAPE)) & taken).any() for s in found)


def test_accepting_writes_nothing_over_what_was_drawn_since() -> None:
    one = session(protect="anything")
    found = one.suggest()
    covered, free = found[0], found[1]
    one.labels[covered.region.slices] = 7
    one.reserve(7)
    ids = one.accept([covered, free])
    assert ids == (0, 8)
    assert (one.labels[covered.region.slices] == 7).all()


def test_a_region_limits_the_search_to_objects_with_their_middle_in_it() -> None:
    found = session().suggest(region=Region((0, 0), (40, 128)))
    assert sorted(s.region.centre for s in found) == [(20.0, 20.0), (20.0, 60.0)]


def test_every_frame_but_the_confirmed_ones_is_searched() -> None:
    movie = np.stack([plane(), plane(MIDDLES[:2]), plane()])
    one = Session(movie, Seeing(), axes="TYX", diameter=15)
    one.confirm((2,))
    found = one.suggest()
    assert sorted(s.frame for s in found) == [(0,)] * 4 + [(1,)] * 2
    assert {s.frame for s in one.suggest((1,))} == {(1,)}
    ids = one.accept(found)
    assert sorted(ids) == [1, 2, 3, 4, 5, 6]
    one.undo()
    assert not one.labels.any()


def test_the_size_is_found_where_nothing_tells_it() -> None:
    for radius in (3, 5, 11):
        image = plane([(20, 20), (20, 60), (62, 30), (62, 95)], radius)
        one = Session(image, Seeing())
        looking = Search(one.image, one.predictor, one.labels)
        assert likely_diameter(looking, (), Region.whole(SHAPE)) == pytest.approx(2 * radius, rel=0.15)
        assert len(one.suggest()) == 4


def test_objects_unlike_all_kept_ones_are_not_offered() -> None:
    image = np.maximum(plane(MIDDLES[:3]), plane([MIDDLES[3]], 3))
    image[disk(SHAPE, (80, 60), 7)] = 0.9
    one = Session(image, Seeing(radius=7))
    one.click((20, 20))
    one.commit()
    found = one.suggest()
    assert (found.examples, found.found_again) == (1, 1)
    assert [s.similarity > 0.9 for s in found] == [True, True, True, False]
    assert {s.region.centre for s in found.at_least(0.85)} == {(20, 60), (60, 30), (80, 60)}
    assert all(s.similarity is None for s in one.suggest(like=()))


def test_examples_may_be_named() -> None:
    one = session()
    one.labels[disk(SHAPE, MIDDLES[1], 7)] = 5
    assert one.suggest(like=[5]).examples == 1
    with pytest.raises(ValueError, match="no object 6"):
        one.suggest(like=[6])


def kept_in_background(*middles: tuple[float, float]) -> Session:
    """Objects were kept where the model sees none."""
    one = Session(plane(), Disks(radius=7))
    for middle in middles:
        one.click(middle)
        one.commit()
    one.predictor = Seeing()
    return one


def test_nothing_is_offered_where_the_kept_objects_are_not_found_again() -> None:
    one = kept_in_background((45, 75), (85, 20), (85, 60))
    found = one.suggest()
    assert len(found) == 0
    assert (found.examples, found.found_again) == (3, 0)
    assert "nothing that resembles them" in found.note
    assert len(one.suggest(like=())) == 4


def test_one_object_that_is_not_found_again_does_not_keep_the_others_back() -> None:
    found = kept_in_background((45, 75)).suggest()
    assert len(found.at_least()) == 4
    assert all(s.similarity is None for s in found)
    assert "does not find the object kept" in found.note


def test_one_object_of_an_odd_size_does_not_set_the_size_that_is_looked_for() -> None:
    """At the size of the one kept, the model sees nothing of the others."""
    image = plane([(20, 20), (20, 60), (60, 30), (70, 100)], 9)
    image[disk(SHAPE, (50, 70), 2)] = 0.9
    one = Session(image, Seeing(radius=2))
    one.click((50, 70))
    one.commit()
    found = one.suggest(like=[1])
    assert found.diameters[0] == pytest.approx(18, rel=0.15)
    assert len(found) == 4


def test_models_that_find_objects_themselves_bring_theirs() -> None:
    one = Session(np.zeros((17, 12), np.float32), Finding())
    one.labels[:6] = 3
    one.reserve(3)
    found = one.suggest()
    assert one.can_suggest
    assert all(s.quality is None and s.region.start[0] >= 5 for s in found)
    assert len(one.accept(found.at_least())) == len(found) > 0


def test_models_that_only_answer_clicks_are_named() -> None:
    one = Session(plane(), Disks())
    assert not one.can_suggest
    with pytest.raises(ValueError, match="disks answers clicks"):
        one.suggest()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame": (1,)}, "no frame"),
        ({"region": Region((0, 0), (200, 4))}, "does not lie inside"),
        ({"region": Region((4, 4), (4, 9))}, "does not lie inside"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        session().suggest(**arguments)


def test_a_search_can_be_called_off() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        session().suggest(stop=stop)


def test_accepting_nothing_changes_nothing() -> None:
    one = session()
    assert one.accept([]) == ()
    assert not one.can_undo


def test_a_suggestion_outside_the_image_is_refused_and_nothing_is_written() -> None:
    one = session()
    good = one.suggest()[0]
    outside = Suggestion((), Region((90, 120), (100, 130)), np.ones((10, 10), bool))
    with pytest.raises(ValueError, match="does not lie inside"):
        one.accept([good, outside])
    assert not one.labels.any()
    assert not one.can_undo


class Torn:
    """Labels on a disk that is full from one frame on."""

    def __init__(self, array: np.ndarray, last: int) -> None:
        self.array, self.last = array, last
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        return self.array[key]

    def __setitem__(self, key, values) -> None:
        if key[0].start > self.last:
            raise OSError("No space left on device")
        self.array[key] = values


def test_on_a_disk_that_is_full_after_some_frames_nothing_is_accepted_and_the_object_drawn_stays() -> None:
    labels = Torn(np.zeros((3, *SHAPE), np.uint16), last=1)
    one = session(np.stack([plane()] * 3), labels=labels, highest=0)
    found = one.suggest()
    one.click((0, 5, 120))
    before, drawn = labels.array.copy(), one.state
    with pytest.raises(OSError, match="No space"):
        one.accept(found)
    np.testing.assert_array_equal(labels.array, before)
    assert one.state is drawn
    assert not one.can_redo


def test_labels_too_narrow_for_the_ids_are_named_before_anything_is_written() -> None:
    labels = np.zeros((300, 128), np.uint8)
    labels[100:, 0].flat = np.r_[1:201]
    labels[200:254, 1] = np.r_[201:255]
    image = np.zeros(labels.shape, np.float32)
    image[: SHAPE[0]] = plane()
    one, before = Session(image, Seeing(), labels, diameter=15), labels.copy()
    found = one.suggest()
    assert len(found) == 4
    with pytest.raises(ValueError, match="holds ids up to 255"):
        one.accept(found)
    assert (labels == before).all()


def test_acts_of_accepting_make_the_same_labels_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_clickseg.session.suggest.WRITTEN_AT_ONCE", 32)
    one, acts = session(), []
    one.acted.connect(acts.append)
    one.set_clicks((Click((90.0, 4.0)),))
    one.accept(one.suggest())
    assert [act.name for act in acts if act.name in ("edit", "extend")] == ["edit", "extend", "extend", "extend"]
    again = Session(plane(), Nobody(2), diameter=15)
    for act in acts:
        again.perform(Act(act.name, unpack(pack(dict(act.arguments)))))
    assert (again.labels == one.labels).all()
    again.undo()
    assert not again.labels.any()


def test_how_much_of_a_segmenters_frames_is_done_is_told() -> None:
    class Half(Finding):
        def segment(self, image, frame, stop=None):
            stop.check(0.5)
            seen.append(whole.done)
            return np.zeros(image.frame_shape(2), np.int32)

    seen: list[float] = []
    whole = Stop()
    Session(np.zeros((2, 9, 9), np.float32), Half(), axes="TYX").suggest(stop=whole)
    assert seen == [0.25, 0.75]


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_frame_of_one_value_is_not_shown_to_the_model_and_it_is_said_why(value: float) -> None:
    found = session(np.full(SHAPE, value, np.float32)).suggest()
    assert not found.items
    assert found.note.endswith("there is nothing to outline.")


def test_blank_frames_among_others_are_passed_over() -> None:
    movie = np.stack([np.zeros(SHAPE, np.float32), plane(), np.full(SHAPE, np.nan, np.float32)])
    found = session(movie).suggest()
    assert {one.frame for one in found} == {(1,)}
    assert len(found) == 4
    assert "Each of these frames has one value" in session(np.zeros((2, *SHAPE), np.float32)).suggest().note

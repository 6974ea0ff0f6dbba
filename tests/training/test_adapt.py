"""Learning from kept objects: from the shipped weights, checked on objects not seen, used only where it pays."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from doubles import Disks, disk
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.exemplars import Exemplar
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request
from napari_clickseg.models.card import read_click_card
from napari_clickseg.models.load import load_model
from napari_clickseg.training import adapt as adapting
from napari_clickseg.training.adapt import Start, adapt, clicks_needed, learn, split
from napari_clickseg.training.few_objects import Effort, Trainee, exemplar_plane, learning_parameters
from napari_clickseg.training.gpu.pool import TARGET

LITTLE = Effort(seconds=float("inf"), steps=2, batch=2)
"""Without a clock, so that the same comes out each time."""
SHAPE = (96, 96)
PLACES = ((16, 16), (16, 48), (16, 80), (48, 16), (48, 48), (80, 60))


@pytest.fixture(scope="module")
def objects():
    labels = np.zeros(SHAPE, np.int32)
    for number, place in enumerate(PLACES, start=1):
        labels[disk(SHAPE, place, 9)] = number
    image = Image.of(ndimage.gaussian_filter((labels > 0) * 100.0, 1) + np.random.default_rng(0).normal(0, 5, SHAPE))
    boxes = ndimage.find_objects(labels)
    regions = [Region(tuple(s.start for s in box), tuple(s.stop for s in box)) for box in boxes]
    return [Exemplar.of(image, labels, (), k, region) for k, region in enumerate(regions, start=1)]


@pytest.fixture(scope="module")
def start():
    return Start.shipped()


@pytest.fixture(scope="module")
def lesson(objects, start):
    return adapt(objects, checked=False, effort=LITTLE, start=start)


def answer(predictor, image):
    return predictor.predict(image, Request((), (Click((16.0, 48.0)),), None, 18.0)).logits


class Kept:
    """A session's two things that matter here."""

    def __init__(self, predictor, objects):
        self.predictor, self._objects = predictor, objects

    def exemplars(self):
        return tuple(self._objects)


def test_four_objects_are_too_few(objects):
    with pytest.raises(ValueError, match=r"needs 5 kept objects.*there are 4"):
        adapt(objects[:4])


def test_a_model_without_the_parts_is_named(objects):
    with pytest.raises(ValueError, match=r"disks cannot learn.*Choose the default model"):
        learn(Kept(Disks(), objects))


def test_the_held_out_are_a_third_and_not_among_those_seen(objects):
    held, seen = split(objects)
    assert (len(held), len(seen)) == (2, 4)
    assert not set(held) & set(seen)


def test_a_plane_of_training_has_one_target_and_all_neighbours(objects):
    plane = exemplar_plane(objects[4])
    target = np.flatnonzero(plane.rows[:, TARGET])
    assert len(target) == 1
    assert plane.rows[target[0], 4] == objects[4].area
    assert len(plane.rows) > 1
    large = replace(objects[4], labels=np.kron(objects[4].labels, np.ones((8, 8), np.int32)))
    shown = replace(large, image=Image.of(np.zeros(large.labels.shape)), region=Region.whole(large.labels.shape))
    assert max(exemplar_plane(shown).labels.shape) < 0.8 * max(large.labels.shape)


def test_only_click_stream_and_normalisation_learn(objects, start):
    trainee = Trainee(start.network, start.card, torch.device("cpu"), LITTLE)
    trainee.train(objects, 2, 600, Stop(), (0.0, 1.0))
    before, after = start.network.state_dict(), trainee.weights().state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    learning = {id(p) for p in learning_parameters(start.network)}
    allowed = {name for name, p in start.network.named_parameters() if id(p) in learning}
    assert changed
    assert changed <= allowed
    assert any(name.startswith("click_stream") for name in changed)
    assert not any("running" in name for name in changed)


def test_saved_weights_answer_as_those_in_memory(lesson, objects, tmp_path):
    path = lesson.save(tmp_path / f"{lesson.name}.safetensors")
    card = read_click_card(path)
    assert card.name == lesson.name
    assert card.origin.startswith("tuned from 'default'")
    assert "6 objects" in card.description
    assert np.array_equal(answer(load_model(path, "cpu"), objects[0].image), answer(lesson.predictor, objects[0].image))


def test_a_session_that_learned_learns_from_the_shipped_weights_again(lesson, objects):
    again = learn(
        [Kept(lesson.predictor, objects[:3]), Kept(lesson.predictor, objects[3:])], checked=False, effort=LITTLE
    )
    assert again.name == lesson.name


@pytest.mark.parametrize(("after", "better"), [(2, True), (3, False)])
def test_it_is_used_only_where_it_saves_clicks(objects, start, monkeypatch, after, better):
    counts = iter((3, 3, after, after))
    monkeypatch.setattr(adapting, "clicks_needed", lambda *args: next(counts))
    found = adapt(objects, effort=LITTLE, start=start)
    assert (found.before, found.after, found.better) == ((3, 3), (after, after), better)
    if better:
        assert found.sentence == "On 2 objects that it had not seen: 2.0 instead of 3.0 clicks."
    else:
        assert "not used" in found.sentence
        with pytest.raises(ValueError, match="Nothing was learned"):
            found.save("nowhere.safetensors")


def test_the_simulated_user_counts_clicks_until_the_outline_is_good(objects):
    assert clicks_needed(Disks(radius=9), objects[0], 18) == 1
    assert clicks_needed(Disks(radius=3), objects[0], 18) > 3


def test_it_can_be_stopped_and_says_how_far_it_is(objects, start):
    class Once(Stop):
        def check(self, done=None):
            super().check(done)
            if done:
                self.request()

    stop = Once()
    with pytest.raises(Stopped):
        adapt(objects, "cpu", stop, False, replace(LITTLE, steps=3), start)
    assert 0 < stop.done < 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 GB")])
def test_too_little_memory_is_a_sentence(objects, start, monkeypatch, error):
    def train(*args):
        raise error

    monkeypatch.setattr(Trainee, "train", train)
    with pytest.raises(MemoryError, match="needs more memory than there is"):
        adapt(objects, "cpu", Stop(), False, LITTLE, start)


def test_random_numbers_of_others_are_left_alone(objects, start):
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    adapt(objects, checked=False, effort=replace(LITTLE, steps=1), start=start)
    assert torch.equal(torch.rand(1), wanted)

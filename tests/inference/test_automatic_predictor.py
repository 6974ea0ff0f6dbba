"""A network that knows no clicks answers them; without any it is itself."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from doubles import disk
from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import Stop, Stopped
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Request, Segmenter
from napari_clickseg.inference import automatic_predictor
from napari_clickseg.inference.automatic_predictor import ClickablePredictor
from napari_clickseg.models.io_spec import Conventions
from napari_clickseg.session.replay import Act
from napari_clickseg.session.session import Session
from napari_clickseg.storage.serialization import pack, unpack

SHAPE = (64, 96)
CPU = torch.device("cpu")
FIRST, SECOND, FAINT = disk(SHAPE, (20, 20), 9), disk(SHAPE, (20, 36), 9), disk(SHAPE, (45, 70), 8)
PICTURE = (FIRST | SECOND) + 0.35 * FAINT
"""Two cells that touch, and one that is too faint for the network."""


class Smoother(nn.Module):
    """The mean of a square of three, as logits: 0 where it is one half."""

    def __init__(self, ndim: int = 2) -> None:
        super().__init__()
        self.mean = (nn.Conv2d, nn.Conv3d)[ndim - 2](1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.mean.weight, 1 / 3**ndim)

    def forward(self, image):
        return 12 * (self.mean(image) - 0.5)


def made(network=None, **conventions):
    conventions = Conventions(**{"normalise": "none", "halo": 8, "divisible": 8, **conventions})
    return ClickablePredictor.of(network or Smoother(conventions.ndim), conventions, "smoother", CPU)


def picture(array=PICTURE, axes=None):
    return Image.of(np.asarray(array, np.float32), axes)


def ask(predictor, *clicks, prior=None, image=None, diameter=18.0, stop=None):
    clicks = tuple(Click(tuple(map(float, place)), positive) for place, positive in clicks)
    before = None if prior is None else Prediction.from_mask(prior, Region.whole(prior.shape))
    stop = stop or Stop()
    return predictor.predict(image or picture(), Request((), clicks, before, diameter), stop)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize(
    "question",
    [lambda p: ask(p, ((20, 20), True)), lambda p: p.segment(picture(), ()), lambda p: p.probability(picture(), ())],
)
def test_a_network_of_volumes_refuses_a_plane_in_one_sentence(question):
    sentence = (
        "^The image has the axes YX, but the network sees 3 spatial ones; take an image with 3 of them, or a model"
    )
    with pytest.raises(ValueError, match=sentence):
        question(made(ndim=3))


# -- classes apart -----------------------------------------------------------------------------------------------------


class TwoClasses(nn.Module):
    """Logits of two classes: what is brighter than a half, and brighter still."""

    def forward(self, image):
        bright, brighter = 12 * (image - 0.5), 24 * (image - 1.5)
        return torch.cat((torch.where(image > 1.5, -bright, bright), brighter), 1)


TWO_CLASSES = FIRST + 2.0 * (SECOND & ~FIRST)
"""Two cells that touch, the right one of the second class."""


def of_classes(**conventions):
    return made(TwoClasses(), **{"objects": (0, 1), "per_class": True, **conventions})


def test_objects_of_two_classes_that_touch_stay_apart():
    found = of_classes().segment(picture(TWO_CLASSES), ())
    assert found.max() == 2
    assert (found == found[20, 20]).sum() == FIRST.sum()
    assert (found == found[20, 40]).sum() == (SECOND & ~FIRST).sum()
    assert of_classes(per_class=False).segment(picture(TWO_CLASSES), ()).max() == 1, "else they are one object"


def test_where_the_maps_of_two_classes_overlap_the_likelier_class_has_the_pixel():
    both = nn.Conv2d(1, 2, 1)
    nn.init.constant_(both.weight, 12)
    both.bias.data = torch.tensor([-6.0, -2.0])
    found = made(both, objects=(0, 1), per_class=True).segment(picture(FIRST), ())
    assert found.max() == 1
    assert (found > 0).sum() == FIRST.sum()


@pytest.mark.parametrize(("place", "cell"), [((20, 16), FIRST), ((20, 40), SECOND & ~FIRST)])
def test_a_click_means_an_object_of_the_class_that_is_likeliest_there(place, cell):
    answer = ask(of_classes(), (place, True), image=picture(TWO_CLASSES))
    assert iou(answer.mask_on(Region.whole(SHAPE)), cell) > 0.95


def test_a_correction_stays_with_the_class_of_the_object_that_is_corrected():
    half = FIRST.copy()
    half[:, :17] = False
    answer = ask(of_classes(), ((20, 12), True), ((20, 40), False), prior=half, image=picture(TWO_CLASSES))
    mask = answer.mask_on(Region.whole(SHAPE))
    assert iou(mask, FIRST) > 0.9
    assert not (mask & SECOND & ~FIRST).any(), "nothing of the other class"


# -- without clicks ----------------------------------------------------------------------------------------------------


def test_it_finds_all_objects_and_says_so():
    predictor = made(split=True)
    assert isinstance(predictor, Segmenter)
    found = predictor.segment(picture(), ())
    assert found.dtype == np.int32
    assert found.max() == 2
    assert found[20, 20] != found[20, 36]


@pytest.mark.parametrize(
    "network", [Smoother(), nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))]
)
def test_without_clicks_the_answer_is_the_original_one_bit_for_bit(network):
    with torch.no_grad():
        original = torch.sigmoid(network(torch.from_numpy(picture().array)[None, None]))[0, 0].numpy()
    predictor = made(network)
    assert (predictor.probability(picture(), ()) == original).all()
    ask(predictor, ((45, 70), True))
    assert (predictor.probability(picture(), ()) == original).all()


def test_tiles_answer_as_the_whole_frame_does_away_from_its_rim():
    array = np.random.default_rng(0).random((70, 90))
    whole = made().probability(picture(array), ())
    tiled = made(tile=32).probability(picture(array), ())
    assert np.abs(whole - tiled)[1:-1, 1:-1].max() < 1e-6


def test_normalisation_follows_the_whole_frame_in_every_tile():
    array = 100 + 50 * PICTURE
    for rule in ({"normalise": "percentile", "low": 0, "high": 100}, {"normalise": "range", "low": 100, "high": 150}):
        found = made(tile=32, **rule).probability(picture(array), ())
        assert np.abs(found - made(tile=32).probability(picture(), ())).max() < 1e-5


def test_a_boundary_parts_objects_that_then_grow_back_over_it():
    wall = np.zeros(SHAPE, np.float32)
    wall[12:29, 27:30] = 1

    class Classes(nn.Module):
        def forward(self, image):
            inside, between = image, torch.from_numpy(wall)[None, None]
            return 10 * torch.cat((1 - inside - between, inside * (1 - between), between), 1)

    found = made(Classes(), activation="softmax", objects=(1,), boundary=2).segment(picture(FIRST | SECOND), ())
    assert found.max() == 2
    assert (found[FIRST | SECOND] > 0).mean() > 0.98


def test_a_model_of_another_scale_answers_on_the_frame_s_own_pixels():
    found = made(scale=0.5).segment(picture(), ())
    assert found.shape == SHAPE
    assert iou(found > 0, FIRST | SECOND) > 0.85


def test_volumes_are_segmented_and_clicked():
    shape = (16, 40, 48)
    ball, faint = disk(shape, (8, 12, 12), 6), disk(shape, (8, 28, 34), 6)
    predictor, image = made(ndim=3, halo=4), picture(ball + 0.35 * faint, "ZYX")
    assert iou(predictor.segment(image, ()) > 0, ball) > 0.8
    found = ask(predictor, ((8, 28, 34), True), image=image, diameter=12.0).full_mask(shape)
    assert iou(found, faint) > 0.5
    assert not (found & ball).any()


# -- what clicks mean --------------------------------------------------------------------------------------------------


def test_a_missed_cell_appears():
    found = ask(made(), ((45, 70), True)).full_mask(SHAPE)
    assert iou(found, FAINT) > 0.8
    assert not (found & (FIRST | SECOND)).any()


def test_a_lowered_threshold_leaves_no_crumbs():
    """Whatever the threshold, the object is one piece: none along the window's rim, none that the network half sees."""
    mask = np.zeros((40, 40), bool)
    mask[15:25, 15:25] = True
    plain = np.where(mask, 3.0, -0.3).astype(np.float32)
    plain[:, 26:28] = -3
    logits = automatic_predictor._as_logits(mask, plain, 30.0)
    for threshold in (0.5, 0.4, 0.2):
        _, count = ndimage.label(logits > np.log(threshold / (1 - threshold)))
        assert count == 1
    assert logits[20, 12] == pytest.approx(-0.5)
    assert (logits[:, 28:] <= -3).all()


def test_where_the_network_sees_nothing_another_model_answers_inside_its_window():
    class Square:
        name, ndim, device = "square", 2, "cpu"

        def predict(self, image, request, stop=None):
            assert image.ndim == 2
            y, x = (round(p) for p in request.clicks[-1].position)
            return Prediction.from_mask(np.ones((4, 6), bool), Region((y - 2, x - 3), (y + 2, x + 3)))

    other = Square()
    able = replace(made(), other=lambda: other)
    answer = ask(able, ((50, 20), True))
    assert answer.mask().sum() == 24
    assert Region.of_mask(answer.full_mask(SHAPE)) == Region((48, 17), (52, 23))
    assert answer.note == f"{able.name} sees nothing here; square answered."


def test_two_merged_cells_are_cut():
    found = ask(made(), ((20, 36), False), prior=FIRST | SECOND).full_mask(SHAPE)
    assert iou(found, FIRST & ~SECOND) > 0.85


def merged_session(labels, predictor=None):
    session = Session(picture(), predictor or made(), labels.astype(np.int32), diameter=18.0)
    session.resume(1)
    return session


def test_a_negative_click_leaves_the_other_half_of_a_merged_pair_as_an_object_of_its_own():
    session = merged_session(FIRST | SECOND)
    session.click((20, 37), positive=False)
    assert set(np.unique(session.labels)) == {0, 1}
    session.commit()
    assert iou(session.labels == 1, FIRST & ~SECOND) > 0.85
    assert iou(session.labels == 2, SECOND) > 0.75
    assert ((session.labels > 0) <= (FIRST | SECOND)).all()
    assert session.label == 3
    session.undo()
    assert set(np.unique(session.labels)) == {0, 1}
    session.undo()
    assert session.label == 1
    session.redo()
    session.redo()
    assert set(np.unique(session.labels)) == {0, 1, 2}


def test_what_is_cut_off_comes_back_with_a_journal_of_the_session():
    session, acts = merged_session(FIRST | SECOND), []
    session.acted.connect(acts.append)
    session.click((20, 37), positive=False)
    session.start_new()
    again = merged_session(FIRST | SECOND)
    for act in acts:
        arguments = unpack(json.loads(json.dumps(pack(act.arguments))))
        again.perform(Act(act.name, arguments))
    np.testing.assert_array_equal(again.labels, session.labels)
    assert again.labels.max() == 2


def test_without_the_click_nothing_is_cut_off():
    session = merged_session(FIRST | SECOND)
    session.click((20, 37), positive=False)
    session.set_clicks(())
    session.commit()
    np.testing.assert_array_equal(session.labels == 1, FIRST | SECOND)
    assert session.labels.max() == 1


@pytest.mark.parametrize("spill", [disk(SHAPE, (20, 30), 4), disk(SHAPE, (34, 20), 7)], ids=["small", "not an object"])
def test_what_is_small_or_no_object_to_the_network_is_gone(spill):
    session = merged_session((FIRST & ~SECOND) | spill)
    session.click(tuple(np.argwhere(spill & ~FIRST).mean(0)), positive=False)
    session.commit()
    assert session.labels.max() == 1


def test_a_hole_is_filled_and_nothing_else_changes():
    hole = disk(SHAPE, (20, 20), 3)
    found = ask(made(), ((20, 20), True), prior=FIRST & ~hole).full_mask(SHAPE)
    assert found[hole].all()
    assert iou(found, FIRST) > 0.9


def test_debris_vanishes():
    assert not ask(made(), ((45, 70), False), prior=FAINT).full_mask(SHAPE).any()


def test_clicks_that_the_mask_obeys_already_change_no_pixel():
    odd = FIRST.copy()
    odd[18:22, 8:14] = False
    found = ask(made(), ((20, 24), True), ((50, 50), False), prior=odd).full_mask(SHAPE)
    assert (found == odd).all()


def test_every_click_is_obeyed_together_with_the_earlier_ones():
    clicks, prior = [], None
    for place, positive in (((20, 28), True), ((20, 36), False), ((25, 20), True), ((45, 70), True), ((12, 20), False)):
        clicks.append((place, positive))
        prior = ask(made(), *clicks, prior=prior).full_mask(SHAPE)
        assert all(prior[place] == positive for place, positive in clicks)


def test_a_mask_beyond_the_window_stays():
    shape = (64, 700)
    long = np.zeros(shape, bool)
    long[20:40, 10:690] = True
    found = ask(made(), ((30, 600), False), prior=long, image=picture(long), diameter=20.0).full_mask(shape)
    assert not found[30, 600]
    assert (found == long)[:, :300].all()


# -- around it ---------------------------------------------------------------------------------------------------------


def test_weights_are_the_same_after_refinement_and_no_gradient_is_left():
    predictor = made()
    before = {name: value.clone() for name, value in predictor.network.state_dict().items()}
    ask(predictor, ((45, 70), True))
    assert all((value == before[name]).all() for name, value in predictor.network.state_dict().items())
    assert all(weight.grad is None for weight in predictor.network.parameters())


def test_the_cache_changes_no_answer_and_neither_do_other_threads():
    predictor = made()
    alone = [ask(made(), (place, True)).logits for place in ((45, 70), (20, 20))]
    answers = {}
    threads = [
        threading.Thread(target=lambda k=k, place=place: answers.update({k: ask(predictor, (place, True)).logits}))
        for k, place in enumerate(((45, 70), (20, 20), (45, 70), (20, 20)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((answers[k] == alone[k % 2]).all() for k in range(4))


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_an_answer_ends_between_two_looks_when_it_is_asked_to(calls):
    stop = Stop()

    class Stopping(Smoother):
        left = calls

        def forward(self, image):
            self.left -= 1
            if self.left <= 0:
                stop.request()
            return super().forward(image)

    if calls == 0:
        stop.request()
    with pytest.raises(Stopped):
        ask(made(Stopping()), ((45, 70), True), stop=stop)


def test_a_gpu_without_memory_hands_over_to_the_cpu_with_a_note():
    class Large(Smoother):
        def forward(self, image):
            if image.is_meta:
                raise torch.OutOfMemoryError("out of memory")
            return super().forward(image)

    here = made(Large())
    there = ClickablePredictor(nn.Module.cpu(here.network), here.conventions, "large", torch.device("meta"))
    answer = there.predict(picture(), Request((), (Click((20.0, 20.0)),), None, 18.0))
    assert answer.full_mask(SHAPE)[20, 20]
    assert "CPU" in answer.note


def test_only_the_window_of_a_large_frame_is_read():
    read = []

    class Lazy:
        shape, dtype, ndim = (20_000, 20_000), np.dtype(np.float32), 2

        def __getitem__(self, index):
            block = tuple(range(*part.indices(n)) for part, n in zip(index, self.shape, strict=True))
            read.append(len(block[0]) * len(block[1]))
            return disk((len(block[0]), len(block[1])), (5000 - block[0][0], 5000 - block[1][0]), 9).astype(np.float32)

    ask(made(), ((5000, 5000), True), image=Image.of(Lazy(), "YX"))
    assert max(read) <= 256**2


@pytest.mark.parametrize(
    ("network", "conventions", "sentence"),
    [
        (nn.AvgPool2d(2), {}, "one value a pixel is wanted"),
        (Smoother(), {"objects": (3,)}, "no channel 3"),
    ],
)
def test_an_output_that_the_conventions_do_not_fit_is_told(network, conventions, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(network, **conventions).segment(picture(), ())


def test_an_image_without_the_channels_that_a_model_wants_is_told():
    image = Image.of(np.zeros((16, 16, 2), np.float32), "YXC")
    with pytest.raises(ValueError, match="wants channel 2"):
        made(nn.Conv2d(3, 1, 1), channels=3).segment(image, ())

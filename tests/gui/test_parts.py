"""The panel's parts that need no window."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Points

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, run_job
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.gui import samples
from napari_clickseg.gui.actions import ACTIONS, KeyBinder
from napari_clickseg.gui.click_layers import merged
from napari_clickseg.gui.controllers.models import LatePredictor, purpose
from napari_clickseg.gui.layer_pair import LayerPair, copy_down, levels_for
from napari_clickseg.gui.panel_state import standing
from napari_clickseg.gui.placement import Channel, Placement, offered_channels
from napari_clickseg.gui.preview import CONTOUR, FILL, GAINED, LOST, changed_region, picture
from napari_clickseg.gui.view.model_panel import ADD_TEXT, ModelPanel
from napari_clickseg.gui.view.protocol import ModelState, Option, Requests
from napari_clickseg.models.classic import Geodesic
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.session.session import Session


def test_the_kept_clicks_keep_their_place_when_one_between_them_goes():
    known = [Click((1, 1)), Click((2, 2), False), Click((3, 3)), Click((4, 4))]
    assert merged(known, [(1.0, 1.0), (4.0, 4.0)], [(2.0, 2.0)]) == (known[0], known[1], known[3])


def test_a_moved_point_keeps_its_place_and_new_ones_come_last():
    known = [Click((1, 1)), Click((2, 2), False)]
    assert merged(known, [(9.0, 9.0)], [(2.0, 2.0), (5.0, 5.0)]) == (
        Click((9.0, 9.0)),
        known[1],
        Click((5.0, 5.0), False),
    )


def test_positions_go_to_the_world_and_back():
    layer = ImageLayer(
        np.zeros((4, 9, 9)), scale=(2, 0.5, 0.5), rotate=20, translate=(1, 2, 3), affine=np.diag([1, 2, 2, 1.0])
    )
    placement = Placement.of(layer)
    np.testing.assert_allclose(placement.world((1, 2, 3)), layer.data_to_world((1, 2, 3)))
    np.testing.assert_allclose(placement.position(layer.data_to_world((1, 2, 3))), (1, 2, 3), atol=1e-6)


def test_a_channel_axis_in_front_is_left_out_and_one_within_is_thin():
    front = ImageLayer(np.zeros((2, 9, 9)), axis_labels=("c", "y", "x"))
    assert Placement.of(front, offered_channels(front)[0]).labels_shape == (9, 9)
    within = ImageLayer(np.zeros((5, 2, 9, 9)), axis_labels=("t", "c", "y", "x"))
    placement = Placement.of(within, offered_channels(within)[0])
    assert placement.labels_shape == (5, 1, 9, 9)
    assert placement.position((3, 1, 4, 5)) == placement.position((3, 0, 4, 5)) == (3, 4, 5)


def test_many_unnamed_entries_are_frames_and_a_few_are_channels():
    stack = ImageLayer(np.zeros((7, 9, 9)))
    assert offered_channels(stack)[0] is None
    assert Placement.of(stack).image.axes == "ZYX"
    assert Placement.of(stack, Channel(0, 1, "")).image.axes == "CYX"
    stains = ImageLayer(np.zeros((3, 9, 9)), metadata={"channel_names": ["DAPI", "actin", "tubulin"]})
    assert [choice.text for choice in offered_channels(stains)[:3]] == ["0: DAPI", "1: actin", "2: tubulin"]
    assert None in offered_channels(stains)
    for few_frames in ({"axis_labels": ("t", "y", "x")}, {"scale": (2.5, 1, 1)}):
        assert offered_channels(ImageLayer(np.zeros((3, 9, 9)), **few_frames))[0] is None


def test_coarser_levels_show_what_was_drawn():
    labels = np.zeros((5001, 40), np.uint8)
    levels = levels_for(labels)
    labels[4990:5001, 10:20] = 3
    copy_down(levels, Region((4990, 10), (5001, 20)))
    for level in levels[1:]:
        step = round(5001 / level.shape[0])
        np.testing.assert_array_equal(level, labels[::step, :: round(40 / level.shape[1])])


def test_the_preview_shows_a_contour_a_fill_and_what_changed():
    old, new = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    old[4:12, 4:12] = True
    new[8:16, 4:12] = True
    before, shown = (Prediction.from_mask(mask, Region.whole(mask.shape)) for mask in (old, new))
    region = changed_region(shown, before, 0.5)
    assert region == Region((2, 2), (18, 14))
    painted = picture(shown, before, 0.5, region)
    colours = {tuple(int(v) for v in pixel) for pixel in painted.reshape(-1, 4)}
    assert colours == {(0, 0, 0, 0), CONTOUR, FILL, GAINED, LOST}


def test_keys_are_given_back_as_they_were():
    layer, pressed = Points(), []
    layer.bind_key("T", lambda _layer: pressed.append("mine"))
    keys = KeyBinder(pressed.append)
    keys.bind(layer)
    assert len(layer.keymap) == len(ACTIONS)
    keys.unbind(layer)
    (former,) = layer.keymap.values()
    former(layer)
    assert pressed == ["mine"]


def test_a_late_model_is_loaded_once_by_whoever_asks_first(models):
    loads = []
    late = LatePredictor("disks", lambda: loads.append(1) or models["disks"])
    session = Session(np.zeros((32, 32)), late, diameter=8)
    assert late.loaded is None
    session.click((16, 16))
    session.click((20, 20))
    assert (len(loads), late.device) == (1, "cpu")


def test_a_late_model_finds_all_objects_where_the_loaded_one_can(models):
    image = Image.of(np.full((8, 8), 100, np.uint8))
    assert LatePredictor("finder", lambda: models["finder"]).segment(image, ()).max() == 1
    with pytest.raises(ValueError, match="one object at a time"):
        LatePredictor("disks", lambda: models["disks"]).segment(image, ())


def test_a_model_that_fails_to_load_is_tried_again():
    answers = iter([OSError("the weights are damaged"), None])

    def load():
        problem = next(answers)
        if problem is not None:
            raise problem
        return "model"

    late = LatePredictor("broken", load)
    assert isinstance(run_job(lambda stop: late.get(), NEVER).error, OSError)
    assert late.get() == "model"


def test_the_status_says_what_happened_and_which_key_comes_next(models):
    session = Session(np.zeros((32, 32)), models["disks"], diameter=8)
    assert "Click on object 1" in standing(session).text
    session.click((16, 16))
    assert standing(session).text == f"Object 1: {session.area()} px. Enter keeps it, Ctrl+Z takes the click back."
    session.set_clicks([*session.clicks, Click((20, 20))])
    assert standing(session).kind == "thinking"


def test_a_polygon_of_napari_has_enter_and_escape_while_it_is_drawn():
    layer, pressed = Labels(np.zeros((8, 8), int)), []
    keys = KeyBinder(pressed.append)
    keys.bind(layer, labels=True)
    bound = {str(key) for key in layer.keymap}
    assert {"Enter", "Escape"} <= bound
    layer.mode = "polygon"
    assert {str(key) for key in layer.keymap} == bound - {"Enter", "Escape"}
    layer.mode = "pan_zoom"
    assert {str(key) for key in layer.keymap} == bound


def test_models_are_listed_by_what_they_are_for(tmp_path):
    weights = tmp_path / "default.safetensors"
    kinds = {"default": "shipped", "ritm": "shipped", "mine": "user", "geodesic": "weightless"}
    entries = [ModelEntry(name, name, "", kind, weights) for name, kind in kinds.items()]
    assert [purpose(entry).split(" (")[0] for entry in entries] == [
        "Recommended",
        "For comparison",
        "Your models",
        "Classic",
    ]


def test_headings_of_a_list_cannot_be_chosen(qtbot):
    panel = ModelPanel(Requests())
    qtbot.addWidget(panel)
    options = (Option("default (ClickNet)", "default", heading="Recommended"), Option("mine", "mine", heading="Yours"))
    panel.show_model(ModelState(options, "mine", state="loading"))
    rows = [panel.model.itemText(k) for k in range(panel.model.count())]
    assert rows == ["Recommended", "default (ClickNet)", "Yours", "mine", " ", ADD_TEXT]
    assert panel.model.currentText() == "mine"
    assert [panel.model.model().item(k).isEnabled() for k in range(4)] == [False, True, False, True]


@pytest.mark.parametrize("sample", [samples.nuclei, samples.phase, samples.timelapse, samples.zstack])
def test_samples_are_small_and_have_contrast(sample):
    data, options, kind = sample()[0]
    assert kind == "image"
    assert data.ndim in (2, 3)
    low, high = options["contrast_limits"]
    assert data.min() <= low < high <= data.max()


def test_of_a_slide_that_another_reader_opened_a_click_reads_a_few_blocks_of_its_finest_level():
    read = []

    def block(block_info=None):
        (top, bottom), (left, right), _ = block_info[None]["array-location"]
        read.append((top, left))
        rows, columns = np.ogrid[top:bottom, left:right]
        disk = (rows - 9000) ** 2 + (columns - 12000) ** 2 < 900
        return np.repeat(np.where(disk, 200, 30).astype(np.uint8)[..., None], 3, axis=-1)

    side, chunk = 20_480, 512
    chunks = ((chunk,) * (side // chunk),) * 2 + ((3,),)
    finest = dask.array.map_blocks(block, chunks=chunks, dtype=np.uint8)
    slide = ImageLayer([finest, np.zeros((side // 16, side // 16, 3), np.uint8)], multiscale=True, rgb=True)
    pair = LayerPair(slide, None, Geodesic(), None, "background")
    assert pair.session.labels.shape == (side, side)
    pair.session.diameter = 60
    pair.session.click((9000, 12000))
    assert 2500 < pair.session.area() < 3200
    assert len(set(read)) <= 16

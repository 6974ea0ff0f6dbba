"""Stacks, movies and volumes that are not in memory: what a session reads of them, and what it writes."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import zarr

from doubles import Disks, Finding, disk
from napari_clickseg.core.images import Image
from napari_clickseg.models.load import load_model
from napari_clickseg.session.session import Session


class Virtual:
    """An array that is made where it is read, and remembers along its first axis what was read."""

    def __init__(self, shape, dtype=np.uint16):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.read: set[int] = set()
        self.pixels = 0

    def __getitem__(self, index):
        sizes, first = [], index[0]
        self.read |= {first} if isinstance(first, int) else set(range(*first.indices(self.shape[0])))
        for k, n in zip(index, self.shape, strict=True):
            if isinstance(k, slice):
                sizes.append(len(range(*k.indices(n))))
        self.pixels += int(np.prod(sizes))
        return np.broadcast_to(np.linspace(0, 9, sizes[-1]).astype(self.dtype), sizes)


class Written(Virtual):
    """Labels that hold what was written, frame by frame, and remember what was read and written."""

    def __init__(self, shape, dtype=np.uint16):
        super().__init__(shape, dtype)
        self.frames: dict[int, np.ndarray] = {}
        self.wrote: set[int] = set()

    def __getitem__(self, index):
        super().__getitem__(index)
        first = index[0]
        frames = [first] if isinstance(first, int) else range(*first.indices(self.shape[0]))
        block = np.stack([self._frame(k)[index[1:]] for k in frames])
        return block[0] if isinstance(first, int) else block

    def __setitem__(self, index, values):
        frames = range(*index[0].indices(self.shape[0]))
        self.wrote |= set(frames)
        for number, k in enumerate(frames):
            self._frame(k)[index[1:]] = values[number]

    def _frame(self, k):
        return self.frames.setdefault(k, np.zeros(self.shape[1:], self.dtype))


HUGE = (50_000, 1024, 1024)
"""105 GB of 16-bit pixels."""


def huge() -> tuple[Session, Virtual, Written]:
    image, labels = Virtual(HUGE), Written(HUGE)
    labels[700:701, 100:140, 100:140] = np.full((1, 40, 40), 5)
    labels.read, labels.wrote, labels.pixels = set(), set(), 0
    return Session(Image(image, "TYX", (1.0, 1.0, 1.0)), Finding(step=300), labels=labels, highest=5), image, labels


def test_a_session_of_a_movie_of_100_gigabytes_reads_nothing_until_it_is_asked():
    session, image, labels = huge()
    assert (image.pixels, labels.pixels) == (0, 0)
    session.undo()
    session.confirm((40_000,))
    session.predictor = Finding(radius=3)
    assert (image.pixels, labels.pixels) == (0, 0)


def test_only_the_tile_in_the_middle_of_a_frame_tells_the_expected_diameter():
    session, image, _ = huge()
    session.expected_diameter((17,))
    assert image.read == {17}
    assert image.pixels <= 640 * 640


@pytest.mark.parametrize(
    ("act", "frames"),
    [
        (lambda s: s.resume(5, position=(700, 110, 110)), {700}),
        (lambda s: s.split((700, 110, 110), (700, 130, 130)), {700}),
        (lambda s: s.delete(5, (700,)), {700}),
        (lambda s: s.relabel(5, 8, [(699,), (700,)]), {699, 700}),
        (lambda s: s.copy_from((700,), (701,)), {700, 701}),
        (lambda s: s.edit({(3,): s.segmented((3,))}), {3}),
    ],
)
def test_acts_read_and_write_the_frames_that_they_touch(act, frames):
    session, image, labels = huge()
    act(session)
    assert labels.read == frames
    assert labels.wrote <= frames
    assert image.read <= frames
    wrote = labels.wrote
    session.undo()
    session.redo()
    assert labels.read == frames
    assert labels.wrote == wrote


def test_a_click_reads_its_own_frame():
    session = huge()[0]
    image, labels = Virtual((9, 300, 300)), Written((9, 300, 300))
    session = Session(Image(image, "TYX", (1.0, 1.0, 1.0)), load_model("geodesic"), labels=labels, highest=0)
    session.click((4, 100, 100))
    session.commit()
    assert image.read == labels.read == {4}


def test_labels_that_fit_into_no_memory_are_asked_for_on_disk():
    with pytest.raises(MemoryError, match="GB of memory; pass labels on disk, as zarr or a memory map"):
        Session(Image(Virtual((10**7, 10**5, 10**5)), "TYX", (1.0, 1.0, 1.0)), Disks())


def test_empty_zarr_labels_are_not_searched_for_ids():
    store = zarr.storage.MemoryStore()
    labels = zarr.create_array(store=store, shape=HUGE, chunks=(1, 1024, 1024), dtype="u2", fill_value=0)
    session = Session(Image(Virtual(HUGE), "TYX", (1.0, 1.0, 1.0)), Disks(), labels=labels)
    assert session.label == 1
    filled = zarr.create_array(store=zarr.storage.MemoryStore(), shape=(2, 9, 9), dtype="u2", fill_value=7)
    assert Session(np.zeros((2, 9, 9)), Disks(), labels=filled).label == 8


def kinds(tmp_path):
    """The same movie of two channels, and labels for it, in each of the forms that data comes in."""
    array = np.zeros((3, 2, 20, 24), np.uint16)
    array[:, 1] = disk((20, 24), (10, 10), 5) * 900
    memory = np.memmap(tmp_path / "image.raw", np.uint16, "w+", shape=array.shape)
    memory[:] = array
    marks = np.memmap(tmp_path / "labels.raw", np.int32, "w+", shape=(3, 20, 24))
    chunks = zarr.create_array(store=tmp_path / "image.zarr", shape=array.shape, chunks=(1, 1, 8, 8), dtype="u2")
    chunks[:] = array
    drawn = zarr.create_array(store=tmp_path / "labels.zarr", shape=(3, 20, 24), chunks=(1, 8, 8), dtype="u2")
    return {
        "numpy": (array, np.zeros((3, 20, 24), np.uint8)),
        "memory map": (memory, marks),
        "zarr": (chunks, drawn),
        "dask": (dask.array.from_array(array, (1, 1, 20, 24)), None),
    }


def test_the_same_history_gives_the_same_labels_whatever_holds_the_data(tmp_path):
    drawn = {}
    for kind, (array, labels) in kinds(tmp_path).items():
        session = Session(Image.of(array, "TCYX", channel=1), Finding(), labels=labels)
        session.click((1, 10, 10))
        session.commit()
        session.copy_from((1,), (2,))
        session.edit({(0,): session.segmented((0,))})
        session.split((1, 10, 9), (1, 10, 12))
        session.resume(1)
        session.click((2, 15, 15))
        session.undo()
        session.delete(1, (2,))
        session.merge((1, 2))
        session.undo()
        drawn[kind] = np.asarray(session.labels[:])
        assert session.image.channels == 2
    for kind, picture in drawn.items():
        np.testing.assert_array_equal(picture, drawn["numpy"], err_msg=kind)
    assert len(np.unique(drawn["numpy"])) > 4


@pytest.mark.parametrize(
    ("shape", "axes", "ndim", "frame"),
    [
        ((3, 20, 24), "TYX", 2, (1,)),
        ((3, 20, 24), "ZYX", 2, (1,)),
        ((3, 20, 24), "ZYX", 3, ()),
        ((2, 3, 20, 24), "TZYX", 2, (1, 2)),
        ((2, 3, 20, 24), "TZYX", 3, (1,)),
        ((2, 3, 2, 20, 24), "TZCYX", 3, (1,)),
        ((2, 2, 20, 24), "CTYX", 2, (1,)),
        ((2, 3, 20, 24, 3), "TZYXC", 2, (1, 2)),
    ],
)
def test_every_act_works_on_every_kind_of_axes(shape, axes, ndim, frame):
    session = Session(np.zeros(shape, np.uint8), Finding(ndim), axes=axes)
    inside = (1.0,) * ndim
    session.click((*frame, *inside))
    label = session.commit()
    session.edit({frame: session.segmented(frame)})
    session.confirm(frame)
    session.resume(label, position=(*frame, *inside))
    session.start_new()
    session.relabel(label, 77)
    others = [f for f in np.ndindex(*session.image.frames_shape(ndim)) if f != frame]
    for other in others:
        session.copy_from(frame, other)
    session.delete(77)
    assert session.labels.shape == session.image.shape
    assert session.confirmed == {frame}
    while session.can_undo:
        session.undo()
    assert not session.labels.any()


def test_spacing_goes_with_its_axis():
    image = Image.of(np.zeros((2, 5, 2, 20, 24)), "TZCYX", spacing=(60.0, 2.0, 0.5, 0.5))
    session = Session(image, Disks(3))
    assert session.image.label_axes == "TZYX"
    assert session.image.spacing[-session.ndim :] == (2.0, 0.5, 0.5)

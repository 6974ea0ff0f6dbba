"""Label conventions: numbers that stand for something else than one object are recognised, usual labels never are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_clickseg.core.label_conventions import Convention, as_usual, convention_of, in_parts, with_background

ROWS, COLUMNS = np.mgrid[:120, :160]
CENTRES = [(20, 20), (25, 70), (60, 40), (70, 110), (100, 80), (95, 140)]


def cells() -> np.ndarray:
    """Six disks of radius 12, numbered from 1 on."""
    labels = np.zeros((120, 160), np.int32)
    for number, (y, x) in enumerate(CENTRES, 1):
        labels[(ROWS - y) ** 2 + (COLUMNS - x) ** 2 <= 144] = number
    return labels


def borders(labels: np.ndarray) -> np.ndarray:
    return ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)


def tessellated() -> np.ndarray:
    """The whole picture, each pixel to the disk that is nearest."""
    nearest = ndimage.distance_transform_edt(cells() == 0, return_indices=True)[1]
    return cells()[tuple(nearest)]


CELLS, RIMS = cells(), borders(cells())


@pytest.mark.parametrize(
    "labels",
    [
        CELLS,
        CELLS * 1000,
        CELLS.astype(np.uint8),
        np.where(RIMS, 0, CELLS),
        tessellated(),
        np.where(borders(tessellated()), 0, tessellated()),
        np.where(CELLS == 3, 3, 0),
        np.where(CELLS == 3, 0, 3)[40:80, 20:60],
        np.zeros_like(CELLS),
        np.ones_like(CELLS),
        np.arange(256, dtype=np.uint8).reshape(16, 16),
        np.stack([CELLS, np.zeros_like(CELLS), CELLS]),
    ],
)
def test_usual_labels_are_left_alone(labels: np.ndarray) -> None:
    found = convention_of(labels)
    assert found is None or (found.kind == "inverted" and labels.shape == (40, 40))


@pytest.mark.parametrize(
    ("labels", "kind", "value"),
    [
        (CELLS + 1, "background", 1),
        (np.where(RIMS, 0, CELLS + 1), "background", 1),
        (np.where(CELLS == 0, 7, CELLS), "background", 7),
        (np.where(CELLS == 0, 255, CELLS).astype(np.uint8), "background", 255),
        (np.where(CELLS == 0, 2**32 - 1, CELLS).astype(np.uint32), "background", 2**32 - 1),
        (np.where(RIMS, 255, CELLS).astype(np.uint8), "void", 255),
        (np.where((CELLS == 0) & (COLUMNS > 120), 65535, CELLS).astype(np.uint16), "void", 65535),
        (np.where(CELLS == 0, 255, 0).astype(np.uint8), "inverted", 255),
        (np.where(CELLS == 0, 1, 0), "inverted", 1),
        (np.where(RIMS, 255, 0), "outlines", 255),
        (np.where(borders(tessellated()), 1, 0), "outlines", 1),
        (np.where(CELLS > 0, 255, 0), "mask", 255),
        (np.where(CELLS > 0, 1, 0).astype(np.uint8), "mask", 1),
        (np.stack([CELLS + 1, CELLS + 1]), "background", 1),
    ],
)
def test_other_conventions_are_recognised(labels: np.ndarray, kind: str, value: int) -> None:
    assert convention_of(labels) == Convention(kind, value)


@pytest.mark.parametrize(
    "labels",
    [
        CELLS + 1,
        np.where(CELLS == 0, 255, CELLS).astype(np.uint8),
        np.where(CELLS == 0, 255, 0).astype(np.uint8),
        np.where(CELLS > 0, 255, 0),
    ],
)
def test_what_is_made_of_them_are_the_six_disks(labels: np.ndarray) -> None:
    usual = as_usual(labels, convention_of(labels))
    assert np.array_equal(usual > 0, CELLS > 0)
    assert len(np.unique(usual)) == 7
    assert convention_of(usual) is None


def test_outlines_become_what_they_enclose() -> None:
    inside = with_background(np.where(RIMS, 1, 0), 1)
    assert len(np.unique(inside)) == 7
    assert np.array_equal(inside > 0, (CELLS > 0) & ~RIMS)


def test_membranes_become_the_cells_between_them() -> None:
    lines = borders(tessellated())
    found = with_background(np.where(lines, 255, 0), 255)
    assert np.array_equal(found > 0, ~lines)
    assert len(np.unique(found)) == 7


def test_large_planes_are_looked_at_in_blocks() -> None:
    class Large:
        shape, dtype = (20_000, 30_000), np.dtype(np.uint16)
        read = 0

        def __getitem__(self, index: tuple) -> np.ndarray:
            rows, columns = (np.arange(n)[part] for n, part in zip(self.shape, index, strict=True))
            Large.read += rows.size * columns.size
            disk = (rows[:, None] - 10_000) ** 2 + (columns - 15_000) ** 2 < 50**2
            return np.where(disk, 2, 1).astype(np.uint16)

    assert convention_of(Large()) == Convention("background", 1)
    assert Large.read <= 9 * 256**2


def test_parts_of_a_volume_are_numbered_through_its_planes() -> None:
    mask = np.zeros((2, 4, 6), np.uint8)
    mask[:, 1, 1] = mask[1, 2, 4] = 255
    assert np.unique(in_parts(mask)).tolist() == [0, 1, 2]
    assert in_parts(mask)[0, 1, 1] == in_parts(mask)[1, 1, 1]

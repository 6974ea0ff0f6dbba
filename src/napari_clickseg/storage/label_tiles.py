"""Label tiles: labels cut into squares of a plane, what a checksum knows of them, and labels laid over others."""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.regions import Region

TILE = 256
"""Side of the tiles of a plane."""
CHECKED_TILES = 64
"""Of an act that writes more tiles, the others are not looked at: that would take longer than anybody waits."""
Tile = tuple[int, ...]
"""Index along the axes in front, then row and column of tiles."""


def tiles_of(region: Region) -> Iterator[Tile]:
    """Yield the tiles that a region of the labels touches.

    >>> list(tiles_of(Region((4, 0, 250), (5, 10, 260))))
    [(4, 0, 0), (4, 0, 1)]
    """
    *front, rows, columns = (range(a, b) for a, b in zip(region.start, region.stop, strict=True))
    sides = [range(side.start // TILE, -(-side.stop // TILE)) if len(side) else side for side in (rows, columns)]
    yield from product(*front, *sides)


def tile_region(tile: Tile, shape: tuple[int, ...]) -> Region:
    """Return the part of labels of this shape that a tile covers; smaller at the rim."""
    *front, row, column = tile
    return Region((row * TILE, column * TILE), ((row + 1) * TILE, (column + 1) * TILE)).clip(shape[-2:]).at_frame(front)


def tiles_in(shape: tuple[int, ...], front: tuple[int, ...]) -> Iterator[Tile]:
    """Yield all tiles of one plane."""
    yield from tiles_of(Region.whole(shape[-2:]).at_frame(front))


def checksum_of(block: npt.NDArray[Any]) -> int:
    """Return a checksum of a block of labels, the same for the same ids in the same type."""
    return zlib.crc32(np.ascontiguousarray(block).view(np.uint8).reshape(-1).data)


class TileSums:
    """Mutable owner of the checksums of tiles as a session left them: shows what somebody else wrote since.

    Any thread may call it.
    """

    def __init__(self) -> None:
        self._sums: dict[Tile, int | None] = {}
        self._open: set[Tile] = set()
        self._ahead: set[Tile] = set()
        """Tiles that were read before anybody was known to write there."""
        self._lock = threading.RLock()

    def __contains__(self, tile: Tile) -> bool:
        return tile in self._sums

    def first(
        self, labels: Any, tile: Tile, ahead: Callable[[npt.NDArray[Any]], None] | None = None
    ) -> npt.NDArray[Any] | None:
        """Return a copy of a tile that was never asked for, and take note of it; None where it is known.

        Parameters
        ----------
        ahead : callable, optional
            Given where nobody is known to write there: it gets the copy before anybody else can ask for the tile.
        """
        with self._lock:
            if tile in self._sums:
                return None
            block = np.array(labels[tile_region(tile, labels.shape).slices])
            self._sums[tile] = checksum_of(block)
            if ahead is not None:
                self._ahead.add(tile)
                ahead(block)
            return block

    def before(self, labels: Any, tile: Tile, region: Region, values: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Return a tile as it was before somebody wrote into a region of it, which is reported only now.

        None where what is known of it is from before that. A tile that was read ahead may have been read between the
        writing and the report: then what is known of it is what stands now.

        Parameters
        ----------
        values : ndarray
            What stood in the region before, of its shape.
        """
        with self._lock:
            if tile in self._sums and tile not in self._ahead:
                return None
            there = tile_region(tile, labels.shape)
            block = np.array(labels[there.slices])
            now, shared = checksum_of(block), there.intersection(region)
            if self._sums.get(tile, now) != now:
                return None
            self._sums[tile] = now
            block[shared.within(there).slices] = values[shared.within(region).slices]
            return block

    def changed(self, labels: Any, tile: Tile, ours: bool = False) -> npt.NDArray[Any] | None:
        """Return a copy of a known tile that somebody else changed since it was looked at last; None where nobody did.

        Parameters
        ----------
        ours : bool
            It is about to be written by an act, and from now to `settle` it is ours to change.
        """
        with self._lock:
            if tile in self._open:
                return None
            if ours:
                self._open.add(tile)
                self._ahead.discard(tile)
            if len(self._open) > CHECKED_TILES:
                self._sums[tile] = None
                return None
            block = labels[tile_region(tile, labels.shape).slices]
            known, self._sums[tile] = self._sums[tile], checksum_of(block)
            if known in (None, self._sums[tile]):
                return None
            self._ahead.discard(tile)
            return np.array(block)

    def take(self, tiles: Iterable[Tile]) -> None:
        """Take note that known tiles were written by an act that is reported only now."""
        with self._lock:
            known = [tile for tile in tiles if tile in self._sums]
            self._open.update(known)
            self._ahead.difference_update(known)

    def settle(self, labels: Any) -> None:
        """Take note of what stands now in the tiles that were written; what cannot be read is compared no more."""
        with self._lock:
            for tile in self._open:
                if self._sums[tile] is not None:
                    try:
                        self._sums[tile] = checksum_of(labels[tile_region(tile, labels.shape).slices])
                    except Exception:  # stores raise what they like; the act was done, and is noted all the same
                        self._sums[tile] = None
            self._open.clear()

    def drop(self) -> None:
        """Take note that what was written was taken back: the tiles stand as they were."""
        with self._lock:
            self._open.clear()

    def known(self) -> tuple[Tile, ...]:
        """Return the tiles that are known."""
        with self._lock:
            return tuple(self._sums)


class Overlay:
    """Labels laid over others tile by tile: what is written stays in memory, and what lies below is only read.

    Parameters
    ----------
    below : array-like
        Labels of any kind with numpy's basic indexing.
    """

    def __init__(self, below: Any) -> None:
        self.below = below
        self.shape, self.dtype, self.ndim = tuple(below.shape), np.dtype(below.dtype), len(below.shape)
        self._tiles: dict[Tile, npt.NDArray[Any]] = {}

    @property
    def nbytes(self) -> int:
        return int(math.prod(self.shape) * self.dtype.itemsize)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        region, squeezed = self._region(key)
        block = np.array(self.below[region.slices]).reshape(region.shape)
        for tile, there, shared in self._parts(region):
            if tile in self._tiles:
                block[shared.within(region).slices] = self._tiles[tile][shared.within(there).slices]
        return np.asarray(block[squeezed])

    def __setitem__(self, key: Any, values: Any) -> None:
        region, squeezed = self._region(key)
        block = np.empty(region.shape, self.dtype)
        block[squeezed] = values
        for tile, there, shared in self._parts(region):
            if tile not in self._tiles:
                self._tiles[tile] = np.array(self.below[there.slices]).reshape(there.shape)
            self._tiles[tile][shared.within(there).slices] = block[shared.within(region).slices]

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        return self[...].astype(dtype or self.dtype)

    def laid(self) -> list[Region]:
        """Return the tiles that were written."""
        return [tile_region(tile, self.shape) for tile in self._tiles]

    def _region(self, key: Any) -> tuple[Region, tuple[Any, ...]]:
        """The region that an index means, and what makes of its block what numpy would return."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        start, stop, squeezed = [], [], []
        for k, n in zip(keys, self.shape, strict=True):
            first, last, step = k.indices(n) if isinstance(k, slice) else (int(k) % n, int(k) % n + 1, 1)
            if step != 1:
                raise IndexError("Labels laid over others are read and written in whole blocks, without steps.")
            start.append(first)
            stop.append(max(first, last))
            squeezed.append(slice(None) if isinstance(k, slice) else 0)
        return Region(tuple(start), tuple(stop)), tuple(squeezed)

    def _parts(self, region: Region) -> Iterable[tuple[Tile, Region, Region]]:
        for tile in tiles_of(region) if region.size else ():
            there = tile_region(tile, self.shape)
            yield tile, there, there.intersection(region)


def goes_on(laid: Overlay) -> bool:
    """Return whether a session can go on in the labels on disk: what it drew stands as it left it, or none of it does.

    Parameters
    ----------
    laid : Overlay
        The labels as the session left them, over those that it began with, over those that are there now.
    """
    blocks = [(laid[r.slices], laid.below[r.slices], laid.below.below[r.slices]) for r in laid.laid()]
    if all(np.array_equal(first, now) for _, first, now in blocks):
        return True
    return all(bool(np.all((left == first) | (left == now))) for left, first, now in blocks)


def put_back(laid: Overlay) -> bool:
    """Write what a session drew where it does not stand on disk; return whether anything there was different.

    `laid` is as in `goes_on`, which must hold.
    """
    different = False
    for region in laid.laid():
        left, first, now = (labels[region.slices] for labels in (laid, laid.below, laid.below.below))
        after = np.where(left != first, left, now)
        different |= not np.array_equal(left, now)
        if not np.array_equal(after, now):
            laid.below.below[region.slices] = after
    return different

"""Packing: what acts say, as JSON and back: clicks, regions, predictions, edits, arrays. No number changes on the way.

Arrays are packed (zlib, base64): booleans as bits, numbers in the narrowest type that holds them unchanged.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_clickseg.clicks import Click, click_from_json, click_to_json
from napari_clickseg.edits import Edit
from napari_clickseg.masks import Prediction
from napari_clickseg.regions import Region

Json = Any
"""None, bool, int, float, str, and lists and string-keyed dicts of these."""

TAG = "$"
FASTEST = 1
NARROWER = {"f": (np.float16, np.float32), "i": (np.uint8, np.int16, np.uint16, np.int32), "u": (np.uint8, np.uint16)}
"""By kind of dtype: the types to try, the narrowest first."""


class Packer(NamedTuple):
    """How values of one type become JSON under a tag of their own, and come back."""

    kind: type
    pack: Callable[[Any], Json]
    unpack: Callable[[Json], Any]


def pack(value: Any) -> Json:
    """Return a value of an act as JSON.

    Lists, tuples and sets all come back as tuples; mappings may have any keys.

    >>> pack(Click((4.0, 5.5)))
    {'$click': {'position': [4.0, 5.5], 'positive': True}}

    Raises
    ------
    TypeError
        For a type that is none of those.
    """
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [pack(item) for item in value]
    if isinstance(value, Mapping):
        return {f"{TAG}map": [[pack(key), pack(item)] for key, item in value.items()]}
    for name, packer in PACKERS.items():
        if isinstance(value, packer.kind):
            return {TAG + name: packer.pack(value)}
    raise TypeError(f"A {type(value).__name__} cannot be packed; acts hold {', '.join(PACKERS)} and plain values.")


def unpack(value: Json) -> Any:
    """Return what `pack` made JSON of.

    >>> unpack(pack({(3,): Region((0, 0), (2, 4))}))
    {(3,): Region(start=(0, 0), stop=(2, 4))}

    Raises
    ------
    ValueError
        Where `pack` cannot have made it.
    """
    if isinstance(value, list):
        return tuple(unpack(item) for item in value)
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"An object with the keys {', '.join(value) or 'none'} is nothing that was packed here.")
    ((tag, content),) = value.items()
    if tag == f"{TAG}map":
        return {unpack(key): unpack(item) for key, item in content}
    packer = PACKERS.get(tag.removeprefix(TAG)) if tag.startswith(TAG) else None
    if packer is None:
        raise ValueError(f"{tag!r} is none of the kinds of values that acts hold: {', '.join(PACKERS)}.")
    return packer.unpack(content)


def pack_array(array: npt.NDArray[Any]) -> Json:
    """Return an array of booleans or numbers as JSON: its type, the type it travels in, its shape, its bytes."""
    told = np.dtype(array.dtype).str
    if array.dtype.kind == "b":
        return {"dtype": told, "shape": list(array.shape), "data": _squeezed(np.packbits(array).tobytes())}
    narrow = _narrowest(array)
    lanes = np.ascontiguousarray(narrow).view(np.uint8).reshape(-1, narrow.itemsize)
    return {
        "dtype": told,
        "as": narrow.dtype.str,
        "shape": list(array.shape),
        "data": _squeezed(lanes.T.tobytes()),  # alike bytes side by side pack better
    }


def unpack_array(value: Json) -> npt.NDArray[Any]:
    """Return the array that `pack_array` packed."""
    shape, dtype = tuple(value["shape"]), np.dtype(value["dtype"])
    flat = np.frombuffer(zlib.decompress(base64.b64decode(value["data"])), np.uint8)
    count = int(np.prod(shape))
    if dtype.kind == "b":
        return np.unpackbits(flat, count=count).astype(bool).reshape(shape)
    narrow = np.dtype(value["as"])
    values = np.ascontiguousarray(flat.reshape(narrow.itemsize, count).T).view(narrow)
    array: npt.NDArray[Any] = values.reshape(shape).astype(dtype)
    return array


def _narrowest(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array in the narrowest type that holds all of its values unchanged."""
    for dtype in NARROWER.get(array.dtype.kind, ()):
        if np.dtype(dtype).itemsize < array.itemsize:
            with np.errstate(over="ignore", invalid="ignore"):
                narrow = array.astype(dtype)
            if np.array_equal(narrow, array):
                return narrow
    return array


def _squeezed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, FASTEST)).decode()


def _pack_prediction(answer: Prediction) -> Json:
    window = None if answer.window is None else pack(answer.window)
    return {"region": pack(answer.region), "logits": pack_array(answer.logits), "note": answer.note, "window": window}


def _unpack_prediction(value: Json) -> Prediction:
    region, window = unpack(value["region"]), unpack(value["window"])
    return Prediction(region, unpack_array(value["logits"]), value["note"], window)


def _pack_edit(edit: Edit) -> Json:
    values = np.where(edit.written, edit.values, 0).astype(
        edit.values.dtype
    )  # the rest does not count, and packs worse
    parts = {"region": edit.region, "written": edit.written, "values": values, "confidence": edit.confidence}
    return {**{name: pack(part) for name, part in parts.items()}, "fresh": edit.fresh}


PACKERS = {
    "click": Packer(Click, click_to_json, click_from_json),
    "region": Packer(
        Region,
        lambda region: [list(region.start), list(region.stop)],
        lambda ends: Region(tuple(ends[0]), tuple(ends[1])),
    ),
    "array": Packer(np.ndarray, pack_array, unpack_array),
    "prediction": Packer(Prediction, _pack_prediction, _unpack_prediction),
    "edit": Packer(Edit, _pack_edit, lambda value: Edit(**{name: unpack(part) for name, part in value.items()})),
}
"""By tag: what an act may hold besides plain values."""

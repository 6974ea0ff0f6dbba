"""Acts, settings and entries of a session as JSON and back, with their arrays. No number changes on the way.

Arrays are packed (zlib, base64): booleans as bits, numbers in the narrowest type that holds them unchanged.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click
from napari_clickseg.core.edits import Edit
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.session import replay
from napari_clickseg.session.drawing import Protect
from napari_clickseg.session.replay import Act

if TYPE_CHECKING:
    from napari_clickseg.core.object_classes import Classes
    from napari_clickseg.session.session import Session


def click_to_json(click: Click) -> dict[str, Any]:
    """Return the click as plain JSON values."""
    return {"position": list(click.position), "positive": click.positive}


def click_from_json(value: Mapping[str, Any]) -> Click:
    """Return the click written by `click_to_json`."""
    return Click(tuple(float(p) for p in value["position"]), bool(value["positive"]))


def classes_to_json(classes: Classes) -> dict[str, str]:
    """Return the classes of objects with ids as text, as JSON has keys."""
    return {str(label): name for label, name in classes.items()}


def classes_from_json(value: Mapping[str, str]) -> Classes:
    """Return the classes written by `classes_to_json`."""
    return {int(label): str(name) for label, name in value.items()}


Json = Any
"""None, bool, int, float, str, and lists and string-keyed dicts of these."""

TAG = "$"
FASTEST = 1
MOST_BYTES = 1 << 28
"""The arrays of an act, or of a session file, take no more memory than this."""
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
    dtype = np.dtype(array.dtype).str
    if array.dtype.kind == "b":
        return {"dtype": dtype, "shape": list(array.shape), "data": _squeezed(np.packbits(array).tobytes())}
    narrow = _narrowest(array)
    lanes = np.ascontiguousarray(narrow).view(np.uint8).reshape(-1, narrow.itemsize)
    return {
        "dtype": dtype,
        "as": narrow.dtype.str,
        "shape": list(array.shape),
        "data": _squeezed(lanes.T.tobytes()),  # alike bytes side by side pack better
    }


def unpack_array(value: Json) -> npt.NDArray[Any]:
    """Return the array that `pack_array` packed.

    Raises
    ------
    ValueError
        Where it did not: what is declared of the array is checked before anything is unpacked, so that a few bytes
        cannot become more than the array takes, nor an array more than `MOST_BYTES`.
    """
    try:
        shape, dtype, narrow = unpacked_shape(value)
        count = math.prod(shape)
        wanted = -(-count // 8) if dtype.kind == "b" else count * narrow.itemsize
        unzip = zlib.decompressobj()
        flat = np.frombuffer(unzip.decompress(base64.b64decode(value["data"]), wanted + 1), np.uint8)
    except (TypeError, KeyError, AttributeError, IndexError, ValueError, OverflowError, zlib.error) as error:
        raise ValueError(f"This is no array that was packed here: {error}.") from error
    if flat.size != wanted:
        raise ValueError(f"This is no array that was packed here: {wanted} bytes should come out, not {flat.size}.")
    if dtype.kind == "b":
        return np.unpackbits(flat, count=count).astype(bool).reshape(shape)
    values = np.ascontiguousarray(flat.reshape(narrow.itemsize, count).T).view(narrow)
    array: npt.NDArray[Any] = values.reshape(shape).astype(dtype)
    return array


def unpacked_shape(value: Json) -> tuple[tuple[int, ...], np.dtype[Any], np.dtype[Any]]:
    """Return the shape, the type and the narrow type of a packed array, after a look at whether these can be.

    Raises
    ------
    ValueError
        Where they cannot, or the array would take more than `MOST_BYTES`.
    """
    shape, dtype = tuple(value["shape"]), np.dtype(value["dtype"])
    narrow = np.dtype(value.get("as", dtype))
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its shape is {shape}")
    if dtype.kind not in "biuf" or narrow.kind not in "biuf":
        raise ValueError(f"its type is {dtype}")
    size = math.prod(shape) * dtype.itemsize
    if size > MOST_BYTES:
        raise ValueError(f"it would unpack to {size / 1e9:,.1f} GB")
    return shape, dtype, narrow


def check_unpacked_size(value: Json) -> None:
    """Raise ValueError where all arrays in a value together would unpack to more than `MOST_BYTES`."""
    if (size := _unpacked_size(value)) > MOST_BYTES:
        raise ValueError(f"its arrays would unpack to {size / 1e9:,.1f} GB")


def _unpacked_size(value: Json) -> int:
    if isinstance(value, list):
        return sum(map(_unpacked_size, value))
    if not isinstance(value, dict):
        return 0
    if value.keys() >= {"dtype", "shape", "data"}:
        shape, dtype, _ = unpacked_shape(value)
        return math.prod(shape) * dtype.itemsize
    return sum(map(_unpacked_size, value.values()))


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
    parts = {"region": pack(answer.region), "logits": pack_array(answer.logits), "note": answer.note, "window": window}
    if answer.quality is not None:
        parts["quality"] = round(answer.quality, 4)
    if answer.cut_off is not None:
        parts["cut_off"] = pack_array(answer.cut_off)
    return parts


def _unpack_prediction(value: Json) -> Prediction:
    region, window = unpack(value["region"]), unpack(value["window"])
    # Files of 0.1.0 hold neither quality nor pieces cut off. Candidates are kept in no file: a choice among them is an
    # act of its own.
    cut_off = unpack_array(value["cut_off"]) if "cut_off" in value else None
    return Prediction(
        region, unpack_array(value["logits"]), value["note"], window, value.get("quality"), cut_off=cut_off
    )


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


TRAVELS = ("undo", "redo")
PAINT = "paint"
SETTINGS = (*replay.SETTINGS, "predictor")
IDLE = (*SETTINGS, "reserve")
"""Acts that draw nothing: a session of these alone is not worth coming back to."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session's answers and drawings depend on beside the acts.

    Attributes
    ----------
    model : str
        The predictor's name.
    ndim : int
        The axes that it sees of this image.
    threshold, diameter, protect
        As in the session.
    """

    model: str
    ndim: int
    threshold: float
    diameter: float | None
    protect: Protect

    @classmethod
    def of(cls, session: Session) -> Settings:
        """Return what is set in a session now."""
        return cls(session.predictor.name, session.ndim, session.threshold, session.diameter, session.protect)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Settings:
        """Return the settings written by `to_json`.

        Raises
        ------
        ValueError
            Where one is missing or is no setting.
        """
        try:
            settings = cls(**value)
        except TypeError as error:
            raise ValueError(f"These are no settings of a session: {error}.") from error
        diameter = settings.diameter
        if not isinstance(settings.model, str) or type(settings.ndim) is not int:
            raise ValueError("A session's settings name its model and a number of axes.")
        if not isinstance(settings.threshold, int | float) or not 0 <= settings.threshold <= 1:
            raise ValueError(f"threshold={settings.threshold!r} is no probability.")
        if diameter is not None and (not isinstance(diameter, int | float) or not 0 < diameter < float("inf")):
            raise ValueError(f"diameter={diameter!r} is no number of pixels.")
        if settings.protect not in get_args(Protect):
            raise ValueError(f"protect={settings.protect!r} is none of {', '.join(get_args(Protect))}.")
        return settings

    def apply_to(self, session: Session) -> None:
        """Set what is set here, but for the predictor, in a new session."""
        session.diameter, session.protect, session.threshold = self.diameter, self.protect, self.threshold

    def to_json(self) -> Json:
        """Return the settings as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An act and where it led.

    Attributes
    ----------
    act : Act
        What was done.
    step : int
        How many steps of history lay behind the session then (`Session.step`).
    kept : int
        How many objects and edits were kept then.
    label : int
        The id of the object being drawn then.
    settings : Settings
        As they were after the act.
    """

    act: Act
    step: int
    kept: int
    label: int
    settings: Settings

    @classmethod
    def of(cls, session: Session, act: Act) -> Entry:
        """Return the entry of an act that was done just now."""
        return cls(act, session.step, session.state.kept, session.label, Settings.of(session))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Return the entry written by `to_json`."""
        arguments = {name: unpack(argument) for name, argument in value["with"].items()}
        settings = Settings.from_json(value["settings"])
        return cls(Act(value["act"], arguments), value["step"], value["kept"], value["label"], settings)

    def to_json(self) -> Json:
        """Return the entry as JSON, arrays packed."""
        arguments = {name: pack(argument) for name, argument in self.act.arguments.items()}
        where = {"step": self.step, "kept": self.kept, "label": self.label}
        return {"act": self.act.name, "with": arguments, **where, "settings": self.settings.to_json()}


START = Entry(Act("start"), 0, 0, 0, Settings("", 0, 0.5, None, "background"))


def check_new(session: Session) -> None:
    """Raise ValueError where something was done in a session already: what listens from here on would miss it."""
    if session.step or not session.state.empty:
        raise ValueError("Something was done in this session already; listen to it from its beginning.")

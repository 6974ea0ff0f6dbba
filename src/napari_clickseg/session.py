"""Session: objects drawn by clicks, edits of many objects, frames confirmed; one history for all of it.

The panel, the Python API, the command line, the benchmark and the tests drive this one class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from napari_clickseg import verbs
from napari_clickseg.acts import Act
from napari_clickseg.clicks import Click, Frame
from napari_clickseg.edits import Edit, new_objects
from napari_clickseg.keeping import Keeping
from napari_clickseg.labels import read_block
from napari_clickseg.masks import Prediction
from napari_clickseg.questions import NEVER, Nobody, Segmenter, Stop
from napari_clickseg.regions import Region


class Session(Keeping):
    """Mutable owner of the labels, the history and the pending question. Not thread-safe but for `run` and `segmented`.

    Parameters
    ----------
    image : array-like or Image
        (Y, X), (Y, X, 3 or 4), or n-D with named axes.
    predictor : Predictor
        Who answers; may be replaced at any time (`session.predictor = other`).
    labels : array-like, optional
        Labels to draw into, in place: any integer dtype, the image's shape without channels; numpy, zarr or a memory
        map. Made where absent.
    axes, spacing : optional
        As in `Image`.
    diameter : float, optional
        Expected object diameter in pixels; estimated where absent.
    protect : {"background", "object", "anything"}
        What may be written over: only background; only pixels that a resumed object already has (a new object: only
        background); anything.
    highest : int, optional
        The highest id in the labels, where that is known; they are searched for it where absent.

    Examples
    --------
    >>> from napari_clickseg import load_model
    >>> image = np.zeros((32, 32)); image[8:20, 8:20] = 1
    >>> session = Session(image, load_model("geodesic"))
    >>> session.click((14, 14))
    >>> session.commit()
    1
    """

    # -- edits of many objects -------------------------------------------------------------------------------------

    def segmented(self, frame: Frame, stop: Stop = NEVER) -> Edit:
        """Let the model find all objects of a frame; return the edit that adds them. Any thread may call it.

        What is protected stays pixel by pixel: only objects that are not there yet come, and only into background.

        Raises
        ------
        ValueError
            Where there is no such frame, or the model only answers clicks.
        Stopped
            Where `stop` was requested before the answer was ready.
        """
        self._check_frame(frame)
        if not isinstance(self.predictor, Segmenter):
            raise ValueError(
                f"{self.predictor.name} answers clicks, but does not find objects by itself; choose a converted model."
            )
        found = self.predictor.segment(self.image, frame, stop)
        there = read_block(self.labels, frame, self._whole)
        return new_objects(found, there, anywhere=self.protect == "anything")

    def merge(
        self,
        labels: Sequence[int],
        frames: Iterable[Frame] | None = None,
        near: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Make several objects one, which keeps the first one's id.

        Parameters
        ----------
        labels : sequence of int
            Two ids or more.
        frames : iterable of Frame, optional
            Where; on all frames where absent.
        near : sequence of sequences of float, optional
            A pixel of each object within the frame: where to look in a very large one.

        Raises
        ------
        ValueError
            Where one of the objects is on none of the frames; nothing is changed then.
        """
        labels, frames = tuple(int(k) for k in labels), self._listed(frames)
        self._write(verbs.merge(self.labels, labels, self._frames(frames), self._whole, near))
        self._tell("merge", labels=labels, frames=frames, near=near)

    def split(self, first: Sequence[float], second: Sequence[float]) -> int:
        """Cut an object in two, between two pixels of it on one frame; return the id of the part around the second.

        Raises
        ------
        ValueError
            Where the two are not on one object and frame, or are one pixel; nothing is changed then.
        """
        one, other = (Click(tuple(float(p) for p in position)) for position in (first, second))
        self._check(one)
        self._check(other)
        frame, ndim = one.frame(self.ndim), self.ndim
        if other.frame(ndim) != frame:
            raise ValueError(
                f"Splitting takes two points on one frame, but these lie on {frame} and {other.frame(ndim)}."
            )
        new = self._next_id()
        self._write(verbs.split(self.labels, self.image, frame, one.point(ndim), other.point(ndim), new))
        self._tell("split", first=one.position, second=other.position)
        return new

    def delete(self, label: int, frame: Frame | None = None, near: Sequence[float] | None = None) -> None:
        """Erase an object from one frame, or from all.

        Parameters
        ----------
        near : sequence of float, optional
            A pixel of the object within the frame: where to look in a very large one.

        Raises
        ------
        ValueError
            Where there is no such object; nothing is changed then.
        """
        frames = None if frame is None else (frame,)
        self._write(verbs.delete(self.labels, label, self._frames(frames), self._whole, near))
        self._tell("delete", label=label, frame=frame, near=near)

    def fill(self, label: int, frame: Frame = (), near: Sequence[float] | None = None) -> None:
        """Give an object the background that it encloses on a frame; objects that lie in its holes stay.

        Parameters
        ----------
        near : sequence of float, optional
            As for `delete`.

        Raises
        ------
        ValueError
            Where there is no such object there, or it has no holes; nothing is changed then.
        """
        self._check_frame(frame)
        self._write(verbs.fill(self.labels, label, frame, self._whole, near))
        self._tell("fill", label=label, frame=frame, near=near)

    def relabel(self, label: int, new: int, frames: Iterable[Frame] | None = None) -> None:
        """Give an object another id on these frames, or on all; `verbs.frames_from` names a frame and those after it.

        Raises
        ------
        ValueError
            Where there is no such object, or the new id is that of another one on one of the frames: `merge` makes the
            two one. Nothing is changed then.
        """
        frames = self._listed(frames)
        self._write(verbs.relabel(self.labels, label, new, self._frames(frames), self._whole))
        self._tell("relabel", label=label, new=new, frames=frames)

    def copy_from(self, source: Frame, target: Frame, labels: Sequence[int] | None = None) -> None:
        """Copy objects from one frame to another, all of them or these: into background, replacing their former selves.

        Raises
        ------
        ValueError
            Where the source frame lacks one of the objects, or the frames are one; nothing is changed then.
        """
        self._check_frame(source)
        self._check_frame(target)
        ids = None if labels is None else tuple(int(k) for k in labels)
        self._write(verbs.copy(self.labels, source, target, ids, self._whole))
        self._tell("copy_from", source=source, target=target, labels=ids)

    # -- frames ----------------------------------------------------------------------------------------------------

    @property
    def confirmed(self) -> frozenset[Frame]:
        """The frames that the user called right."""
        return self.state.notes.confirmed

    def confirm(self, frame: Frame, yes: bool = True) -> None:
        """Call a frame right, or no longer: nothing is carried into it. One step of undo.

        Raises
        ------
        ValueError
            Where there is no such frame.
        """
        self._check_frame(frame)
        if (frame in self.confirmed) != yes:
            self._push_notes(self.state.notes.confirm(frame, yes))
            self._tell("confirm", frame=frame, yes=yes)

    def confidence(self, frame: Frame) -> Mapping[int, float]:
        """Return how sure the carrying of each object into a frame was, 0 to 1; empty where nothing was carried."""
        return self.state.notes.confidence.get(frame, MappingProxyType({}))

    # -- acts ------------------------------------------------------------------------------------------------------

    ACTS: ClassVar[tuple[str, ...]] = (
        "set_clicks", "ask_again", "stop_waiting", "commit", "cancel", "resume", "start_new", "put_away", "reserve",
        "undo", "redo", "edit", "extend", "merge", "split", "delete", "fill", "relabel", "copy_from", "confirm",
    )  # fmt: skip
    """Acts that are named as the method that does them."""
    SETTINGS: ClassVar[tuple[str, ...]] = ("threshold", "diameter", "protect")
    """Acts that set the attribute of this name."""

    def perform(self, act: Act) -> None:
        """Do once more what was done to this session or another one. No model is asked: answers are acts, too.

        Raises
        ------
        ValueError
            Where the act is unknown, or does not fit what was done before it.
        """
        if act.name in self.ACTS:
            getattr(self, act.name)(**act.arguments)
        elif act.name in self.SETTINGS:
            setattr(self, act.name, act.arguments["value"])
        elif act.name == "apply":
            self._answer(**act.arguments)
        elif act.name == "predictor":
            self._take_place_of(**act.arguments)
        elif act.name == "paint":
            self._paint(**act.arguments)
        else:
            raise ValueError(f"There is no act {act.name!r}; it may come from a newer version of this package.")

    def painted_by_hand(self, region: Region) -> None:
        """Tell that somebody else wrote into this region of the label array: what is there now becomes an act."""
        block = np.array(self.labels[region.slices])
        self.acted.emit(Act("paint", {"region": region, "values": block}))

    # -- doing again -----------------------------------------------------------------------------------------------

    def _answer(self, frame: Frame, prediction: Prediction) -> None:
        if self._pending is None or self._pending.frame != frame:
            raise ValueError(f"No answer is awaited on frame {frame}; some acts before this one are missing.")
        self.apply(self._pending, prediction)

    def _take_place_of(self, name: str, ndim: int) -> None:
        if ndim != self.predictor.ndim:
            self.predictor = Nobody(ndim, name)

    def _paint(self, region: Region, values: npt.NDArray[Any]) -> None:
        self._canvas[region.slices] = values
        self.painted.emit(region)
        self.painted_by_hand(region)

    # -- frames of verbs -------------------------------------------------------------------------------------------

    @property
    def _whole(self) -> Region:
        return Region.whole(self.image.frame_shape(self.ndim))

    def _listed(self, frames: Iterable[Frame] | None) -> tuple[Frame, ...] | None:
        return None if frames is None else tuple(tuple(frame) for frame in frames)

    def _frames(self, frames: tuple[Frame, ...] | None) -> Iterable[Frame]:
        """The frames named, or all."""
        if frames is None:
            return np.ndindex(*self.image.frames_shape(self.ndim))
        for frame in frames:
            self._check_frame(frame)
        return frames

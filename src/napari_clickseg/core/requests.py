"""What a session asks and who may answer: Request, and the protocols Predictor, Segmenter, Explorer and Proposer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.regions import Region, values_on

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Click, Frame
    from napari_clickseg.core.images import Image
    from napari_clickseg.core.masks import Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """Where other objects lie, as far as it was read: a mask on a region of one frame."""

    region: Region
    mask: npt.NDArray[np.bool_]

    def on(self, region: Region) -> npt.NDArray[np.bool_]:
        """Return the mask on another region, False where nothing was read.

        >>> Others(Region((0,), (2,)), np.array([True, True])).on(Region((1,), (3,))).tolist()
        [True, False]
        """
        return values_on(self.mask, self.region, region)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One question, compared by identity.

    Attributes
    ----------
    frame : tuple of int
        Which frame of the image.
    clicks : tuple of Click
        All clicks on this frame, in the order given, positions in array order (frame axes included).
    prior : Prediction or None
        The mask shown now, an existing object's mask, or the neighbouring frame's.
    diameter : float or None
        Expected object diameter in pixels; None lets the predictor estimate it.
    estimated : bool
        The diameter is only an estimate from the image, so it pays to look at several scales.
    initial : Prediction or None
        The mask that the object began with, before any click; None where it began with nothing.
    corrects : bool
        The initial mask is an object that is there already and is corrected, not a rough prompt.
    others : Others or None
        Where other objects lie around the clicks; None where that is not known.
    """

    frame: Frame
    clicks: tuple[Click, ...]
    prior: Prediction | None = None
    diameter: float | None = None
    estimated: bool = False
    others: Others | None = None
    initial: Prediction | None = None
    corrects: bool = False

    def points(self, ndim: int) -> tuple[tuple[tuple[float, ...], bool], ...]:
        """Return (position within the frame, positive) of every click."""
        return tuple((click.point(ndim), click.positive) for click in self.clicks)


class Predictor(Protocol):
    """What answers requests. It remembers nothing that changes an answer; any thread may ask."""

    @property
    def name(self) -> str:
        """The name in the table of models."""

    @property
    def ndim(self) -> int:
        """The number of spatial axes that it sees: 2 or 3."""

    @property
    def device(self) -> str:
        """Where it computes: "cpu", "cuda", "mps"."""

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request with logits on a region of its frame.

        Raises
        ------
        Stopped
            Where `stop` was requested before the answer was ready.
        """


@runtime_checkable
class Seeing(Predictor, Protocol):
    """A predictor whose answers come from the pixels, so that it has none where a frame has no content."""

    def check_request(self, image: Image, request: Request) -> None:
        """Raise NothingSeenError where an object is begun on a frame without content."""


def check_content(predictor: Predictor, image: Image, request: Request) -> None:
    """Check a request as a `Seeing` predictor does: where there is no mask to go on with, the frame needs content."""
    if request.prior is None and request.clicks:
        ndim = min(predictor.ndim, image.ndim)
        image.check_content(request.frame, ndim, request.clicks[-1].point(ndim))


@runtime_checkable
class Segmenter(Predictor, Protocol):
    """A predictor that can also find all objects of a frame by itself, without clicks."""

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        """Return labels of the frame's shape, 0 for background.

        Raises
        ------
        Stopped
            Where `stop` was requested before the labels were ready.
        """


@runtime_checkable
class Explorer(Predictor, Protocol):
    """A predictor that can look at an object at further scales, for answers to choose from."""

    def explore(self, image: Image, request: Request, stop: Stop = NEVER) -> tuple[Prediction, ...]:
        """Return answers to a request from windows of scales that `predict` leaves out, each with its quality.

        Raises
        ------
        Stopped
            Where `stop` was requested before the answers were ready.
        """


@dataclass(frozen=True, slots=True)
class Seed:
    """A pixel in the middle of an object that a predictor sees without being asked.

    Attributes
    ----------
    position : tuple of float
        Within the frame.
    strength : float
        How sure it is that there is one, 0 to 1.
    """

    position: tuple[float, ...]
    strength: float


@runtime_checkable
class Proposer(Predictor, Protocol):
    """A predictor that sees where objects are, and answers many first clicks at once."""

    def parts(self, region: Region, diameter: float) -> list[Region]:
        """Return parts of a region, none of which overlap, whose objects of a size are seen at once.

        Seeds and answers of one part after another cost no more than those of the whole region.
        """

    def seeds(
        self, image: Image, frame: Frame, diameter: float, region: Region | None = None, stop: Stop = NEVER
    ) -> tuple[Seed, ...]:
        """Return the middles of the objects of a frame (or of a region of it), strongest first.

        Parameters
        ----------
        diameter : float
            Of a typical object, in pixels: the scale that is looked at.

        Raises
        ------
        Stopped
            Where `stop` was requested before all windows were seen.
        """

    def answer_many(
        self,
        image: Image,
        frame: Frame,
        positions: Sequence[Sequence[float]],
        diameter: float,
        others: Others | None = None,
        stop: Stop = NEVER,
    ) -> tuple[Prediction, ...]:
        """Return the answer to each position as the first click on an object of its own, at one scale.

        Much faster than as many requests: clicks in one window share its features and are answered in one batch.

        Raises
        ------
        Stopped
            Where `stop` was requested before all were answered; `stop.done` grows meanwhile.
        """


@runtime_checkable
class Describer(Predictor, Protocol):
    """A predictor whose features distinguish objects."""

    def describe(
        self, image: Image, frame: Frame, masks: Sequence[Prediction], diameter: float, stop: Stop = NEVER
    ) -> npt.NDArray[np.float64]:
        """Return numbers about the look of each object, as (masks, numbers); comparable at one diameter."""


@runtime_checkable
class Adaptable(Predictor, Protocol):
    """A predictor of which it is known whether its model can learn from a few objects (`training.adapt`)."""

    @property
    def adaptable(self) -> bool:
        """Whether it has the parts that learn."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """Stands where a predictor would, in a session that repeats clicks and answers recorded elsewhere.

    >>> Nobody(ndim=3).ndim
    3
    """

    ndim: int
    name: str = "nobody"
    device: str = "cpu"

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Refuse.

        Raises
        ------
        ValueError
            Always: nobody is there to answer.
        """
        raise ValueError("There is no model in this session; set `session.predictor` to ask one.")

"""What a session asks and who may answer: Request, the protocols Predictor and Segmenter; Stop calls an answer off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Click, Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction


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
    """

    frame: Frame
    clicks: tuple[Click, ...]
    prior: Prediction | None = None
    diameter: float | None = None
    estimated: bool = False

    def points(self, ndim: int) -> tuple[tuple[tuple[float, ...], bool], ...]:
        """Return (position within the frame, positive) of every click."""
        return tuple((click.point(ndim), click.positive) for click in self.clicks)


class Predictor(Protocol):
    """Whoever answers requests. It remembers nothing that changes an answer; any thread may ask."""

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
class Segmenter(Predictor, Protocol):
    """A predictor that can also find all objects of a frame by itself, without clicks."""

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        """Return labels of the frame's shape, 0 for background.

        Raises
        ------
        Stopped
            Where `stop` was requested before the labels were ready.
        """


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

"""What a session asks and who may answer: Request, the protocols Predictor and Segmenter; Stop calls an answer off."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from napari_clickseg.clicks import Click, Frame
from napari_clickseg.images import Image
from napari_clickseg.masks import Prediction


class Stopped(Exception):  # noqa: N818 - a fact about a job, not an error to report
    """Raised inside a job that was asked to end."""


class Stop:
    """Mutable: asks a running job to end, and knows how far it is. The job calls `check` between its steps."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._done = 0.0

    def request(self) -> None:
        """Ask the job to end at its next check."""
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    @property
    def done(self) -> float:
        """How much of the job is done, from 0 to 1; 0 where it does not tell."""
        return self._done

    def check(self, done: float | None = None) -> None:
        """Raise `Stopped` if the job was asked to end; a job that knows how much of it is done tells that here."""
        if self.requested:
            raise Stopped
        if done is not None:
            self._done = done


NEVER = Stop()
"""A stop that nobody requests."""


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
    """Stands where a predictor would, in a session that repeats what was said and answered elsewhere.

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

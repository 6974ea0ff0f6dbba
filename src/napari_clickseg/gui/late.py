"""LatePredictor: a model that is loaded on the thread that first asks it, so that the panel opens at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.clicks import Frame
from napari_clickseg.core.images import Image
from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.requests import Predictor, Request, Segmenter


class LatePredictor:
    """Mutable: stands for a model until it is loaded, and hands every question over to it.

    Parameters
    ----------
    name : str
        The name in the table of models.
    load : callable
        Loads the model; called once, on the thread that first asks. Where it raises, the next question tries again.
    """

    def __init__(self, name: str, load: Callable[[], Predictor]) -> None:
        self._name = name
        self._load = load
        self._lock = threading.Lock()
        self._model: Predictor | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def loaded(self) -> Predictor | None:
        """The model; None as long as it is not loaded."""
        return self._model

    @property
    def ndim(self) -> int:
        """The number of axes that the model sees; two are expected until it is loaded."""
        return 2 if self._model is None else self._model.ndim

    @property
    def device(self) -> str:
        """Where the model computes; empty until it is loaded."""
        return "" if self._model is None else self._model.device

    def get(self) -> Predictor:
        """Return the model, loading it if nobody did yet."""
        with self._lock:
            if self._model is None:
                self._model = self._load()
            return self._model

    def predict(self, image: Image, request: Request, stop: Stop = NEVER) -> Prediction:
        """Answer a request, loading the model first if need be."""
        model = self.get()
        stop.check()
        return model.predict(image, request, stop)

    def segment(self, image: Image, frame: Frame, stop: Stop = NEVER) -> npt.NDArray[np.int32]:
        """Return all objects on a frame, loading the model first if need be.

        Raises
        ------
        ValueError
            Where the model draws one object at a time.
        """
        model = self.get()
        stop.check()
        if not isinstance(model, Segmenter):
            raise ValueError(f"{model.name} draws one object at a time; pick a model that segments whole frames.")
        return model.segment(image, frame, stop)

"""Class proposals: a light classifier learns from the objects that have a class and proposes one for the others.

Logistic regression on what tells objects apart: size, shape, contrast, brightness and the model's features pooled over
each mask. It changes nothing; `Session.classify` accepts what is proposed. Needs scikit-learn (extra `classes`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import read_block
from napari_clickseg.core.object_classes import Classes, ClassProposal
from napari_clickseg.core.object_masks import outlines_of
from napari_clickseg.core.regions import Region
from napari_clickseg.core.suggestions import Suggestion
from napari_clickseg.session.object_search import described

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.session.session import Session

Row = tuple[int, npt.NDArray[np.float64]]
"""An object's id, and numbers about it."""
INVERSE_PENALTY = 0.1
"""`C` of the regression: there are a few examples and some hundred numbers of each."""
ITERATIONS = 1000
NO_SKLEARN = "Proposing classes needs scikit-learn: pip install 'napari-clickseg[classes]'."


def propose_classes(session: Session, frame: Frame | None = None, stop: Stop = NEVER) -> dict[int, ClassProposal]:
    """Propose a class for each object that has none. Changes nothing; any thread may call it.

    Parameters
    ----------
    frame : Frame, optional
        The objects of one frame; those of all frames where absent. Objects with a class are learned from wherever they
        are.
    stop : Stop
        Ends it; `stop.done` says how far it is.

    Returns
    -------
    dict of int to ClassProposal
        By id; `session.classify({label: one.name for label, one in proposed.items()})` accepts them all.

    Raises
    ------
    ValueError
        Where fewer than two classes have an object, there is no such frame, or scikit-learn is not installed.
    Stopped
        Where `stop` was requested before it was done.
    """
    if frame is not None:
        session._check_frame(frame)
    given = session.classes
    _check_classes(given, session.class_names)
    every = list(np.ndindex(*session.image.frames_shape(session.ndim)))
    asked = every if frame is None else [frame]
    rows = _rows(session, asked, [one for one in every if one not in asked], given, stop)
    examples = [(label, row) for label, row in rows if label in given]
    _check_classes({label: given[label] for label, _ in examples}, session.class_names)
    others = [(label, row) for label, row in rows if label not in given]
    return _proposed(examples, others, given) if others else {}


def _check_classes(given: Classes, names: tuple[str, ...]) -> None:
    there = sorted(set(given.values()))
    if len(there) < 2:
        known = f"only {there[0]!r} has objects" if there else "no object has a class"
        wanted = f" of {', '.join(map(repr, names))}" if len(names) > 1 else ""
        raise ValueError(f"Classes are proposed once two{wanted} have an object each, but {known}.")


def _rows(session: Session, asked: Iterable[Frame], others: Iterable[Frame], given: Classes, stop: Stop) -> list[Row]:
    """What is known of each object of the frames asked for, and of those with a class that lie on others alone."""
    frames = [*((frame, True) for frame in asked), *((frame, False) for frame in others)]
    rows, unseen = list[Row](), set(given)
    diameter = session.expected_diameter(frames[0][0])
    for number, (frame, all_of_them) in enumerate(frames):
        stop.check(number / len(frames))
        if not all_of_them and not unseen:
            break
        found = _on_frame(session, frame, None if all_of_them else unseen, diameter, stop)
        rows += found
        unseen -= {label for label, _ in found}
    return rows


def _on_frame(session: Session, frame: Frame, wanted: set[int] | None, diameter: float, stop: Stop) -> list[Row]:
    whole = Region.whole(session.image.frame_shape(session.ndim))
    block = read_block(session.labels, frame, whole)
    outlines = outlines_of(block, whole, wanted)
    some = [Suggestion(frame, one.region, one.mask) for one in outlines.values()]
    found = described(session.image, session.predictor, some, diameter, stop)
    rows = [
        np.concatenate((each.measures, _brightness(session, each.one), () if each.features is None else each.features))
        for each in found
    ]
    return list(zip(outlines, rows, strict=True))


def _brightness(session: Session, one: Suggestion) -> npt.NDArray[np.float64]:
    """Mean and deviation of each channel inside an object."""
    inside = session.image.block(one.frame, one.region)[:, one.mask]
    return np.concatenate((inside.mean(axis=1), inside.std(axis=1))).astype(np.float64)


def _proposed(
    examples: list[Row],
    others: list[Row],
    given: Classes,
) -> dict[int, ClassProposal]:
    """The likeliest class of each of the others; of one on several frames, by the mean of its probabilities."""
    known, unknown = (np.stack([row for _, row in some]) for some in (examples, others))
    both = np.concatenate((known, unknown))
    middle, spread = both.mean(axis=0), both.std(axis=0) + 1e-9
    regression = _regression()
    regression.fit((known - middle) / spread, [given[label] for label, _ in examples])
    shares = defaultdict[int, list[Any]](list)
    for (label, _), share in zip(others, regression.predict_proba((unknown - middle) / spread), strict=True):
        shares[label].append(share)
    means = {label: np.mean(some, axis=0) for label, some in shares.items()}
    return {k: ClassProposal(str(regression.classes_[mean.argmax()]), float(mean.max())) for k, mean in means.items()}


def _regression() -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ValueError(NO_SKLEARN) from error
    return LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=ITERATIONS)

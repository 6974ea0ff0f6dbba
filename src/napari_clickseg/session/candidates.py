"""Candidates: other answers to the same clicks, to choose from without asking a model.

The first functions become methods of Session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_clickseg.core.jobs import NEVER, Stop
from napari_clickseg.core.labels import read_block
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Explorer, Others, Request

if TYPE_CHECKING:
    from napari_clickseg.core.clicks import Frame
    from napari_clickseg.core.masks import Prediction
    from napari_clickseg.session.session import Session

SAME, MOST = 0.85, 8
"""Answers that overlap by this IoU are one candidate; and how many candidates there are at most."""
NEAR = 512
"""Other objects are read up to so many pixels from the last click, along each axis."""


def candidates(session: Session, frame: Frame | None = None) -> tuple[Prediction, ...]:
    """Return the answers between which `next_candidate` goes round, best first; empty where there is no choice.

    Parameters
    ----------
    frame : Frame, optional
        The frame of the last click where absent.
    """
    answer = _answer_on(session, _last_frame(session) if frame is None else frame)
    return () if answer is None else answer.candidates


def candidate_shown(session: Session) -> int:
    """Which of `candidates()` is drawn."""
    answer = _answer_on(session, _last_frame(session))
    return 0 if answer is None else place_of(answer)


def next_candidate(session: Session, steps: int = 1) -> bool:
    """Draw the next candidate on the frame of the last click; False where there is none. One step of undo.

    No model runs: candidates come with the answer. A further click corrects what is drawn then.
    """
    frame = _last_frame(session)
    answer = _answer_on(session, frame)
    if frame is None or answer is None or not answer.candidates:
        return False
    choose(session, frame, following(answer, steps))
    return True


def choose(session: Session, frame: Frame, prediction: Prediction) -> None:
    """Draw another answer to the same clicks. One step of undo.

    Raises
    ------
    ValueError
        Where nothing is drawn on the frame, or an answer is still awaited; nothing is changed then.
    """
    if session.pending is not None or frame not in session.state.masks:
        raise ValueError("There is no answer on this frame yet that another one could stand in for.")
    with session._all_or_nothing():
        session._object.choose(frame, prediction)
    session._report("choose", frame=frame, prediction=prediction)


def unexplored(session: Session) -> Request | None:
    """Return the request whose answer is drawn, where further candidates may be looked for; None otherwise.

    That is so for a first answer, until `add_candidates` was called for it, with a model that is an `Explorer`.
    """
    if session._answered is None or not isinstance(session.predictor, Explorer):
        return None
    request, answer = session._answered
    drawn = _answer_on(session, request.frame)
    is_first = request.prior is None and drawn is not None and drawn.logits is answer.logits
    return request if is_first else None


def explore(session: Session, request: Request, stop: Stop = NEVER) -> tuple[Prediction, ...]:
    """Return answers to a request at further scales. Pure: changes nothing here; any thread may call it."""
    if not isinstance(session.predictor, Explorer):
        return ()
    return session.predictor.explore(session.image, session._with_diameter(request), stop)


def add_candidates(session: Session, request: Request, found: Sequence[Prediction]) -> None:
    """Add answers to the candidates of the one drawn, if that is still the answer to `request`.

    What is drawn stays, and so does the history: this is no step of undo and no act.
    """
    if request is not unexplored(session):
        return
    session._answered = None
    state = session.state
    more = extended(state.masks[request.frame], found)
    session._object.history.amend(replace(state, masks={**state.masks, request.frame: more}))
    session.changed.emit()


def _answer_on(session: Session, frame: Frame | None) -> Prediction | None:
    state = session.state
    return None if frame is None or frame in state.waiting else state.masks.get(frame)


def _last_frame(session: Session) -> Frame | None:
    return session.clicks[-1].frame(session.ndim) if session.clicks else None


# -- pure parts --------------------------------------------------------------------------------------------------------


def place_of(shown: Prediction) -> int:
    """Return which of its candidates an answer is; 0 where it has none."""
    return next((k for k, one in enumerate(shown.candidates) if one.logits is shown.logits), 0)


def following(shown: Prediction, steps: int = 1) -> Prediction:
    """Return the candidate so many places after the one shown, after the last one the first again."""
    other = shown.candidates[(place_of(shown) + steps) % len(shown.candidates)]
    return replace(other, candidates=shown.candidates)


def extended(shown: Prediction, found: Sequence[Prediction]) -> Prediction:
    """Return an answer with more candidates behind its own, best quality first, those that are new ones.

    What is shown stays the same mask, and the candidates that were there before keep their places.
    """
    candidates = list(shown.candidates or (replace(shown, candidates=()),))
    for answer in sorted(found, key=lambda one: -(one.quality or 0.0)):
        plain = replace(answer, candidates=())
        if len(candidates) < MOST and plain.mask().any() and all(_overlap(plain, one) < SAME for one in candidates):
            candidates.append(plain)
    return replace(shown, candidates=tuple(candidates)) if len(candidates) > 1 else shown


def others_near(labels: Any, request: Request, own: int) -> Others | None:
    """Return where other objects than `own` lie around the last click of a request; None in volumes.

    The labels are read once, when the request is made, so that its answer does not depend on what is drawn meanwhile.
    """
    ndim = len(request.clicks[-1].position) - len(request.frame)
    if ndim != 2:
        return None
    middle = request.clicks[-1].point(ndim)
    region = Region.around(middle, (2 * NEAR, 2 * NEAR)).clip(labels.shape[-2:])
    block = read_block(labels, request.frame, region)
    return Others(region, (block != 0) & (block != own))


def _overlap(one: Prediction, other: Prediction) -> float:
    both = one.region.union(other.region)
    first, second = one.mask_on(both), other.mask_on(both)
    return float((first & second).sum()) / max(float((first | second).sum()), 1.0)

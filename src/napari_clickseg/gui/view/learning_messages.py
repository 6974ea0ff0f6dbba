"""The sentences about learning from kept objects. Values in, `Status` out."""

from __future__ import annotations

from napari_clickseg.gui.view.messages import error
from napari_clickseg.gui.view.protocol import Status

LEARNING = Status("thinking", "Learning from the kept objects, about a minute. You can go on clicking.")
LEARNING_STOPPED = Status("ready", "Learning was stopped; the model answers as before.")
LEARNED_FOR_NOTHING = Status("ready", "The image was closed meanwhile, so what was learned from it is not used.")
LEARNED_GONE = Status(
    "error", "The weights that this session had learned are not here any more; the model chosen answers in their place."
)


def too_few(count: int, fewest: int) -> str:
    """Return that more objects have to be kept first."""
    are = "is" if count == 1 else "are"
    return f"Learning needs {fewest} objects that were kept one by one or confirmed; there {are} {count}."


def cannot_learn(name: str) -> str:
    """Return that a model has no part that could learn."""
    return f"{name} cannot learn from kept objects, as it has no stream for clicks alone; choose the default model."


def learned(sentence: str) -> Status:
    """Return that learned weights answer from now on."""
    return Status("ready", sentence, (("Back to the model before", "forget learned"),))


def forgotten(name: str) -> Status:
    """Return that the model before answers again."""
    return Status("ready", f"{name} answers again as it did before learning.")


def nothing_learned(sentence: str) -> Status:
    """Return that learning did not pay."""
    return Status("ready", f"{sentence} The model answers as before.")


def not_learned(problem: BaseException) -> Status:
    """Return why nothing could be learned, and that nothing is lost."""
    reason = getattr(problem, "strerror", None) or error(problem).text
    return error(f"The model could not learn: {error(reason).text} It answers as before; nothing is lost")


def learned_kept(name: str) -> Status:
    """Return that learned weights are a model of one's own."""
    return Status("ready", f"{name!r} is one of your models now: in this list, and for --model.")

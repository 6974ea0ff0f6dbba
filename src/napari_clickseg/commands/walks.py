"""Walks: from which frame to which others objects are carried, as the options of a command line name them."""

from __future__ import annotations

import argparse

from napari_clickseg.commands.options import comma_separated
from napari_clickseg.core.clicks import Frame
from napari_clickseg.propagation.plan import Walk


def walk_of(chosen: argparse.Namespace, axes: str, counts: tuple[int, ...]) -> Walk:
    """Return the walk that the options describe.

    Raises
    ------
    ValueError
        Where the image has one frame, or options name what is not there or contradict each other.
    """
    if not counts:
        raise ValueError("This image is a single frame; there is nothing to carry objects to.")
    axis = _axis(chosen.along, axes)
    start, end = chosen.between or (chosen.source, None)
    source = _frame(start, axes, counts)
    place, stop = source[axis], None if end is None else _frame(end, axes, counts)
    low, high = chosen.frames or (0, counts[axis] - 1)
    _check_sides(chosen, start, place)
    if stop is not None:
        step = 1 if stop[axis] > place else -1
        numbers = range(place + step, stop[axis], step)
    elif chosen.backwards:
        numbers = range(min(place - 1, high), low - 1, -1)
    else:
        numbers = range(max(place + 1, low), high + 1)
    if not numbers:
        raise ValueError(f"There is no frame to carry to from frame {start}: see --frames and --backwards.")
    at = [(*source[:axis], n, *source[axis + 1 :]) for n in (*numbers, *chosen.confirmed)]
    return Walk(source, tuple(at[: len(numbers)]), frozenset(at[len(numbers) :]), stop)


def _check_sides(chosen: argparse.Namespace, start: str, place: int) -> None:
    """Raise ValueError where some of the frames named lie on the side that is not walked to."""
    if chosen.frames is None:
        return
    if chosen.between is not None:
        raise ValueError("--between carries to all frames between the two; leave out --frames.")
    low, high = chosen.frames
    if low < place and not chosen.backwards:
        rest, way = _frames(low, min(high, place - 1)), "before it: carry to them with --backwards"
    elif high > place and chosen.backwards:
        rest, way = _frames(max(low, place + 1), high), "after it: carry to them without --backwards"
    else:
        return
    raise ValueError(
        f"--frames {low}-{high}, walked from frame {start}: {rest} {way}. One walk goes one way; "
        "for both, let the second begin with the labels that the first one wrote."
    )


def _frames(first: int, last: int) -> str:
    return f"frame {first} lies" if first == last else f"frames {first}-{last} lie"


def _axis(name: str | None, axes: str) -> int:
    wanted = name.upper() if name else axes[0]
    if wanted not in axes:
        raise ValueError(f"--along {name} is no axis of frames; there is {', '.join(axes)}.")
    return axes.index(wanted)


def _frame(text: str, axes: str, counts: tuple[int, ...]) -> Frame:
    """Read "3" or "3,7": an index per axis of frames."""
    numbers = comma_separated(text)
    if len(numbers) != len(axes) or not all(number.isdigit() for number in numbers):
        raise ValueError(f"Frame {text!r} is no index along {', '.join(axes)}; write {','.join('0' * len(axes))}.")
    frame = tuple(int(number) for number in numbers)
    if not all(k < n for k, n in zip(frame, counts, strict=True)):
        last = ",".join(str(n - 1) for n in counts)
        raise ValueError(f"There is no frame {text}: the last one along {', '.join(axes)} is {last}.")
    return frame


def frame_range(text: str) -> tuple[int, int]:
    """Read "3-17" or "5"."""
    first, _, last = text.partition("-")
    low, high = int(first), int(last or first)
    if high < low:
        raise argparse.ArgumentTypeError(f"{text} must name the lower frame first")
    return low, high


def named(frame: Frame) -> str:
    """Return a frame as `--from` takes it."""
    return ",".join(map(str, frame))

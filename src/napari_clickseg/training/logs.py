"""Logs of a run: a CSV, and the same numbers for TensorBoard if that is installed. A resumed run goes on in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from napari_clickseg.files import write_table

LOG = "log.csv"
EVENTS = "tensorboard"
Row = dict[str, float]
"""One line: "step", "seconds", "loss", and what validation measured."""
Write = Callable[[Sequence[Row]], None]


def has_tensorboard() -> bool:
    """Tell whether TensorBoard's files can be written here."""
    return find_spec("tensorboard") is not None


@contextmanager
def open_logs(folder: Path, step: int) -> Iterator[Write]:
    """Give a function that logs all rows so far, of which the last is new.

    Parameters
    ----------
    folder : Path
        For log.csv and the folder tensorboard/.
    step : int
        Where the run stands: what TensorBoard's files say beyond it is of a run that was lost, and no longer shown.
    """
    if not has_tensorboard():
        yield lambda rows: write_table(folder / LOG, rows)
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / EVENTS, purge_step=step + 1) as events:

        def write(rows: Sequence[Row]) -> None:
            write_table(folder / LOG, rows)
            newest = rows[-1]
            for name in newest.keys() - {"step"}:
                events.add_scalar(name, newest[name], int(newest["step"]))
            events.flush()

        yield write


def write_nothing(rows: Sequence[Row]) -> None:
    """Log nothing, where another process does."""

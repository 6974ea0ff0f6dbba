"""clickseg bench --learn: how many clicks learning from ten objects saves on the others of a plane."""

from __future__ import annotations

import argparse

from napari_clickseg.commands.bench_suggestions import items_of

TABLE = "learning.csv"


def bench_learning(chosen: argparse.Namespace) -> None:
    """Learn from ten objects of each plane, click on others, and print a table; what is in the CSV is not done again.

    Raises
    ------
    ValueError
        Where there are no planes with objects.
    """
    from napari_clickseg.batch.learning_runs import LearningRow, learning_table, run_plane
    from napari_clickseg.benchmark.row_tables import append_rows, read_rows
    from napari_clickseg.benchmark.suggestion_runs import sample_planes
    from napari_clickseg.inference.device import choose_device

    planes = sample_planes(items_of(chosen), chosen.learn, chosen.seed)
    if not planes:
        raise ValueError(f"There are no planes with objects in the split {chosen.split!r}.")
    chosen.out.mkdir(parents=True, exist_ok=True)
    path, device = chosen.out / TABLE, choose_device(chosen.device)
    done = {(row.source, row.image, row.frame) for row in read_rows(path, LearningRow)}
    for item, frame in planes:
        if (item.source, item.name, " ".join(map(str, frame))) not in done:
            print(f"{item.source} {item.name}", flush=True)
            # all rows of a plane at once: one that was stopped half-way is done again
            append_rows(path, list(run_plane(item, frame, device, chosen.seed)))
    print(learning_table(read_rows(path, LearningRow)))
    print(f"written: {path}")

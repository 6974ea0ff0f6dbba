"""Tables of sequences, from rows that a test writes down."""

from __future__ import annotations

from napari_clickseg.benchmark.sequence_tables import aims_table, cost_table, effort_table, review_table


def cells(text: str) -> list[list[str]]:
    """A table's lines below its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def effort_rows(way: str, clicks: list[int], ious: list[float]) -> list[dict[str, str]]:
    same = {"frames": "2", "rows": "9", "columns": "8", "erased": str(int(way == "file order")), "renamed": "0"}
    return [
        {"source": "hela", "model": "m", "way": way, **same, "frame": str(frame), "clicks": str(k), "iou": str(v)}
        for frame, (k, v) in enumerate(zip(clicks, ious, strict=True))
    ]


EFFORT = [
    *effort_rows("from scratch", [2, 2], [0.9, 0.9]),
    *effort_rows("file order", [1, 0], [0.9, 0.8]),
    *effort_rows("carry and review", [1, 0], [0.9, 0.9]),
]


def review_rows(labels: str, ious: list[float], told: tuple[str, ...] = ()) -> list[dict[str, str]]:
    same = {"source": "hela", "model": "m", "labels": labels}
    listed = [{**same, "rank": str(k), "iou": str(v), "told": ""} for k, v in enumerate(ious, start=1)]
    return [*listed, *({**same, "rank": "", "iou": "0", "told": event} for event in told)]


def cost_row(what: str, frames: int, seconds: float) -> dict[str, str]:
    return {
        **{"source": "hela", "model": "m", "part": "seconds", "what": what, "frames": str(frames)},
        **{"objects": "1.0", "seconds": str(seconds), "peak_mb": ""},
    }


COSTS = [cost_row(what, frames, seconds) for what, frames, seconds in (
    ("one object", 10, 0.5), ("all objects", 10, 1.0), ("one object", 80, 4.0), ("all objects", 100, 20.0),
)]  # fmt: skip


def test_effort_is_told_as_a_share_of_clicking_from_scratch_without_and_with_what_was_erased() -> None:
    lines = cells(effort_table(EFFORT))
    assert [line[5:] for line in lines] == [
        ["2.00", "0.00", "100 %", "100 %", "2.00", "100 %", "100 %"],
        ["0.50", "1.00", "25 %", "75 %", "0.00", "50 %", "50 %"],
        ["0.50", "0.00", "25 %", "25 %", "0.00", "50 %", "100 %"],
    ]
    assert lines[0][3] == "2 x 9 x 8"


def test_review_tells_what_is_found_early_what_could_be_and_what_is_gone() -> None:
    rows = review_rows("carried", [0.5, 0.9, 0.9, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9], ("lost", ""))
    assert cells(review_table(rows)) == [["hela", "carried", "m", "10", "3", "33 %", "67 %", "1", "1"]]


def test_costs_are_told_per_frame() -> None:
    assert cells(cost_table(COSTS))[2][3:] == ["80", "1.0", "4.0", "50", ""]


def test_aims_stand_beside_what_was_reached() -> None:
    reviews = [*review_rows("carried", [0.5, 0.9, 0.9, 0.9, 0.5]), *review_rows("damaged", [0.5, 0.9, 0.9, 0.9, 0.9])]
    assert [line[1:] for line in cells(aims_table(EFFORT, reviews, COSTS))] == [
        ["20 %", "25 %"],
        ["90 %", "50 %, 50 % at best"],
        ["90 %", "100 %, 100 % at best"],
        ["10", "5.0"],
        ["3", "2.0"],
    ]

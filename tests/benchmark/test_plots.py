"""Plots: a panel per source, a line per model, and no two alike; the same results make the same files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench_rows import rows_of
from napari_clickseg.benchmark.plots import columns_of, curves_figure, draw_curves, styles_of
from napari_clickseg.benchmark.results import Results, collect

CURVE = [0.5, 0.7, 0.9]


@pytest.fixture
def results() -> Results:
    rows = rows_of("cells", "default", {"1": CURVE, "2": [0.6, 0.8, 1.0]})
    rows += rows_of("cells", "geodesic", {"1": [0.3, 0.4, 0.5], "2": CURVE})
    return collect(rows + rows_of("natural_photos", "default", {"1": CURVE}), "centre", 20)


def test_every_source_has_a_panel_with_the_models_that_ran_on_it(results: Results) -> None:
    cells, photos = curves_figure(results).axes
    assert [cells.get_title("left"), photos.get_title("left")] == ["cells", "natural_photos"]
    assert cells.get_title("right") == "n = 2"
    assert [line.get_label() for line in cells.lines] == ["default", "geodesic"]
    assert [line.get_label() for line in photos.lines] == ["default"]
    assert cells.lines[0].get_ydata().tolist() == pytest.approx([0.55, 0.75, 0.95])
    assert len(cells.collections) == 2, "a band for each line"


def test_one_legend_names_all_models(results: Results) -> None:
    (legend,) = curves_figure(results).legends
    assert [text.get_text() for text in legend.get_texts()] == ["default", "geodesic"]


def test_no_two_lines_look_alike() -> None:
    names = [f"model {k}" for k in range(21)] + ["geodesic", "random-walker", "superpixels"]
    styles = styles_of(names)
    assert list(styles) == names
    assert len({(style["color"], str(style["linestyle"])) for style in styles.values()}) == len(names)


def test_a_page_leaves_few_places_empty() -> None:
    assert [columns_of(panels) for panels in (1, 2, 3, 4, 5, 8, 15)] == [1, 2, 3, 4, 5, 4, 5]


def test_the_same_results_make_the_same_files(results: Results, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert [path.name for path in draw_curves(results, tmp_path / name)] == ["iou.png", "iou.svg"]
    for name in ("iou.png", "iou.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_without_matplotlib_the_error_says_what_to_install(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValueError, match=r'pip install "napari-clickseg\[bench\]"'):
        draw_curves(results, tmp_path)

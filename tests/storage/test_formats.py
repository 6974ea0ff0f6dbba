"""Formats: the documentation shows the table that readers follow, and names lead to the format that they end in."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_clickseg.storage.formats import FORMATS, as_markdown, format_of, may_be_image
from napari_clickseg.storage.read_images import BY_KIND
from napari_clickseg.storage.write_labels import ENDINGS

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
START, END = "storage/formats.py` -->\n", "<!-- /formats -->"


def test_the_page_shows_the_table_of_formats() -> None:
    """`python tests/storage/test_formats.py` writes it anew."""
    assert PAGE.read_text("utf-8").partition(START)[2].partition(END)[0] == "\n".join(as_markdown()) + "\n"


def test_every_format_has_a_reader_and_every_writer_a_format() -> None:
    assert {form.kind for form in FORMATS} - {"bioio", "cellpose"} == set(BY_KIND)
    assert set(ENDINGS) <= {suffix for form in FORMATS if form.writes for suffix in form.suffixes}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.TIF", "tiff"),
        ("a.ome.tiff", "tiff"),
        ("a_seg.npy", "cellpose"),
        ("a.npy", "npy"),
        ("a.zarr", "zarr"),
        ("a.ome.zarr.zip", "zarr"),
        ("a.zip", None),
        ("tif", None),
        ("a.csv", None),
    ],
)
def test_names_lead_to_formats(name: str, kind: str | None) -> None:
    form = format_of(Path(name))
    assert (None if form is None else form.kind) == kind


@pytest.mark.parametrize(("name", "image"), [("a.tif", True), (".a.tif", False), ("a_seg.npy", False), ("a.md", False)])
def test_images_are_told_by_their_names(name: str, image: bool) -> None:
    assert may_be_image(Path(name)) is image


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(START)
    PAGE.write_text(before + START + "\n".join(as_markdown()) + "\n" + END + rest.partition(END)[2], "utf-8")

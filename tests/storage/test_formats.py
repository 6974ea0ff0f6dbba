"""Formats: the documentation shows the table that readers follow, and names lead to the format that they end in."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import napari_clickseg
from napari_clickseg.storage.exports import EXPORTS, WRITERS
from napari_clickseg.storage.formats import FORMATS, as_markdown, exports_as_markdown, format_of, may_be_image
from napari_clickseg.storage.read_images import BY_KIND
from napari_clickseg.storage.write_labels import ENDINGS

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
MANIFEST = Path(napari_clickseg.__file__).with_name("napari.yaml")
TABLES = {"formats": as_markdown, "exports": exports_as_markdown}


def parts_of_page(name: str) -> tuple[str, str, str]:
    """What stands before, in and behind a table of the page."""
    start = f"<!-- {name}: written by `tests/storage/test_formats.py` from the table in `storage/formats.py` -->\n"
    before, found, rest = PAGE.read_text("utf-8").partition(start)
    table, end, after = rest.partition(f"<!-- /{name} -->")
    return before + found, table, end + after


@pytest.mark.parametrize("name", TABLES)
def test_the_page_shows_the_table_of_formats(name: str) -> None:
    """`python tests/storage/test_formats.py` writes it anew."""
    assert parts_of_page(name)[1] == "\n".join(TABLES[name]()) + "\n"


def test_every_format_has_a_reader_and_every_writer_a_format() -> None:
    assert {form.kind for form in FORMATS if form.images} - {"bioio"} == set(BY_KIND)
    assert set(ENDINGS) <= {suffix for form in FORMATS if form.writes for suffix in form.suffixes}
    assert {form.kind for form in FORMATS if form.exports} == set(WRITERS) == set(EXPORTS)


def test_napari_offers_to_open_and_to_save_what_the_table_says() -> None:
    contributions = yaml.safe_load(MANIFEST.read_text("utf-8"))["contributions"]
    imported = {suffix for form in FORMATS if form.imports for suffix in form.suffixes}
    assert {pattern.removeprefix("*") for pattern in contributions["readers"][0]["filename_patterns"]} == imported
    assert set(contributions["writers"][0]["filename_extensions"]) == imported


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
    for name, lines in TABLES.items():
        before, _, after = parts_of_page(name)
        PAGE.write_text(before + "\n".join(lines()) + "\n" + after, "utf-8")

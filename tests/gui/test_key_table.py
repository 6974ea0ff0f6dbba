"""The table of keys in the documentation is the one of the panel."""

from __future__ import annotations

from pathlib import Path

from napari_clickseg.gui.actions import key_table

PAGE = Path(__file__).parents[2] / "docs" / "napari.md"


def test_the_page_on_napari_has_the_keys_of_the_table_of_actions():
    assert key_table() in PAGE.read_text("utf-8")

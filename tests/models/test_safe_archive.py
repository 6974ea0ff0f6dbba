"""What strangers pack: names that lead out of their folder are refused, on whatever platform they mean something."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from napari_clickseg.models.safe_archive import inside, members


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../../b", "C:\\a", "C:a", "\\a", "a\\..\\..\\b", "\\\\server\\share\\a"]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("rdf.yaml", "fine")
        archive.writestr(name, "not fine")
    with pytest.raises(ValueError, match="outside its folder; it is not opened"):
        members(tmp_path / "a.zip")
    with pytest.raises(ValueError, match="outside its folder; it is not opened"):
        inside(tmp_path, name)


def test_names_within_the_folder_are_taken(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("weights/a..b.pt", "fine")
    assert members(tmp_path / "a.zip") == ["weights/a..b.pt"]

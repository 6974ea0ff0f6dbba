"""What the README shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_clickseg
from doubles import Disks, disk
from napari_clickseg.storage.tables import read_clicks_csv

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_block_runs_as_it_stands(tmp_path, monkeypatch):
    cells = disk((120, 120), (42, 54), 12) | disk((120, 120), (90, 30), 10)
    tifffile.imwrite(tmp_path / "cells.tif", (cells * 200 + 20).astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(napari_clickseg, "load_model", lambda: Disks(radius=9), raising=False)
    names: dict = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), names)
    assert (names["first"], names["second"]) == (1, 2)
    assert set(np.unique(names["labels"])) == {0, 1, 2}
    assert names["labels"][48, 58] == 1


def test_continuous_integration_runs_the_readmes_test_command():
    command = blocks("bash")[1].strip()
    assert "-m pytest" in command
    assert command in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_table_of_clicks_is_one_that_can_be_read(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text(blocks("text")[0], "utf-8")
    objects = read_clicks_csv(path, "YX")
    assert {number: len(clicks) for number, clicks in objects.items()} == {1: 2, 2: 1}


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))])
def test_links_lead_somewhere(page):
    here = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (here / link).exists()]
    assert missing == []


def test_the_page_on_concepts_names_every_module_and_part_of_the_package():
    package = Path(napari_clickseg.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    parts = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    page = (ROOT / "docs" / "concepts.md").read_text("utf-8")
    tree = page.partition("## Where things are")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+/?)`", tree))
    assert modules | parts <= named

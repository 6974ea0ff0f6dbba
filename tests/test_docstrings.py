"""Examples in docstrings are checkable by eye, and checked."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import napari_clickseg

PACKAGE = Path(napari_clickseg.__file__).parent
WITH_EXAMPLES = [
    ".".join(["napari_clickseg", *path.relative_to(PACKAGE).with_suffix("").parts])
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_show_what_happens(name):
    assert doctest.testmod(import_module(name)).failed == 0

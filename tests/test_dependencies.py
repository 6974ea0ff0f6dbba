"""The arrows of the architecture point one way, and heavy libraries come only where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import napari_clickseg

PACKAGE = Path(napari_clickseg.__file__).parent
VOCABULARY = (
    "clicks",
    "regions",
    "images",
    "masks",
    "questions",
    "history",
    "states",
    "labels",
    "session",
    "clicking",
    "keeping",
    "verbs",
    "splitting",
    "drawing",
    "ledger",
    "asking",
    "acts",
    "edits",
    "worker",
    "robot",
    "damage",
    "scale",
    "outlines",
    "weighing",
    "motion",
    "deciding",
    "confidence",
    "events",
    "propagate",
    "review",
    "carrier",
    "newcomers",
    "facts",
    "packing",
    "lines",
    "locks",
    "identity",
    "user_data",
    "record",
)
ON_DISK = ("readers", "label_writers", "files", "cell_tracking", "journal", "recovery", "session_file")
"""What reads and writes files, as light as the vocabulary that it stands on."""
MAY_PRINT = ("commands", "cli")
HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PyQt5", "PySide6", "PySide2", "vispy", "magicgui")

MAY_IMPORT = {
    "vocabulary": {"vocabulary"},
    "readers": {"vocabulary"},
    "label_writers": {"vocabulary", "readers"},
    "files": {"vocabulary", "readers", "label_writers"},
    "cell_tracking": {"vocabulary", "files", "readers", "label_writers"},
    "journal": {"vocabulary", "files"},
    "recovery": {"vocabulary", "journal"},
    "session_file": {"vocabulary", "files"},
    "sources": {"vocabulary", "files", "readers"},
    "spread": set(),
    "batch": {"vocabulary", "files", "readers", "cell_tracking", "models", "spread"},
    "networks": {"networks"},
    "engine": {"vocabulary", "files", "engine", "networks", "models.card", "models.conventions"},
    "models": {"vocabulary", "files", "models", "engine", "networks"},
    "training": {"vocabulary", "files", "sources", "training", "models", "engine", "networks"},
    "benchmark": {"vocabulary", "files", "sources", "benchmark", "models", "engine", "spread"},
    "gui": {"vocabulary", *ON_DISK, "gui", "models"},
    "commands": {"vocabulary", *ON_DISK, "spread", "batch", "demo", "commands", "models", "training", "benchmark"},
    "cli": {"commands"},
}
"""Who may import whom, by part of the package. What is not named here (the demo) stands on its parts."""
EXCEPTIONS = {
    ("benchmark.latency", "gui"): "measures the panel itself, from mouse event to refreshed layer",
    ("benchmark.latency", "journal"): "keeps what it clicks out of the user's journals",
    ("benchmark.yardstick", "networks"): "measures a network that no model of ours uses",
    ("benchmark.canvas", "gui"): "the hand on the mouse of that measurement",
}

WITHOUT_HEAVY = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
"""As on a machine without them. (Names that are None in `sys.modules`, the shorter way, scipy takes for modules.)"""


@cache
def modules() -> tuple[str, ...]:
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple(".".join(f.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__") for f in files)


def part(module: str) -> str:
    first = module.split(".")[0]
    return "vocabulary" if first in VOCABULARY else first


def tree(module: str) -> ast.Module:
    path = PACKAGE / Path(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return ast.parse(source.read_text("utf-8"))


def imports(module: str) -> Iterator[str]:
    """Every module of this package that a module imports, anywhere in it."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("napari_clickseg."):
            inner = node.module.removeprefix("napari_clickseg.")
            yield inner
            yield from (f"{inner}.{alias.name}" for alias in node.names if f"{inner}.{alias.name}" in modules())
        elif isinstance(node, ast.ImportFrom) and node.module == "napari_clickseg":
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.Import):
            yield from (
                a.name.removeprefix("napari_clickseg.") for a in node.names if a.name.startswith("napari_clickseg.")
            )


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", [m for m in modules() if part(m) in MAY_IMPORT])
def test_the_arrows_point_one_way(module):
    allowed = MAY_IMPORT[part(module)]
    for other in imports(module):
        known = part(other) in allowed or other in allowed or (module, part(other)) in EXCEPTIONS
        assert known, f"{module} imports {other}; {part(module)} may import only {', '.join(sorted(allowed))}."


@pytest.mark.parametrize("module", [m for m in modules() if part(m) not in MAY_PRINT])
def test_only_commands_print(module):
    calls = (node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call))
    assert "print" not in {function.id for function in calls if isinstance(function, ast.Name)}


def test_the_vocabulary_needs_no_torch_no_qt_no_napari():
    names = [f"napari_clickseg.{name}" for name in (*VOCABULARY, *ON_DISK)]
    run(f"{WITHOUT_HEAVY}\nimport {', '.join(names)}")


@pytest.mark.parametrize(
    "entrance",
    [
        "import napari_clickseg; dir(napari_clickseg)",
        "from napari_clickseg import Session, Click",
        "from napari_clickseg import list_models; list_models()",
        "import napari_clickseg.cli",
        "import npe2, napari_clickseg, pathlib; "
        "npe2.PluginManifest.from_file(pathlib.Path(napari_clickseg.__file__).parent / 'napari.yaml')",
    ],
)
def test_entrances_bring_in_neither_torch_nor_qt_nor_napari(entrance):
    loaded = run(f"import sys; {entrance}; print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)


def test_public_names_are_there_and_unknown_ones_say_so():
    assert set(napari_clickseg.__all__) <= set(dir(napari_clickseg))
    for name in napari_clickseg.__all__:
        assert getattr(napari_clickseg, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = napari_clickseg.nothing

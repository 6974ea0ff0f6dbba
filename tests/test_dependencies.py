"""The arrows of the architecture point one way, and heavy libraries come only where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import napari_clickseg

PACKAGE = Path(napari_clickseg.__file__).parent
FILES = tuple(
    f"storage.{name}"
    for name in (
        "paths",
        "atomic",
        "output_checks",
        "tables",
        "units",
        "formats",
        "content",
        "ome_zarr",
        "read_tiff",
        "read_bioio",
        "read_images",
        "read_labels",
        "write_labels",
        "image_label_pairs",
    )
)
"""What reads and writes arrays, tables and folders, and knows no session."""
MODELS_FIRST = ("models.card", "models.io_spec")
"""What says what a model is; the rest of `models` stands on inference."""
MAY_PRINT = ("commands", "cli")
HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PyQt5", "PySide6", "PySide2", "vispy", "magicgui")
LIGHT = ("core", "session", "propagation", "review", "files", "storage")
"""What imports none of HEAVY: numpy and scipy alone, and what reads files."""

RECORDING = {"core", "session", "propagation", "review", "files", "storage"}
MODELLING = {"core", "files", "card", "networks", "inference", "models"}
WORDS = {"gui.view.protocol", "gui.view.messages", "gui.view.layer_messages", "gui.view.learning_messages"}
"""What the panel shows, as values and sentences."""
PANEL = {"gui", "gui.actions", "gui.view", "gui.panel_state", "gui.controllers"} | WORDS
MAY_IMPORT: dict[str, set[str]] = {
    "core": {"core"},
    "session": {"core", "session"},
    "propagation": {"core", "session", "propagation"},
    "review": {"core", "session", "review"},
    "files": {"core", "files"},
    "storage": RECORDING,
    "card": {"core", "files", "card"},
    "networks": {"networks"},
    "inference": {"core", "files", "card", "networks", "inference"},
    "models": MODELLING,
    "training": MODELLING | {"training"},
    "benchmark": RECORDING | MODELLING | {"benchmark"},
    "batch": RECORDING | MODELLING | {"training", "benchmark", "batch"},
    "commands": RECORDING | MODELLING | {"training", "benchmark", "batch", "commands"},
    "cli": {"commands"},
    "gui.actions": set(),
    "gui.view.protocol": {"core", "card"},
    "gui.view.messages": {"core", "gui.view.protocol"},
    "gui.view.layer_messages": {"core", "gui.view.protocol"},
    "gui.view.learning_messages": {"core", "gui.view.protocol", "gui.view.messages"},
    "gui.view": {"core", "card", "gui.actions", "gui.view"} | WORDS,
    "gui.panel_state": {"core"} | WORDS,
    "gui.controllers": RECORDING | MODELLING | WORDS | {"training"},
    "gui": RECORDING | MODELLING | PANEL | {"training"},
}
"""Who may import whom, by part of the package; a part that is not named here fails the test."""
EXCEPTIONS = {("benchmark.latency", "gui")}
"""It measures the panel itself, from mouse event to refreshed layer."""

LEVELS = 11
"""Modules in the longest chain of imports, those under TYPE_CHECKING not counted. It may only become less."""

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
    """Return the part of the package that a module belongs to."""
    first, _, rest = module.partition(".")
    if module in FILES:
        return "files"
    if module in MODELS_FIRST:
        return "card"
    if first == "gui":
        second = rest.partition(".")[0]
        if module in MAY_IMPORT:
            return module
        return f"gui.{second}" if second in ("view", "controllers") else "gui"
    return first


def tree(module: str) -> ast.Module:
    path = PACKAGE / Path(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return ast.parse(source.read_text("utf-8"))


def imports(module: str, at_once: bool = False) -> Iterator[str]:
    """Every module of this package that a module imports, anywhere in it but under TYPE_CHECKING.

    With `at_once`, without what its functions import when they are called.
    """
    whole = tree(module)
    if at_once:
        for function in (n for n in ast.walk(whole) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)):
            function.body = []
    blocks = (
        node for node in ast.walk(whole) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    for_types = {id(inner) for block in blocks for inner in ast.walk(block)}
    for node in ast.walk(whole):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("napari_clickseg."):
            inner = node.module.removeprefix("napari_clickseg.")
            submodules = [name for alias in node.names if (name := f"{inner}.{alias.name}") in modules()]
            yield from submodules if len(submodules) == len(node.names) else [inner, *submodules]
        elif isinstance(node, ast.ImportFrom) and node.module == "napari_clickseg":
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.Import):
            yield from (
                a.name.removeprefix("napari_clickseg.") for a in node.names if a.name.startswith("napari_clickseg.")
            )


def longest_chain() -> list[str]:
    """The longest chain of modules of which each imports the next one as soon as it is imported itself."""
    graph = {module: {other for other in imports(module, at_once=True) if other != module} for module in modules()}
    chains: dict[str, list[str]] = {}
    for module in TopologicalSorter(graph).static_order():  # raises CycleError where they import each other
        chains[module] = [module, *max((chains[other] for other in graph.get(module, ())), key=len, default=[])]
    return max(chains.values(), key=len)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", [m for m in modules() if m != "__init__"])
def test_the_arrows_point_one_way(module):
    allowed = MAY_IMPORT[part(module)]
    for other in imports(module):
        known = part(other) in allowed or other in allowed or (module, part(other)) in EXCEPTIONS
        assert known, f"{module} imports {other}; {part(module)} may import only {', '.join(sorted(allowed))}."


def test_no_chain_of_imports_is_longer_and_none_is_a_circle():
    chain = longest_chain()
    assert len(chain) <= LEVELS, " imports ".join(chain)


@pytest.mark.parametrize("module", [m for m in modules() if m.split(".")[0] not in MAY_PRINT])
def test_only_commands_print(module):
    calls = (node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call))
    assert "print" not in {function.id for function in calls if isinstance(function, ast.Name)}


def test_sessions_and_files_need_no_torch_no_qt_no_napari():
    names = [f"napari_clickseg.{name}" for name in modules() if part(name) in LIGHT]
    run(f"{WITHOUT_HEAVY}\nimport {', '.join(names)}")


def test_controllers_need_no_qt_and_no_napari():
    names = [f"napari_clickseg.{name}" for name in modules() if name.startswith("gui.controllers.")]
    absent = WITHOUT_HEAVY.replace(repr(HEAVY), repr(tuple(name for name in HEAVY if name != "torch")))
    run(f"{absent}\nimport {', '.join(names)}")


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


def test_a_panel_opens_without_what_only_its_threads_need():
    loaded = run("import sys, napari_clickseg.gui.widget; print(*sys.modules)").split()
    assert not {"torch", "scipy.signal", "skimage.feature"} & set(loaded)


def test_public_names_are_there_and_unknown_ones_say_so():
    assert set(napari_clickseg.__all__) <= set(dir(napari_clickseg))
    for name in napari_clickseg.__all__:
        assert getattr(napari_clickseg, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = napari_clickseg.nothing

"""The command line as a whole: its help, and what it does not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_clickseg.cli import COMMANDS, main


@pytest.mark.parametrize("command", ["", *(command.name for command in COMMANDS)])
def test_help_imports_neither_torch_nor_qt_nor_napari(command: str) -> None:
    code = (
        "import sys\n"
        "from napari_clickseg.cli import main\n"
        f"try: main({[*([command] if command else []), '--help']!r})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print([m for m in ('torch', 'qtpy', 'napari', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_ends_with_code_2() -> None:
    with pytest.raises(SystemExit) as end:
        main(["paint"])
    assert end.value.code == 2

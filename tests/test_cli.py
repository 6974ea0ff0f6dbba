"""The command line as a whole: its help, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from napari_clickseg import cli
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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TypeError("'NoneType' object is not iterable"), "image.tif cannot be worked on (TypeError: 'NoneType'"),
        (RuntimeError("two\nlines"), "(RuntimeError: two lines). This is a fault of clickseg; please report it"),
        (AssertionError(), "cannot be worked on (AssertionError)."),
        (MemoryError(), "image.tif does not fit into memory"),
    ],
)
def test_what_nobody_foresaw_is_one_sentence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("image.tif").write_bytes(b"")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.delenv(cli.TRACEBACK_VARIABLE, raising=False)
    monkeypatch.setattr(cli, "COMMANDS", [replace(command, run=fail) for command in cli.COMMANDS])
    line = ["segment", "image.tif", "--output", "out.tif"]
    assert cli.main(line) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    with pytest.raises(type(error)):
        cli.main(line)

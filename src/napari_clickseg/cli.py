"""clickseg: the command line. A table of commands, each in a module of `commands`, and what all have in common.

Only commands print. Bad input ends with exit code 2 and one sentence, and files are written whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from napari_clickseg import __version__
from napari_clickseg.commands import (
    bench,
    convert,
    demo,
    export,
    learn,
    measure,
    models,
    pack,
    propagate,
    replay,
    segment,
    train,
)
from napari_clickseg.commands.options import Unfinished, damaged_pixels

COMMANDS = (
    demo.COMMAND,
    segment.COMMAND,
    propagate.COMMAND,
    replay.COMMAND,
    measure.COMMAND,
    export.COMMAND,
    export.IMPORT,
    convert.COMMAND,
    models.COMMAND,
    learn.COMMAND,
    pack.COMMAND,
    train.COMMAND,
    bench.COMMAND,
)
UNFINISHED, BAD_INPUT, INTERRUPTED = 1, 2, 130
TRACEBACK_VARIABLE = "CLICKSEG_TRACEBACK"
"""Where this is set in the environment, errors that nobody foresaw show where they come from."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0, 1 where a part failed, 2 after bad input, 130 after Ctrl+C."""
    chosen = build_parser().parse_args(argv)
    chosen.given = frozenset(vars(build_parser(with_defaults=False).parse_args(argv)))
    try:
        chosen.check(chosen)
        chosen.run(chosen)
    except (ValueError, OSError) as error:
        print(f"clickseg {chosen.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except Unfinished as error:
        print(f"clickseg {chosen.command}: {error}", file=sys.stderr)
        return UNFINISHED
    except KeyboardInterrupt:
        print(f"clickseg {chosen.command}: stopped.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # the last net: nobody is shown a traceback unasked
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        print(f"clickseg {chosen.command}: {_unexpected(chosen, error)}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _unexpected(chosen: argparse.Namespace, error: Exception) -> str:
    """One sentence on an error that nobody foresaw: with which file, what, and what can be done."""
    file = next((str(value) for value in vars(chosen).values() if isinstance(value, Path)), "This")
    message = " ".join(str(error).split())[:200]
    if damage := damaged_pixels(error, file):
        return damage
    if isinstance(error, MemoryError):
        return f"{file} does not fit into memory; take a part of it, or a machine with more memory."
    return (
        f"{file} cannot be worked on ({type(error).__name__}{': ' if message else ''}{message}). This is a fault "
        f"of clickseg; please report it, with what the command shows where {TRACEBACK_VARIABLE}=1 is set."
    )


def build_parser(with_defaults: bool = True) -> argparse.ArgumentParser:
    """Return the parser of the table of commands; without defaults, it returns what was given and nothing else."""
    parser = argparse.ArgumentParser(
        "clickseg", description="Segment cells by clicking, and correct masks by clicking."
    )
    parser.add_argument("--version", action="version", version=f"clickseg {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        described = commands.add_parser(command.name, help=command.summary, description=command.summary)
        for option in command.options:
            settings = option.settings if with_defaults else {**option.settings, "default": argparse.SUPPRESS}
            described.add_argument(*option.names, **settings)
        shown = {option.dest: option.shown for option in command.options}
        described.set_defaults(run=command.run, check=command.check, shown=shown)
    return parser


if __name__ == "__main__":
    sys.exit(main())

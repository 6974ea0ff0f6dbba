"""Content: what a reader found in a file, before it becomes an image; and the sentences for what cannot be read."""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from typing import Any
from xml.etree import ElementTree

import tifffile

UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    SyntaxError,
    EOFError,
    MemoryError,
    struct.error,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
    tifffile.TiffFileError,
    ElementTree.ParseError,
)
"""What decoders raise on files that are damaged or not what their name says. None of it reaches a user as it is."""
MAGIC = (
    (b"II*\0", "tiff", "a TIFF"),
    (b"MM\0*", "tiff", "a TIFF"),
    (b"II+\0", "tiff", "a TIFF"),
    (b"MM\0+", "tiff", "a TIFF"),
    (b"\x93NUMPY", "npy", "a numpy array"),
    (b"\x89PNG", "picture", "a PNG"),
    (b"\xff\xd8\xff", "picture", "a JPEG"),
    (b"GIF8", "picture", "a GIF"),
    (b"BM", "picture", "a BMP"),
    (b"ZISRAWFILE", "bioio", "a CZI"),
    (b"\xda\xce\xbe\x0a", "bioio", "an ND2"),
    (b"PK\x03\x04", "", "a zip archive"),
    (b"\x1f\x8b", "", "a gzip archive"),
    (b"\x89HDF", "", "HDF5"),
    (b"%PDF", "", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "", "an Office or Olympus document"),
    (b"version https://git-lfs", "", "a pointer of Git LFS, not the file itself"),
    (b"<!DOCTYPE html", "", "a web page"),
    (b"<html", "", "a web page"),
    (b"<?xml", "", "XML"),
)
"""How files begin: the reader that takes them, if any, and what to call them."""


DECODERS = {"zarr", "numcodecs", "imagecodecs", "tifffile", "bioio"}
"""Libraries that decode pixels on demand."""
UNPACKABLE = "{} is damaged, or cut off: some of its pixels cannot be unpacked. Take another copy, or convert it anew."


class UnreadableError(ValueError):
    """Raised by readers with a sentence of ours; anything else that they raise is replaced by one."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, as far as it declares it.

    Attributes
    ----------
    array : array-like
        As it lies in the file; read when it is looked at, where that can be.
    axes : str or None
        One letter per axis of the array.
    scale, origin, units : dict
        By axis letter; where an axis is missing the file does not declare it.
    """

    array: Any
    axes: str | None = None
    scale: dict[str, float] = field(default_factory=dict)
    origin: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


def kind_by_content(path: Path) -> tuple[str, str]:
    """Return which reader takes a file by its first bytes, and what to call it; empty where they are not known."""
    with open(path, "rb") as handle:
        start = handle.read(64)
    for magic, kind, name in MAGIC:
        if start.startswith(magic):
            return kind, name
    return ("", "empty") if not start else ("", "")


def read_json(path: Path) -> Any:
    """Return what a file of JSON holds, in any of its encodings.

    Raises
    ------
    ValueError
        With a sentence that a message can end in, where it holds none.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        kind = kind_by_content(path)[1]
        raise ValueError(f"it is {kind}" if kind else "it holds no JSON") from None


def why(error: Exception) -> str:
    """Return why the content of a file is not what is wanted, for the end of a sentence.

    >>> why(KeyError("images")), why(ValueError("it holds no JSON."))
    ("it has no 'images'", 'it holds no JSON')
    """
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, TypeError | AttributeError | IndexError):
        return "its parts are not of the kinds that belong there"
    return one_line(error).rstrip(".")


def failed_to_unpack(error: BaseException) -> bool:
    """Return whether an error was raised while a library decoded pixels that are read from disk when looked at."""
    frames = walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").partition(".")[0] in DECODERS for frame, _ in frames)


def one_line(error: BaseException) -> str:
    """Return an error's words in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:200] + " .."

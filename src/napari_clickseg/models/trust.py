"""Trust: which foreign code the user allowed to run, remembered by its sha256 in a file beside their models.

TorchScript, exported programs and classes of networks are programs: opening one runs what its author wrote. None is
opened before the user allows it, once per content and per computer: a model that comes from elsewhere asks again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_clickseg.storage.atomic import written_whole
from napari_clickseg.storage.paths import user_folder

FILE = "trusted.json"
SHOWN = 12
"""As many digits of a sha256 distinguish files for people."""


class Untrusted(ValueError):  # noqa: N818 - a question to the user as much as an error
    """Raised where code of a foreign file would have to run and nobody allowed it.

    Parameters
    ----------
    what : str
        The file or class, for the sentence.
    sha256 : str
        Of what would run.
    say : str
        How the user allows it.

    Attributes
    ----------
    sha256 : str
        Of what would run; `remember` takes it.
    """

    def __init__(self, what: str, sha256: str, say: str = "--trust on the command line") -> None:
        super().__init__(
            f"{what} is a program that can do on this computer whatever you can do (sha256 {sha256[:SHOWN]}..). "
            f"Open it only if you know who made it: say that you trust it ({say})."
        )
        self.sha256 = sha256


class ClassNeeded(ValueError):  # noqa: N818 - a question to the user as much as an error
    """Raised where a file holds weights alone, and their class was not named."""


def digest(content: bytes | Mapping[str, Any]) -> str:
    """Return the sha256 of a file's bytes, or of plain values, in hexadecimal digits.

    Examples
    --------
    >>> digest(b"abc")[:8], digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    ('ba7816bf', True)
    """
    raw = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(raw).hexdigest()


def trusted(sha256: str) -> bool:
    """Return whether the user allowed on this computer what has this sha256 to run."""
    return sha256 in _remembered()


def remember(sha256: str) -> None:
    """Remember that what has this sha256 may run.

    Raises
    ------
    OSError
        Where the folder of the user's models cannot be written.
    """
    known = _remembered()
    if sha256 in known:
        return
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        unfinished.write_text(json.dumps([*known, sha256], indent=0), "utf-8")


def _path() -> Path:
    return user_folder() / FILE


def _remembered() -> list[str]:
    """The list in the file; one that cannot be read counts as empty, so that the user is asked again."""
    try:
        known = json.loads(_path().read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [sha256 for sha256 in known if isinstance(sha256, str)] if isinstance(known, list) else []

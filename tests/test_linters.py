"""The linters are the same wherever they run: in tox, before a commit and in a developer's environment."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIRRORS = {"ruff": "ruff-pre-commit", "mypy": "mirrors-mypy"}
"""Linter: the repository that pre-commit takes it from, whose tags are the linter's versions."""


def pinned(requirements: list[str], linter: str) -> list[str]:
    """The versions that lines like `ruff==1.2.3` pin."""
    return [line.split("==")[1] for line in map(str.strip, requirements) if line.split("==")[0] == linter]


@pytest.mark.parametrize("linter", MIRRORS)
def test_a_linter_has_one_version_everywhere(linter: str) -> None:
    tox = ConfigParser()
    tox.read(ROOT / "tox.ini", "utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    in_tox = pinned(tox["testenv:lint"]["deps"].splitlines(), linter)
    for_developers = pinned(project["optional-dependencies"]["dev"], linter)
    before_commits = re.findall(rf"{MIRRORS[linter]}\n\s+rev: v(\S+)", hooks)
    assert len(in_tox) == 1
    assert in_tox == for_developers == before_commits

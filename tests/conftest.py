"""What every test shares: a screen for Qt where the machine has none, and patience with slow machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SCREEN = pytest.StashKey[subprocess.Popen[bytes]]()


KILLS = 6
"""So many tries of each kind the crash laboratory makes in the normal suite."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=KILLS, help="tries of each kind in the crash laboratory (-m crash)")


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    """How many tries of each kind the crash laboratory makes."""
    return int(pytestconfig.getoption("--kills"))


def _lacks_screen() -> bool:
    wanted = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    return sys.platform.startswith("linux") and not wanted & os.environ.keys()


def _start_xvfb() -> subprocess.Popen[bytes]:
    """Start a virtual screen on a free display and name it in the environment, before Qt is imported."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as told:
        number = told.readline().strip()
    if not number:
        raise pytest.UsageError(
            f"Xvfb ended with code {screen.wait()} before it had a screen; run it by hand to see why."
        )
    os.environ["DISPLAY"] = f":{number}"
    return screen


def pytest_configure(config: pytest.Config) -> None:
    """Give each process its own screen: windows of two processes on one take the focus from each other."""
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores already
    if not _lacks_screen() or config.getoption("numprocesses", None):
        return
    if shutil.which("Xvfb"):
        config.stash[SCREEN] = _start_xvfb()
    else:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"


def pytest_unconfigure(config: pytest.Config) -> None:
    if SCREEN in config.stash:
        config.stash[SCREEN].terminate()
        config.stash[SCREEN].wait()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs OpenGL where the only screen is Qt's offscreen one, which has none."""
    if os.environ.get("QT_QPA_PLATFORM") != "offscreen":
        return
    for item in items:
        if item.get_closest_marker("viewer"):
            item.add_marker(pytest.mark.skip(reason="needs a screen: set DISPLAY or install Xvfb"))

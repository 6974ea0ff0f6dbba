"""Files of microscopes' makers (CZI, ND2, LIF ..) through bioio, where it and its reader for them are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_clickseg.storage.content import Content, UnreadableError

SHOWN = 4
"""So many scenes are named in a sentence."""


def read_bioio(path: Path, inside: str, needs: str) -> Content:
    """Read a scene of a file, lazily.

    Parameters
    ----------
    inside : str
        The name or number (from 0) of a scene, of a file that holds several.
    needs : str
        The packages that read such files, as pip names them.

    Raises
    ------
    UnreadableError
        Where they are not installed, the file is damaged, or it holds several scenes and none is named.
    """
    missing = [package for package in needs.split() if find_spec(package.replace("-", "_")) is None]
    if missing:
        raise UnreadableError(
            f"{path} is a file of a microscope's maker: install its reader (pip install {needs}) or "
            "save it as OME-TIFF."
        )
    import bioio

    try:
        image = bioio.BioImage(path)
        image.set_scene(_scene(path, inside, list(image.scenes)))
        return _content(image)
    except UnreadableError:
        raise
    except Exception as error:  # readers of makers' formats raise errors of their own
        raise UnreadableError(f"{path} cannot be read as an image: {needs.split()[-1]} finds it damaged.") from error


def _scene(path: Path, inside: str, scenes: list[str]) -> int:
    if not inside and len(scenes) == 1:
        return 0
    if inside in scenes:
        return scenes.index(inside)
    if inside.isdigit() and int(inside) < len(scenes):
        return int(inside)
    listed = ", ".join(f"{path.name}/{k} ({name})" for k, name in enumerate(scenes[:SHOWN]))
    wrong = f"has no scene {inside}; it" if inside else f"holds {len(scenes)} scenes; name one of them. It"
    raise UnreadableError(f"{path} {wrong} has {listed}{' ..' if len(scenes) > SHOWN else ''}.")


def _content(image: Any) -> Content:
    """The pixels of the scene that is set, without axes of length 1 but Y and X; sizes in micrometres and seconds."""
    array, axes = image.dask_data, str(image.dims.order)
    dropped = [k for k, axis in enumerate(axes) if axis not in "YX" and array.shape[k] == 1]
    array = array[tuple(0 if k in dropped else slice(None) for k in range(len(axes)))]
    axes = "".join(axis for k, axis in enumerate(axes) if k not in dropped)
    if "S" in axes and "C" not in axes:
        axes = axes.replace("S", "C")
    sizes = image.physical_pixel_sizes
    scale = {axis: abs(float(size)) for axis in "ZYX" if (size := getattr(sizes, axis, None))}
    units = dict.fromkeys(scale, "micrometer")
    seconds = _seconds(getattr(image, "time_interval", None))
    if seconds:
        scale["T"], units["T"] = seconds, "second"
    return Content(array, axes, scale, {}, units)


def _seconds(interval: Any) -> float | None:
    """A time step as seconds: readers give a timedelta, or seconds as a number."""
    if interval is None:
        return None
    return float(interval.total_seconds() if hasattr(interval, "total_seconds") else interval)

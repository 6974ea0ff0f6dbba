"""The form that exports a Labels layer for other programs: magicgui makes it from the signature of `export_labels`."""

from pathlib import Path
from typing import Any

from magicgui import magic_factory
from magicgui.types import FileDialogMode
from magicgui.widgets import FunctionGui
from napari.layers import Image, Labels
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info

from napari_clickseg.core.images import guess_axes
from napari_clickseg.gui.plugin_layers import classes_in
from napari_clickseg.storage.exports import EXPORTS, Export
from napari_clickseg.storage.exports.frames import Exported

PROGRAMS = {export.title: name for name, export in EXPORTS.items()}


def exported_of(labels: Labels, image: Image | None) -> Exported:
    """Return what a Labels layer holds, with the classes in its features and, for pairs, the pixels of its image.

    Raises
    ------
    ValueError
        Where the image is not of the labels' shape.
    """
    pixels: Any = None if image is None else image.data[0] if image.multiscale else image.data
    if image is not None and tuple(pixels.shape[: labels.data.ndim]) != tuple(labels.data.shape):
        raise ValueError(
            f"{image.name} is of the shape {tuple(pixels.shape)}, {labels.name} of {tuple(labels.data.shape)}: "
            "choose the image that these labels belong to."
        )
    return Exported(
        labels.data,
        guess_axes(labels.data.shape),
        (labels if image is None else image).name,
        pixels,
        classes_in(labels.features),
        spacing=tuple(float(step) for step in labels.scale),
    )


def with_suffix(path: Path, export: Export) -> Path:
    """Return the path with the suffix of the export, where it has one.

    Raises
    ------
    ValueError
        Where no name was chosen, or there is no such folder.
    """
    if not path.name:
        raise ValueError("Choose where the export is to be written.")
    whole = path if path.name.lower().endswith(export.suffix) else path.with_name(path.name + export.suffix)
    if not whole.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {whole.absolute().parent}; choose one that there is.")
    return whole


def _connect(form: FunctionGui) -> None:
    """A program that reads a folder is asked for a folder."""

    def ask_for(program: str) -> None:
        form.path.mode = FileDialogMode.OPTIONAL_FILE if EXPORTS[program].suffix else FileDialogMode.EXISTING_DIRECTORY

    form.program.changed.connect(ask_for)
    ask_for(form.program.value)


@magic_factory(
    widget_init=_connect,
    call_button="Export",
    objects={"label": "labels", "tooltip": "The objects to export."},
    image={"nullable": True, "tooltip": "The image of these objects; pairs for training need it."},
    program={"choices": list(PROGRAMS.items()), "label": "for", "tooltip": "The program or format to export to."},
    path={"label": "file", "tooltip": "What to write; a missing suffix is added."},
)
def export_labels(objects: Labels, image: Image | None = None, program: str = "rois", path: Path = Path()) -> None:
    """Write the objects of a Labels layer for another program, in the background; a notification says how it ended.

    Raises
    ------
    ValueError
        Where no path was chosen, or the image is of another shape.
    """
    if objects is None:
        raise ValueError("There are no labels to export yet; draw or open some first.")
    export = EXPORTS[program]
    exported, target = exported_of(objects, image), with_suffix(path, export)
    worker = create_worker(export.write, target, exported, _start_thread=False)
    worker.returned.connect(lambda _: show_info(f"Written: {target} ({export.title})."))
    worker.errored.connect(lambda error: show_error(f"{objects.name} was not exported. {error}"))
    worker.start()

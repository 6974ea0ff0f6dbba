"""clickseg demo: a robot segments the shipped sample, or napari opens with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_clickseg.commands.options import (
    DEFAULT,
    DEVICE,
    MODEL,
    Command,
    Option,
    a_path,
    refuse_unused,
)


def run_demo(chosen: argparse.Namespace) -> None:
    """Let the robot segment the shipped sample, or open it in napari."""
    if chosen.gui:
        refuse_unused(chosen, "--gui", ("gui",))
        return _open_napari()
    from tqdm import tqdm

    from napari_clickseg.batch.demo import read_sample, segment_sample, write_results
    from napari_clickseg.models.load import load_model

    predictor = load_model(chosen.model, chosen.device)
    image, truth = read_sample()
    done = segment_sample(image, truth, predictor, lambda labels: tqdm(labels, unit="object"))
    print(f"{predictor.name} on {predictor.device}, {len(done.curves)} objects")
    for line in done.lines():
        print(line)
    for path in write_results(chosen.output, done):
        print(f"written: {path}")
    return None


def _open_napari() -> None:
    import napari

    from napari_clickseg.batch.demo import read_sample

    image, _ = read_sample()
    viewer = napari.Viewer()
    viewer.add_image(image.array, name="nuclei")
    viewer.window.add_plugin_dock_widget("napari-clickseg")
    napari.run()


COMMAND = Command(
    "demo",
    "Segment the shipped sample with a robot's clicks; write labels and an overlay.",
    run_demo,
    (
        Option.of(
            "--output",
            role="folder",
            type=a_path,
            default=Path("clickseg-demo"),
            metavar="FOLDER",
            help="where to write" + DEFAULT,
        ),
        MODEL,
        DEVICE,
        Option.of("--gui", action="store_true", help="open the sample in napari with the panel instead"),
    ),
)

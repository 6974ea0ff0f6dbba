"""The command line: what it writes, what it says of bad input, and what it does not import."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3

from napari_clickseg import cli
from napari_clickseg.benchmark import latency, memory, yardstick
from napari_clickseg.cli import COMMANDS, main
from napari_clickseg.models.card import read_card
from napari_clickseg.models.registry import list_models, load_model
from napari_clickseg.training import logs, trainer, validation
from napari_clickseg.training.recipe import list_recipes


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with an image of two discs and clicks on them."""
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite(
        "image.tif", discs(), metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}, ome=True
    )
    write_clicks("clicks.csv", [(1, 1, 20, 20), (2, 1, 20, 60), (2, 0, 20, 40)])
    return tmp_path


def discs() -> np.ndarray:
    rows, columns = np.indices((40, 80))
    near = np.minimum(np.hypot(rows - 20, columns - 20), np.hypot(rows - 20, columns - 60))
    return np.where(near <= 10, 200, 20).astype(np.uint8)


def write_clicks(path: str, rows: list[tuple], axes: tuple[str, ...] = ("y", "x")) -> None:
    with open(path, "w", newline="") as handle:
        csv.writer(handle).writerows([("object", "positive", *axes), *rows])


def segment(*more: str) -> int:
    return main(["segment", "image.tif", "--clicks", "clicks.csv", "--output", "out.tif", "--model", "geodesic", *more])


def refused(capsys: pytest.CaptureFixture[str], code: int) -> str:
    """The one sentence on stderr after bad input, with nothing written."""
    assert code == 2
    assert not Path("out.tif").exists()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("clickseg ")]
    assert len(lines) == 1
    return lines[0]


def test_segment_writes_labels_with_the_ids_of_the_table_and_the_images_spacing() -> None:
    assert segment() == 0
    with tifffile.TiffFile("out.tif") as tiff:
        labels, metadata = tiff.asarray(), tiff.ome_metadata
    assert labels[20, 20] == 1
    assert labels[20, 60] == 2
    assert labels[20, 40] == 0
    assert 'PhysicalSizeX="0.5"' in metadata


def test_segment_takes_up_objects_of_given_labels_and_leaves_the_others_alone() -> None:
    prior = np.zeros((40, 80), np.uint8)
    prior[10:31, 10:16] = 1
    prior[0:5, 70:80] = 9
    tifffile.imwrite("prior.tif", prior)
    assert segment("--labels", "prior.tif") == 0
    labels = tifffile.imread("out.tif")
    np.testing.assert_array_equal(labels == 9, prior == 9)
    assert labels[20, 20] == 1
    assert labels[20, 12] == 1
    assert (labels == 1).sum() > (prior == 1).sum()


def test_segment_works_on_a_stack_with_a_column_per_axis() -> None:
    tifffile.imwrite("image.tif", np.stack([discs()] * 3), metadata={"axes": "TYX"}, photometric="minisblack")
    write_clicks("clicks.csv", [(5, 1, 1, 20, 20), (5, 1, 2, 20, 20)], ("t", "y", "x"))
    assert segment() == 0
    labels = tifffile.imread("out.tif")
    assert labels[:, 20, 20].tolist() == [0, 5, 5]


def test_an_object_without_pixels_is_left_out_and_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    write_clicks("clicks.csv", [(1, 0, 20, 20), (2, 1, 20, 60)])
    assert segment() == 0
    assert "object 1 is left out" in capsys.readouterr().err
    assert set(np.unique(tifffile.imread("out.tif"))) == {0, 2}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--labels", "none.tif"], "There is no file none.tif"),
        (["--model", "resnet"], "There is no model 'resnet'; there are"),
        (["--model", "none.safetensors"], "There is no weights file none.safetensors"),
        (["--channel", "3"], "There is no channel 3"),
        (["--axes", "ZYX"], "must name each of the 2 axes"),
        (["--labels", "clicks.csv"], "clicks.csv cannot be read as an image"),
        (["--output", "out.jpg"], "must end in .tif"),
        (["--output", "nowhere/out.tif"], "There is no folder nowhere"),
    ],
)
def test_bad_options_of_segment_end_with_one_sentence(
    capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    assert sentence in refused(capsys, segment(*more))


@pytest.mark.parametrize(
    ("rows", "axes", "sentence"),
    [
        ([(3, 1, 20, 80)], ("y", "x"), "Object 3: the click (20, 80) lies outside the image of shape (40, 80)"),
        ([(3, 1, 20, "nan")], ("y", "x"), "line 2: y, x must be finite numbers"),
        ([(3, "maybe", 20, 20)], ("y", "x"), "line 2: 'positive' is 'maybe'"),
        ([(0, 1, 20, 20)], ("y", "x"), "object ids are whole numbers from 1 on"),
        ([(1, 1, 20, 20)], ("row", "column"), "has no column y, x"),
        ([], ("y", "x"), "holds no clicks"),
    ],
)
def test_bad_clicks_end_with_one_sentence(
    capsys: pytest.CaptureFixture[str], rows: list[tuple], axes: tuple[str, str], sentence: str
) -> None:
    write_clicks("clicks.csv", rows, axes)
    assert sentence in refused(capsys, segment())


def test_missing_files_end_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("clicks.csv").unlink()
    assert "There is no file clicks.csv" in refused(capsys, segment())
    Path("image.tif").unlink()
    assert "There is no file image.tif" in refused(capsys, segment())


def test_corrupt_weights_end_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.safetensors").write_bytes(b"\x00" * 64)
    assert "mine.safetensors" in refused(capsys, segment("--model", "mine.safetensors"))


def test_labels_of_another_shape_or_kind_end_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    v3.imwrite("prior.png", np.zeros((8, 8), np.uint8))
    assert "(8, 8)" in refused(capsys, segment("--labels", "prior.png"))
    tifffile.imwrite("prior.tif", np.zeros((40, 80), np.float32))
    assert "labels must be integers" in refused(capsys, segment("--labels", "prior.tif"))


def test_ctrl_c_ends_with_130_and_no_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_replay", interrupted)
    assert segment() == 130
    assert not Path("out.tif").exists()
    assert "stopped" in capsys.readouterr().err


def test_demo_writes_labels_and_an_overlay_and_tells_the_iou_per_click(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--model", "geodesic", "--output", "seen"]) == 0
    said = capsys.readouterr().out
    assert "click 1: mean IoU 0." in said
    labels, picture = tifffile.imread("seen/labels.tif"), v3.imread("seen/overlay.png")
    assert picture.shape == (2 * labels.shape[0], 2 * labels.shape[1], 3)
    assert len(np.unique(labels)) > 10
    assert sorted(path.name for path in Path("seen").iterdir()) == ["labels.tif", "overlay.png"]


def test_models_are_listed_with_where_they_come_from(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSEG_MODELS", str(here))
    (here / "mine.safetensors").write_bytes(b"")
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "geodesic" in said
    assert "mine (damaged)" in said
    assert str(here) in said


def bench(*more: str) -> int:
    common = ["--data", "pack", "--objects", "2", "--max-clicks", "3", "--jobs", "1", "--out", "result"]
    return main(["bench", "--models", "geodesic,superpixels", *common, *more])


@pytest.fixture
def pack(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "measure_peak", lambda model, device: 12.5)
    for folder in ("images", "labels"):
        (here / "pack" / folder).mkdir(parents=True)
    v3.imwrite(here / "pack" / "images" / "a.png", discs())
    v3.imwrite(here / "pack" / "labels" / "a.png", ((discs() > 100) * (1 + (np.arange(80) > 40))).astype(np.uint8))
    return here / "pack"


def test_bench_writes_rows_and_a_report_and_goes_on(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench() == 0
    assert "## pack" in capsys.readouterr().out
    rows = Path("result/clicks.csv").read_text()
    assert bench() == 0
    assert Path("result/clicks.csv").read_text() == rows
    assert "2 objects, at most 3 clicks on each" in Path("result/report.md").read_text()


def starts_and_robots(table: str) -> set[tuple[str, str]]:
    with open(table, newline="") as handle:
        return {(row["start"], row["robot"]) for row in csv.DictReader(handle)}


def test_bench_draws_plots_and_weighs_the_models(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench() == 0
    assert {"iou.png", "iou.svg"} <= {path.name for path in Path("result").iterdir()}
    assert Path("result/memory.csv").read_text() == "model,peak_mb\ngeodesic,12.5\nsuperpixels,12.5\n"
    assert "iou.svg" in capsys.readouterr().out


def test_bench_without_matplotlib_says_so_and_goes_on(
    pack: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert bench() == 0
    assert "There are no plots: they need matplotlib" in capsys.readouterr().out
    assert not Path("result/iou.png").exists()
    assert Path("result/report.md").exists()


def test_bench_takes_several_robots_and_starts(pack: Path) -> None:
    assert bench("--robot", "human,pair", "--start", "scratch,automatic") == 0
    pairs = {(start, robot) for start in ("scratch", "automatic") for robot in ("human", "pair")}
    assert starts_and_robots("result/clicks.csv") == pairs


def test_corrections_alone_are_measured_but_not_yet_reported(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--start", "damaged") == 0
    assert "There is no report yet" in capsys.readouterr().out
    assert not Path("result/report.md").exists()
    assert bench() == 0
    assert Path("result/report.md").exists()


def test_a_report_is_made_anew_from_several_runs(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--out", "one") == 0
    assert bench("--out", "two", "--start", "damaged") == 0
    assert main(["bench", "--report", "one", "two/clicks.csv", "--max-clicks", "3", "--out", "both"]) == 0
    assert sorted(path.name for path in Path("both").iterdir()) == ["iou.png", "iou.svg", "report.md"]
    assert "IoU@0" in Path("both/report.md").read_text()


def test_a_report_of_nothing_is_one_sentence(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "--report", str(pack), "--out", "result"])
    assert "There is no" in refused(capsys, code)
    assert not Path("result").exists()


def test_bench_works_on_a_cluster(pack: Path) -> None:
    distributed = pytest.importorskip("distributed")
    assert bench("--out", "here") == 0
    with distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        assert bench("--out", "there", "--scheduler", cluster.scheduler_address) == 0
    assert starts_and_robots("there/clicks.csv") == starts_and_robots("here/clicks.csv")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--models", "resnet"], "There is no model 'resnet'"),
        (["--data", "nowhere"], "There is no folder nowhere"),
        (["--sources", "moon"], "There is no source moon"),
        (["--robot", "hal"], "There is no robot 'hal'; there are centre"),
        (["--robot", "centre,hal"], "There is no robot 'hal'; there are centre"),
        (["--start", "middle"], "There is no start 'middle'; there are scratch, damaged, automatic"),
        (["--models", "geodesic:flip=off"], "has no refinements to switch"),
    ],
)
def test_bad_options_of_bench_end_with_one_sentence(
    pack: Path, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    assert sentence in refused(capsys, bench(*more))
    assert not Path("result").exists()


def test_bench_of_the_panel_writes_what_was_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = latency.LatencyRow("geodesic", 512, 40.0, 20.0, 50.0, 50.0, held=5.0)
    monkeypatch.setattr(latency, "measure", lambda model: [row])
    monkeypatch.setattr(
        yardstick, "measure_yardstick", lambda: yardstick.YardstickRow("hrnet18s", 400, "cpu", "float32", 80.0)
    )
    assert main(["bench", "--gui", "--models", "geodesic", "--out", "result"]) == 0
    told = capsys.readouterr().out
    assert "model geodesic, side 512, first 40.0, further 20.0" in told
    assert "network hrnet18s, side 400, device cpu, precision float32, forward 80.0" in told
    assert Path("result/yardstick.csv").read_text().splitlines()[1] == "hrnet18s,400,cpu,float32,80.0"
    lines = Path("result/latency.csv").read_text().splitlines()
    assert lines[0].startswith("model,side,first,further")
    assert len(lines) == 2


TINY = """
name = "tiny"
title = "Tiny"
description = "For tests."
side = 32

[network_options]
widths = [8, 8, 16, 16, 16]
depths = [1, 1, 1, 1]
features = [8, 8, 16, 16, 16]
click_widths = [8, 8, 16, 16, 16]

[sources]
elsewhere = 1.0

[clicks]
rounds = 1

[schedule]
batch = 2
steps = 5
"""


def train(*more: str) -> int:
    return main(["train", "tiny.toml", "--data", "pack", "--device", "cpu", *more])


@pytest.fixture
def tiny(pack: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny recipe and a folder of one's own; models are installed into models/."""
    monkeypatch.setattr(validation, "WINDOWS", 2)
    monkeypatch.setattr(validation, "BATCH", 2)
    monkeypatch.setenv("CLICKSEG_MODELS", "models")
    Path("tiny.toml").write_text(TINY)
    return pack


def test_train_tunes_a_model_to_a_folder_and_puts_it_into_the_picker(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--steps", "1", "--out", "base", "--no-install") == 0
    assert not Path("models").exists()
    assert train("--from", "base/pack.safetensors", "--steps", "2", "--name", "mine") == 0
    assert "In the model picker and for --model it is 'mine' (models/mine.safetensors)" in capsys.readouterr().out
    assert sorted(path.name for path in Path("clickseg-train/mine").iterdir()) == [
        "checkpoint.pt",
        "log.csv",
        "mine.safetensors",
        "tensorboard",
    ]
    entry = {entry.name: entry for entry in list_models()}["mine"]
    assert (entry.kind, entry.title) == ("user", "mine")
    assert load_model("mine", "cpu").card.data == {"pack": "the user's own images"}
    assert segment("--model", "mine") == 0


def test_train_does_not_lose_a_model_of_the_same_name_unasked(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--steps", "1", "--out", "first") == 0
    first = Path("models/pack.safetensors").read_bytes()
    assert "is a model of another run: choose another --name" in refused(
        capsys, train("--seed", "1", "--out", "second")
    )
    assert not Path("second").exists()
    assert train("--steps", "2", "--out", "first") == 0
    assert Path("models/pack.safetensors").read_bytes() != first
    assert train("--steps", "1", "--out", "second", "--replace") == 0
    assert Path("models/pack.safetensors").read_bytes() == Path("second/pack.safetensors").read_bytes()


def test_train_draws_from_several_folders_alike(tiny: Path) -> None:
    shutil.copytree("pack", "more/cells")
    assert main(["train", "tiny.toml", "--data", "pack", "more", "--steps", "1", "--out", "out", "--no-install"]) == 0
    card = read_card("out/pack-cells.safetensors")
    assert card.recipe["sources"] == {"pack": 0.5, "cells": 0.5}


def test_train_resumes_what_is_there_and_starts_anew_when_told(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no run in out to resume" in refused(capsys, train("--resume", "--out", "out"))
    assert train("--steps", "1", "--out", "out") == 0
    assert train("--steps", "2", "--out", "out", "--resume") == 0
    assert Path("out/log.csv").read_text().count("\n") == 3
    assert train("--steps", "2", "--out", "out", "--anew", "--replace") == 0
    assert Path("out/log.csv").read_text().count("\n") == 2


def test_ctrl_c_while_training_writes_the_checkpoint_first(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = trainer._step
    monkeypatch.setattr(trainer, "_step", lambda *given: signal.raise_signal(signal.SIGINT) or steps(*given))
    assert train("--out", "out") == 130
    assert "stopped" in capsys.readouterr().err
    assert [path.name for path in Path("out").glob("*.pt")] == ["checkpoint.pt"]


def test_train_without_tensorboard_says_so(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "find_spec", lambda name: None)
    assert train("--steps", "1") == 0
    assert "TensorBoard is not installed" in capsys.readouterr().out


def test_only_the_first_of_several_processes_speaks(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert train("--steps", "1") == 0
    assert capsys.readouterr() == ("", "")
    assert not Path("models").exists()


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_recipes()
    assert "Superpixel box" in lines[-1]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--data", "nowhere"], "There is no folder nowhere"),
        (["--data", "pack", "other"], "needs another name: there is a source 'pack' already"),
        (["--data", "result"], "result has no images with labels"),
        (["--from", "resnet"], "There is no model 'resnet'"),
        (["--from", "geodesic"], "'geodesic' has no weights to start from"),
        (["--from", "default"], "do not fit the network ClickNet"),
        (["--name", "a/b"], "'a/b' is no name for a model"),
        (["--device", "abacus"], "There is no device 'abacus'"),
    ],
)
def test_bad_options_of_train_end_with_one_sentence(
    tiny: Path, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    Path("result").mkdir()
    shutil.copytree("pack", "other/pack")
    assert sentence in refused(capsys, train(*more))
    assert not Path("models").exists()


def test_an_unknown_recipe_ends_with_the_recipes_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert "one of brs, clickseg, forte99" in refused(capsys, main(["train", "resnet", "--data", "."]))


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

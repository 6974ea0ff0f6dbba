"""clickseg bench: rows, reports and plots, and what it says of bad input."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from imageio import v3

from command_lines import discs, refused
from napari_clickseg.benchmark import latency, yardstick
from napari_clickseg.cli import main
from napari_clickseg.commands import bench as command


def bench(*more: str) -> int:
    common = ["--data", "pack", "--objects", "2", "--max-clicks", "3", "--jobs", "1", "--out", "result"]
    return main(["bench", "--models", "geodesic,superpixels", *common, *more])


def test_bench_writes_rows_and_a_report_and_goes_on(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench() == 0
    assert "already" not in capsys.readouterr().out
    rows = Path("result/clicks.csv").read_text()
    assert bench() == 0
    assert "4 of 4 objects (counted for each model, robot and start) are in" in capsys.readouterr().out
    assert Path("result/clicks.csv").read_text() == rows
    assert "2 objects, at most 3 clicks on each" in Path("result/report.md").read_text()


def test_bench_tells_the_first_tables_and_leaves_the_rest_to_the_report(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench() == 0
    told = capsys.readouterr().out
    assert "## NoC@90" in told
    assert "## NoC@85" in told
    assert "## pack" not in told
    assert "## pack" in Path("result/report.md").read_text()
    assert str(Path("result/report.md")) in told


def test_bench_says_what_it_weighs_and_only_once(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench() == 0
    assert "Measuring the memory that geodesic needs" in capsys.readouterr().out
    assert bench() == 0
    assert "Measuring" not in capsys.readouterr().out


def test_an_image_that_does_not_fit_its_labels_is_refused_before_the_work(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    v3.imwrite(pack / "images" / "a.png", discs()[:30])
    assert "differ in shape: (30, 80) and (40, 80)" in refused(capsys, bench())
    assert not Path("result").exists()


def test_as_many_processes_work_as_this_one_has_cores_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.sys, "platform", "linux")
    monkeypatch.setattr(command.os, "sched_getaffinity", lambda process: {1, 3}, raising=False)
    assert command.usable_cores() == 2
    monkeypatch.setattr(command.sys, "platform", "darwin")
    monkeypatch.setattr(command.os, "cpu_count", lambda: 7)
    assert command.usable_cores() == 7


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
    monkeypatch.setattr(command, "find_spec", lambda name: None)
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


def test_a_report_of_another_table_tells_what_is_wanted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(capsys, main(["bench", "--report", "clicks.csv", "--out", "result"]))
    assert "wanted is a clicks.csv that it wrote, and it has no column source, image, frame, area" in told
    assert "--out" not in told


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
        (["--data", "nowhere"], "There is no file or folder nowhere"),
        (["--sources", "moon"], "There is no source moon"),
        (["--robot", "hal"], "There is no robot 'hal'; there are centre"),
        (["--robot", "centre,hal"], "There is no robot 'hal'; there are centre"),
        (["--robot", ","], "--robot names nothing"),
        (["--start", "middle"], "There is no start 'middle'; there are scratch, damaged, automatic"),
        (["--models", "geodesic:flip=off"], "has no refinements to switch"),
    ],
)
def test_bad_options_of_bench_end_with_one_sentence(
    pack: Path, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    assert sentence in refused(capsys, bench(*more))
    assert not Path("result").exists()


@pytest.mark.parametrize("models", ["geodesic,ritm", "ritm:flip=off"])
def test_a_recipe_is_no_model_yet(
    pack: Path, no_weights: None, capsys: pytest.CaptureFixture[str], models: str
) -> None:
    assert "ritm is a recipe: `clickseg train ritm` makes it." in refused(capsys, bench("--models", models))


def test_bench_of_the_panel_writes_what_was_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = latency.LatencyRow("geodesic", 512, 40.0, 20.0, 50.0, 50.0, held=5.0)
    monkeypatch.setattr(latency, "measure", lambda model: [row])
    panel = latency.PanelRow("geodesic", 300.0, 250.0, 150.0, 11, 12, 9.0, load=0.5, begun_cpu=80.0, turn_cpu=40.0)
    monkeypatch.setattr(latency, "measure_panel", lambda model: panel)
    monkeypatch.setattr(
        yardstick, "measure_yardstick", lambda: yardstick.YardstickRow("hrnet18s", 400, "cpu", "float32", 80.0)
    )
    assert main(["bench", "--gui", "--models", "geodesic", "--out", "result"]) == 0
    told = capsys.readouterr().out
    assert "model geodesic, side 512, first 40.0, further 20.0" in told
    assert (
        "opened 300.0, opened_cpu 250.0, preview 150.0, shown 11, moves 12, held 9.0, load 0.5, begun_cpu 80.0" in told
    )
    assert Path("result/panel.csv").read_text().splitlines()[0].startswith("model,opened,opened_cpu,preview")
    assert "network hrnet18s, side 400, device cpu, precision float32, forward 80.0" in told
    assert Path("result/yardstick.csv").read_text().splitlines()[1] == "hrnet18s,400,cpu,float32,80.0"
    lines = Path("result/latency.csv").read_text().splitlines()
    assert lines[0].startswith("model,side,first,further")
    assert len(lines) == 2


def test_a_page_is_filled_from_a_folder_of_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Prose\n")
    assert main(["bench", "--page", str(page), "--report", str(tmp_path)]) == 0
    assert page.read_text() == "# Prose\n"
    assert str(page) in capsys.readouterr().out
    assert "--page needs --report" in refused(capsys, main(["bench", "--page", str(page)]))


@pytest.mark.parametrize("mode", [("--jobs", "1"), ("--correct",), ("--suggest", "1"), ("--sequences", "effort")])
def test_labels_whose_background_is_no_0_are_asked_about(
    pack: Path, capsys: pytest.CaptureFixture[str], mode: tuple[str, ...]
) -> None:
    path = pack / "labels" / "a.png"
    v3.imwrite(path, v3.imread(path) + 1)
    model = "geodesic" if mode[0] == "--jobs" else "default"
    command = ["bench", "--data", "pack", "--models", model, "--out", "result", *mode]
    assert "Say what is background: --background 1, or" in refused(capsys, main(command))
    assert not Path("result").exists()


def test_a_background_that_is_named_is_none_of_the_objects(pack: Path) -> None:
    path = pack / "labels" / "a.png"
    v3.imwrite(path, v3.imread(path) + 1)
    command = ["bench", "--data", "pack", "--models", "geodesic", "--max-clicks", "1", "--background", "1"]
    assert main([*command, "--out", "result", "--jobs", "1"]) == 0
    with open("result/clicks.csv", newline="") as handle:
        assert {row["object"] for row in csv.DictReader(handle)} == {"2", "3"}


def test_corrections_need_a_model_that_finds_objects_by_itself(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(capsys, main(["bench", "--correct", "--models", "geodesic", "--data", "pack", "--out", "result"]))
    assert "geodesic cannot; name a converted model first" in told
    assert not Path("result").exists()

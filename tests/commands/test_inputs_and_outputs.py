"""Every command: no output takes the place of an input, and what can be known at the start is known at the start."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from imageio import v3

from command_lines import discs, segment, write_clicks
from napari_clickseg import Session, load_model, read_image
from napari_clickseg.cli import COMMANDS, main
from napari_clickseg.storage import cell_tracking, write_labels
from napari_clickseg.storage.session_file import Record, save_session

links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")


@pytest.fixture(autouse=True)
def movie(here: Path) -> None:
    """A movie of two discs, labels of its first frame, an OME-Zarr image, and folders of images, clicks and labels."""
    tifffile.imwrite("movie.tif", np.stack([discs()] * 3), ome=True, metadata={"axes": "TYX"}, photometric="minisblack")
    tifffile.imwrite("first.tif", (discs() > 100) * (1 + (np.arange(80) > 40)).astype(np.uint16))
    zarr.save_array("plain.zarr", discs())
    group = zarr.open_group("img.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=discs())
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0]}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ]
    for folder in ("images", "tables"):
        Path(folder).mkdir()
    tifffile.imwrite("images/a.tif", discs())
    write_clicks("tables/a.csv", [(1, 1, 20, 20)])


def snapshot() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


def refuses(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that is refused; return its one sentence, and see to it that nothing at all has changed."""
    before = snapshot()
    assert main(list(arguments)) == 2
    assert snapshot() == before
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]


PROPAGATE = ("propagate", "movie.tif", "--labels", "first.tif", "--model", "geodesic")
SEGMENT = ("segment", "image.tif", "--clicks", "clicks.csv", "--model", "geodesic")


@pytest.mark.parametrize(
    "arguments",
    [
        (*SEGMENT, "--output", "image.tif"),
        (*SEGMENT, "--output", "./images/../image.tif"),
        (*SEGMENT, "--labels", "first.tif", "--output", "first.tif"),
        ("segment", "plain.zarr", *SEGMENT[2:], "--output", "plain.zarr"),
        ("segment", "img.zarr", *SEGMENT[2:], "--output", "img.zarr"),
        ("segment", "img.zarr/0", *SEGMENT[2:], "--output", "img.zarr"),
        ("segment", "movie.tif", *SEGMENT[2:], "--output", "out.tif", "--ctc", "."),
        ("segment", "images", "--clicks", "tables", *SEGMENT[4:], "--output", "images"),
        ("segment", "images", "--clicks", "tables", *SEGMENT[4:], "--output", "images", "--force"),
        ("segment", "images", "--clicks", "tables", *SEGMENT[4:], "--output", "images/.", "--force"),
        (*PROPAGATE, "--output", "movie.tif"),
        (*PROPAGATE, "--output", "first.tif"),
        (*PROPAGATE, "--output", "out.tif", "--events", "movie.tif"),
        (*PROPAGATE, "--output", "out.tif", "--events", "first.tif"),
        (*PROPAGATE, "--output", "out.tif", "--review", "./movie.tif"),
        (*PROPAGATE, "--output", "out.tif", "--ctc", "."),
    ],
)
def test_an_output_that_names_an_input_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert "destroy" in refuses(capsys, *arguments)


@links
@pytest.mark.parametrize("output", ["link.tif", "hard.tif", "there/image.tif"])
def test_links_to_an_input_are_refused_too(capsys: pytest.CaptureFixture[str], output: str) -> None:
    os.symlink("image.tif", "link.tif")
    os.link("image.tif", "hard.tif")
    os.symlink(".", "there", target_is_directory=True)
    before = Path("image.tif").read_bytes()
    assert main([*SEGMENT, "--output", output]) == 2
    assert "would destroy it" in capsys.readouterr().err
    assert Path("image.tif").read_bytes() == before


@links
def test_a_folder_whose_labels_are_links_to_its_images_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    os.symlink(Path("images/a.tif").resolve(), "out/a.tif")
    command = ["segment", "images", "--clicks", "tables", *SEGMENT[4:], "--output", "out", "--force"]
    assert main(command) == 2
    assert "would destroy it" in capsys.readouterr().err
    assert tifffile.imread("images/a.tif").max() == 200


@pytest.mark.parametrize(
    ("events", "review"), [("out.tif", "r.csv"), ("t.csv", "t.csv"), ("t.csv", "./t.csv"), ("01_RES/e.csv", "r.csv")]
)
def test_two_outputs_in_one_place_are_refused(capsys: pytest.CaptureFixture[str], events: str, review: str) -> None:
    more = ("--output", "out.tif", "--ctc", "01_RES", "--events", events, "--review", review)
    sentence = refuses(capsys, *PROPAGATE, *more)
    assert "both" in sentence or "lies inside" in sentence


@pytest.mark.parametrize(
    "more",
    [
        ("--output", "nowhere/out.tif"),
        ("--output", "o" * 300 + ".tif"),
        ("--output", "image.tif/out.tif"),
        ("--output", "out.tif", "--events", "nowhere/e.csv"),
        ("--output", "out.tif", "--events", "images"),
        ("--output", "out.tif", "--review", "nowhere/r.csv"),
        ("--output", "out.tif", "--ctc", "nowhere/01_RES"),
        ("--output", "images"),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    refuses(capsys, *PROPAGATE, *more)


def test_a_folder_that_refuses_new_files_is_refused_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    if sys.platform != "linux":
        pytest.skip("/proc is Linux's")
    assert "/proc refuses new files" in refuses(capsys, *PROPAGATE, "--output", "/proc/out.tif")
    command = ("segment", "images", "--clicks", "tables", *SEGMENT[4:], "--output", "/proc/out")
    assert "/proc refuses new files" in refuses(capsys, *command)


@links
def test_a_linked_output_is_written_through() -> None:
    Path("store").mkdir()
    Path("store/real.tif").write_bytes(b"old")
    os.symlink("store/real.tif", "out.tif")
    assert segment() == 0
    assert Path("out.tif").is_symlink()
    assert tifffile.imread("store/real.tif").max() == 2
    assert os.listdir("store") == ["real.tif"]


@links
def test_a_linked_zarr_is_written_through() -> None:
    Path("store/real.zarr").mkdir(parents=True)
    os.symlink("store/real.zarr", "out.zarr", target_is_directory=True)
    assert main([*SEGMENT, "--output", "out.zarr"]) == 0
    assert Path("out.zarr").is_symlink()
    assert zarr.open_array("store/real.zarr/0", mode="r")[20, 20] == 1
    assert main([*SEGMENT, "--output", "out.zarr"]) == 0  # and once more, over what is ours
    assert os.listdir("store") == ["real.zarr"]


def saved_session() -> None:
    """A session on image.tif, saved as session.json."""
    session = Session(read_image("image.tif"), load_model("geodesic"))
    record = Record(session)
    session.click((20, 20))
    session.commit()
    save_session("session.json", record, "image.tif")


@pytest.mark.parametrize(
    "more",
    [
        ("--output", "image.tif"),
        ("--output", "first.tif", "--labels", "first.tif"),
        ("--output", "first.tif", "--against", "first.tif"),
        ("--output", "out.tif", "--clicks", "session.json"),
        ("--output", "out.tif", "--clicks", "./image.tif"),
        ("--output", "out.tif", "--clicks", "out.tif"),
    ],
)
def test_replay_writes_over_nothing_that_it_reads(capsys: pytest.CaptureFixture[str], more: tuple[str, ...]) -> None:
    saved_session()
    sentence = refuses(capsys, "replay", "session.json", "image.tif", *more)
    assert "destroy" in sentence or "both" in sentence


@pytest.mark.parametrize("preview", ["image.png", "./image.png", "net.pt", "tables"])
def test_a_preview_writes_over_nothing_that_is_read(capsys: pytest.CaptureFixture[str], preview: str) -> None:
    v3.imwrite("image.png", discs())
    Path("net.pt").write_bytes(b"weights")
    before = snapshot()
    try:
        assert main(["convert", "net.pt", "--image", "image.png", "--preview", preview]) == 2
    except SystemExit as end:  # a name that does not say which kind of picture
        code = end.code
    else:
        code = 2
    assert code == 2
    assert snapshot() == before
    assert "destroy" in capsys.readouterr().err or preview in ("net.pt", "tables")


@pytest.mark.usefixtures("pack")
@pytest.mark.parametrize(
    "command",
    [
        ("bench", "--data", "pack", "--out", "image.tif"),
        ("bench", "--data", "pack", "--out", "image.tif/out"),
        ("demo", "--output", "image.tif"),
        ("train", "--data", "pack", "--out", "image.tif"),
    ],
)
def test_a_folder_to_write_into_is_no_file(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert "image.tif is a file, and wanted is a folder" in refuses(capsys, *command)


@pytest.mark.parametrize("command", ["segment", "propagate", "replay"])
def test_labels_that_cannot_be_written_at_the_end_are_kept_and_named(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    saved_session()
    (here / "tmp").mkdir()
    monkeypatch.setattr(write_labels.tempfile, "tempdir", str(here / "tmp"))
    writer = write_labels.LABEL_WRITERS[".tif"]

    def full_disk(path: Path, *rest: object) -> None:
        if path.parent == here:
            raise OSError(errno.ENOSPC, "No space left on device")
        writer(path, *rest)

    monkeypatch.setitem(write_labels.LABEL_WRITERS, ".tif", full_disk)
    commands = {"segment": SEGMENT, "propagate": PROPAGATE, "replay": ("replay", "session.json", "image.tif")}
    assert main([*commands[command], "--output", "out.tif"]) == 2
    (kept,) = (here / "tmp").glob("clickseg-out-*.tif")
    assert f"the labels are kept in {kept}" in capsys.readouterr().err
    assert tifffile.imread(kept).max() > 0
    assert not Path("out.tif").exists()


def test_what_fails_beside_the_labels_is_not_in_the_way_of_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError("01_RES cannot be written: No space left on device.")

    monkeypatch.setattr(cell_tracking, "write_result", failing)
    assert main([*PROPAGATE, "--output", "out.tif", "--ctc", "01_RES", "--events", "e.csv", "--review", "r.csv"]) == 2
    assert "No space left on device. The labels are in out.tif." in capsys.readouterr().err
    assert Path("e.csv").exists()
    assert Path("r.csv").exists()
    assert tifffile.imread("out.tif").max() > 0


@pytest.mark.parametrize("channels", [4, 5])
def test_of_more_than_three_channels_it_is_said_which_are_looked_at(
    capsys: pytest.CaptureFixture[str], channels: int
) -> None:
    stack = np.stack([discs()] * channels)
    tifffile.imwrite("many.tif", stack, ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    command = ["segment", "many.tif", *SEGMENT[2:], "--output", "out.tif"]
    assert main(command) == 0
    said = f"many.tif has {channels} channels; channels 0, 1 and 2 are looked at. Choose one with --channel N"
    assert said in capsys.readouterr().err
    assert main([*command, "--channel", "3"]) == 0
    assert "channels" not in capsys.readouterr().err
    assert main([*SEGMENT, "--output", "out.tif"]) == 0
    assert "channels" not in capsys.readouterr().err


def test_every_option_that_names_a_file_says_what_becomes_of_it() -> None:
    unsaid = [
        (command.name, option.names[0])
        for command in COMMANDS
        for option in command.options
        if option.settings.get("type") is Path and not option.role
    ]
    assert unsaid == []


def test_chunks_that_cannot_be_unpacked_end_in_a_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("torn.zarr", "images/torn.zarr"):
        zarr.create_array(folder, data=tifffile.imread("image.tif"), zarr_format=2)
        for chunk in Path(folder).glob("[0-9]*"):
            chunk.write_bytes(b"torn")
    command = [*SEGMENT[2:], "--output", "out.tif"]
    assert "torn.zarr is damaged, or cut off" in refuses(capsys, "segment", "torn.zarr", *command)
    Path("tables").mkdir(exist_ok=True)
    Path("tables/torn.csv").write_text(Path("clicks.csv").read_text())
    assert main(["segment", "images", "--clicks", "tables", "--model", "geodesic", "--output", "out"]) == 1
    assert "torn.zarr is damaged, or cut off" in capsys.readouterr().err


def test_a_zarr_without_images_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    zarr.open_group("empty.zarr", mode="w")
    assert "this zarr holds none" in refuses(capsys, "segment", "empty.zarr", *SEGMENT[2:], "--output", "out.tif")

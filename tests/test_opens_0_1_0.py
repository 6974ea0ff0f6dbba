"""What version 0.1.0 wrote still opens, and means the same: journals, session files, models, tables, checkpoints.

The files and what 0.1.0 made of them lie in `fixtures/v0_1_0`, with the script that wrote them.
"""

from __future__ import annotations

import csv
import json
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from safetensors.numpy import load_file, save_file

from doubles import Disks
from napari_clickseg import Click, Session, list_models, load_model, read_image
from napari_clickseg.cli import main
from napari_clickseg.core.images import Image
from napari_clickseg.core.masks import Prediction
from napari_clickseg.core.regions import Region
from napari_clickseg.core.requests import Nobody, Request
from napari_clickseg.models.card import ConvertedCard, ModelCard, read_card
from napari_clickseg.models.import_model import examine
from napari_clickseg.models.load import open_converted
from napari_clickseg.models.trust import Untrusted
from napari_clickseg.storage.journal_files import find
from napari_clickseg.storage.recovery import Recovered, recover
from napari_clickseg.storage.session_file import Replay, Summary, load_session
from napari_clickseg.storage.tables import read_clicks_csv

FILES = Path(__file__).parent / "fixtures" / "v0_1_0"
IMAGES, JOURNALS, SESSIONS, MODELS, TABLES, TRAINING = (
    FILES / name for name in ("images", "journals", "sessions", "models", "tables", "training")
)
CONVERTED = ("code", "exported", "onnx", "own-class", "traced")
CLOSE = 0.05
"""Of the range of logits: processors and versions of torch round otherwise."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, which is that of the user's models and journals, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path))
    monkeypatch.setenv("CLICKSEG_JOURNALS", str(tmp_path))
    return tmp_path


def crc(labels: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(labels[:], "<i8").tobytes())


def image_of(name: str) -> Image:
    """The image that the journal or session file of this name is about."""
    if name.startswith("random"):
        return Image.of(np.load(IMAGES / f"{name}.npy"), "TYX" if name.endswith("movie") else "TZYX")
    if name == "disk":
        return Image.of(np.load(IMAGES / "large.npz")["image"], "TYX")
    return read_image(IMAGES / ("plane.png" if name == "saved" else "stack.tif"))


def expected_of(path: Path) -> dict[str, Any]:
    return json.loads(path.with_suffix(".expected.json").read_text())


def assert_state(session: Session, expected: dict[str, Any]) -> None:
    frames = list(np.ndindex(*session.image.frames_shape(session.ndim)))
    shown = {
        "label": session.label,
        "clicks": [[list(click.position), click.positive] for click in session.clicks],
        "threshold": session.threshold,
        "diameter": session.diameter,
        "protect": session.protect,
        "ndim": session.ndim,
        "step": session.step,
        "area": session.area(),
        "confirmed": sorted(map(list, session.confirmed)),
        "confidence": [[list(f), [list(p) for p in sorted(session.confidence(f).items())]] for f in frames],
    }
    shown["confidence"] = [row for row in shown["confidence"] if row[1]]
    assert shown == expected


def travelled(session: Session, move: Callable[[], object], can: Callable[[], bool]) -> Iterator[int]:
    while can():
        move()
        yield crc(session.labels)


# -- journals ----------------------------------------------------------------------------------------------------------


def begun(recovered: Recovered, name: str, labels: Any = None) -> Session:
    return recovered.session(image_of(name), Nobody(recovered.began.ndim), labels)


@pytest.mark.parametrize("name", ["acts", "depth", "random-movie", "random-volumes", "saved"])
def test_a_journal_gives_the_same_labels_after_every_act_undo_and_redo(name: str) -> None:
    path = JOURNALS / f"{name}.jsonl"
    expected, arrays = expected_of(path), np.load(path.with_suffix(".expected.npz"))
    recovered = recover(path)
    session = begun(recovered, name)
    if "start" in arrays:
        np.testing.assert_array_equal(session.labels, arrays["start"])
    assert [entry.act.name for entry in recovered.entries] == expected["acts"]
    pictures = [crc(session.labels) for _ in recovered.steps(session)]
    assert pictures == expected["pictures"]
    np.testing.assert_array_equal(session.labels, arrays["final"])
    assert_state(session, expected["state"])
    assert list(travelled(session, session.undo, lambda: session.can_undo)) == expected["undone"]
    assert list(travelled(session, session.redo, lambda: session.can_redo)) == expected["redone"]


def test_the_journals_hold_every_act_that_a_session_knew() -> None:
    acts = {name for path in JOURNALS.glob("*.jsonl") if path.stem != "cut" for name in expected_of(path)["acts"]}
    assert acts == {
        *("set_clicks", "apply", "ask_again", "stop_waiting", "commit", "cancel", "resume", "start_new", "put_away"),
        *("reserve", "undo", "redo", "edit", "extend", "merge", "split", "delete", "fill", "relabel", "copy_from"),
        *("confirm", "threshold", "diameter", "protect", "predictor", "paint"),
    }


def test_answers_edits_and_paint_come_back_with_all_that_they_hold() -> None:
    entries = recover(JOURNALS / "acts.jsonl").entries
    answer = next(entry.act.arguments["prediction"] for entry in entries if entry.act.name == "apply")
    assert (answer.note, answer.logits.dtype, answer.region) == ("looked twice", np.float32, Region((15, 15), (28, 30)))
    assert answer.window == Region((13, 13), (30, 32))
    edits = next(entry.act.arguments["edits"] for entry in entries if entry.act.name == "edit")
    assert {frame: (edit.fresh, dict(edit.confidence)) for frame, edit in edits.items()} == {
        (1,): (False, {80: 0.75}),
        (2,): (True, {}),
    }
    assert edits[(2,)].values.tolist() == [[0, 1, 2], [3, 0, 1], [2, 3, 0]]
    paint = next(entry.act.arguments for entry in entries if entry.act.name == "paint")
    assert (paint["region"], paint["values"].dtype) == (Region((0, 0, 40), (1, 4, 48)), np.uint16)
    assert paint["values"].tolist() == [[[70] * 4 + [71] * 4] * 4]


def test_labels_on_disk_are_rolled_back_and_drawn_again(tmp_path: Path) -> None:
    path = JOURNALS / "disk.jsonl"
    arrays = np.load(path.with_suffix(".expected.npz"))
    labels = zarr.create_array(tmp_path / "labels.zarr", shape=(2, 300, 280), chunks=(1, 64, 64), dtype="uint16")
    labels[:] = arrays["final"]
    recovered = recover(path)
    with pytest.raises(ValueError, match="no copy of the labels"):
        recovered.labels()
    session = begun(recovered, "disk", labels)
    np.testing.assert_array_equal(labels[:], arrays["start"])
    assert [crc(labels) for _ in recovered.steps(session)] == expected_of(path)["pictures"]
    np.testing.assert_array_equal(labels[:], arrays["final"])


def test_a_journal_that_was_cut_gives_what_its_whole_lines_say() -> None:
    recovered = recover(JOURNALS / "cut.jsonl")
    pictures = expected_of(JOURNALS / "acts.jsonl")["pictures"][: len(recovered.entries)]
    session = begun(recovered, "acts")
    assert [crc(session.labels) for _ in recovered.steps(session)] == pictures
    assert 10 < len(pictures) < 40


def test_unsaved_journals_are_found_by_their_image_and_what_was_saved_is_not_offered(folder: Path) -> None:
    for path in JOURNALS.glob("*.jsonl"):
        shutil.copy(path, folder)
    found = {f.path.stem: (f.image, f.acts, f.kept, f.model) for f in find(image_of("acts"), folder)}
    assert found.keys() == {"acts", "cut", "depth"}
    assert found["depth"] == ("cells.tif", 11, 1, "noting in depth")
    (saved,) = find(image_of("saved"), folder)
    assert (saved.acts, saved.kept, saved.model) == (3, 2, "geodesic")


# -- session files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["acts", "depth", "random-movie", "random-volumes"])
def test_a_session_file_gives_the_same_labels_and_undo(name: str) -> None:
    path = SESSIONS / f"{name}.json"
    expected, arrays = expected_of(path), np.load(JOURNALS / f"{name}.expected.npz")
    saved = load_session(path)

    def load(model: str) -> Disks:
        if model.startswith("disks"):
            return Disks(int(model.split()[2]), 1.5, model)
        return Disks(3, 2.0, model) if model == "noting in depth" else Disks(2, 3.0, model)

    start = arrays.get("start")
    session = Session(image_of(name), load(saved.began.model), start, highest=saved.highest)
    saved.began.apply_to(session)
    replay = Replay(saved, session, load)
    assert len(list(replay.steps())) == len(saved.entries) > 5
    assert replay.problems == []
    np.testing.assert_array_equal(session.labels, arrays["final"])
    assert crc(session.labels) == expected["picture"]
    assert Summary.of(session.labels) == saved.labels
    # what was undone is not in the file, so that its steps may be fewer
    assert_state(session, expected["state"] | {"step": session.step})
    assert saved.image.shows(image_of(name))


@pytest.mark.parametrize(
    ("name", "image", "more"),
    [("movie", "movie.tif", ["--labels", str(IMAGES / "start.tif")]), ("tiny", "plane.png", [])],
)
def test_the_command_line_replays_a_session_file(
    folder: Path, name: str, image: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(MODELS / "tiny.safetensors", folder)
    session = SESSIONS / f"replayed-{name}.json"
    assert main(["replay", str(session), str(IMAGES / image), "--output", "out.tif", "--device", "cpu", *more]) == 0
    expected, out = read_image(SESSIONS / f"replayed-{name}.expected.tif"), read_image("out.tif")
    assert (out.axes, out.spacing) == (expected.axes, pytest.approx(expected.spacing))
    different = np.count_nonzero(out.array != expected.array)
    assert different <= (0 if name == "movie" else CLOSE * np.count_nonzero(expected.array))
    assert np.count_nonzero(expected.array) > 50
    assert "other weights" not in capsys.readouterr().err


def test_clicks_of_a_session_file_come_out_as_a_table(folder: Path) -> None:
    line = ["replay", str(SESSIONS / "replayed-movie.json"), str(IMAGES / "movie.tif"), "--output", "out.tif"]
    assert main([*line, "--labels", str(IMAGES / "start.tif"), "--clicks", "clicks.csv"]) == 0
    clicks = read_clicks_csv("clicks.csv", "TYX")
    assert clicks[10] == [Click((0.0, 10.0, 11.0)), Click((0.0, 20.0, 24.0), False)]
    assert clicks[9] == [Click((2.0, 30.0, 36.0))]


# -- models ------------------------------------------------------------------------------------------------------------


def opened(name: str) -> Any:
    path = MODELS / f"{name}.safetensors"
    return open_converted(path, "cpu", trust=True) if name in CONVERTED else load_model(path, "cpu")


@pytest.mark.parametrize("name", ["tiny", *CONVERTED])
def test_a_model_gives_the_same_answers(name: str) -> None:
    image, answers = read_image(IMAGES / "plane.png"), np.load(MODELS / "answers.expected.npz")
    clicks = (Click((29.0, 14.0)), Click((20.0, 14.0), False))
    ys, xs = np.indices((8, 8))
    prior = Prediction.from_mask((ys - 4) ** 2 + (xs - 4) ** 2 <= 9, Region((25, 10), (33, 18)))
    predictor = opened(name)
    if name in CONVERTED:  # by itself: where it sees nothing, the default model answers today
        predictor = replace(predictor, other=None)
        now, then = predictor.probability(image, ()), answers[f"{name}/probability"] / 255
        assert np.mean(np.abs(now - then) > CLOSE) < 0.01
    for what, request in (
        ("first", Request((), clicks[:1], None, 12.0)),
        ("further", Request((), clicks, prior, 12.0)),
    ):
        logits = predictor.predict(image, request).logits_on(Region.whole(image.shape))
        expected = answers[f"{name}/{what}"].astype(np.float32)
        off = np.abs(logits - expected) > CLOSE * np.ptp(expected)
        if name in CONVERTED:  # what a lowered threshold adds hangs together today
            off = (logits > 0) != (expected > 0)
        assert np.mean(off) < 0.01, f"{name}, {what}"
    if name in CONVERTED:
        expected = answers[f"{name}/labels"]
        np.testing.assert_array_equal(predictor.segment(image, ()) > 0, expected > 0)
        assert predictor.segment(image, ()).max() == expected.max()


@pytest.mark.parametrize("name", ["tiny", *CONVERTED])
def test_the_card_of_a_model_says_the_same(name: str) -> None:
    card = read_card(MODELS / f"{name}.safetensors")
    assert isinstance(card, ConvertedCard if name in CONVERTED else ModelCard)
    now, then = as_json(card), json.loads((MODELS / "cards.expected.json").read_text())[name]
    assert known_then(now, then) == then


def known_then(now: Any, then: Any) -> Any:
    """What a card says today, without the fields that 0.1.0 did not have."""
    if not isinstance(then, dict):
        return now
    return {key: known_then(now[key], value) for key, value in then.items()}


def as_json(card: Any) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(card)))


def cards_without_weights() -> dict[str, dict[str, Any]]:
    """The cards of the models that came with 0.1.0, and of one that was tuned."""
    shipped = json.loads(lzma.decompress((MODELS / "shipped-cards.json.xz").read_bytes()))
    return {**shipped, "tuned": json.loads((MODELS / "tuned-card.json").read_text())}


NAMES = ("brs", "default", "forte99", "itis", "ritm", "spbox", "tuned", "unet-sample")


@pytest.mark.parametrize("name", NAMES)
def test_cards_of_every_shipped_model_and_of_a_tuned_one_open_and_are_listed(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then = cards_without_weights()[name]
    path = folder / f"old-{name}.safetensors"
    save_file({"a": np.zeros(1, np.float16)}, str(path), metadata={"clickseg": json.dumps(then)})
    card = read_card(path)
    now = as_json(card)
    # of a converted model the file calls its format "made_from", beside the format of the card itself
    converted = {"format": then["made_from"]} if "made_from" in then else {}
    plain = {key: value for key, value in then.items() if key not in ("format", "kind", "made_from")} | converted
    assert known_then(now, plain) == plain
    assert {e.name: (e.title, e.readable) for e in list_models()}[f"old-{name}"] == (card.title, True)
    assert main(["models", f"old-{name}"]) == 0
    assert card.description in capsys.readouterr().out


@pytest.mark.parametrize("name", ["brs", "forte99", "itis", "spbox"])
def test_weights_of_networks_that_are_others_today_are_refused_with_the_version_that_opens_them(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then = cards_without_weights()[name]
    path = folder / f"old-{name}.safetensors"
    save_file({"decoder.0.0.weight": np.zeros(1, np.float16)}, str(path), metadata={"clickseg": json.dumps(then)})
    with pytest.raises(ValueError, match=f"old-{name}.safetensors was trained by napari-clickseg 0.1.0,"):
        load_model(f"old-{name}", "cpu")
    assert main(["train", name, "--from", str(path), "--data", str(FILES / "training" / "data"), "--out", "run"]) == 2
    assert "only 0.1.0 opens it" in capsys.readouterr().err


def test_what_was_trusted_then_opens_unasked_and_nothing_else(folder: Path) -> None:
    for name in ("code", "traced"):
        shutil.copy(MODELS / f"{name}.safetensors", folder)
    with pytest.raises(Untrusted):
        load_model("traced", "cpu")
    shutil.copy(MODELS / "trusted.json", folder)
    assert [load_model(name, "cpu").ndim for name in ("code", "traced")] == [2, 2]


def test_weights_whose_metadata_tells_class_and_conventions_are_converted() -> None:
    candidate = examine(MODELS / "told.safetensors")
    conventions = candidate.conventions
    assert (conventions.normalise, conventions.low, conventions.high, conventions.divisible) == ("range", 0.0, 255.0, 2)
    assert candidate.guesses["normalise"] == "the file's metadata says so"


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_of_clicks_is_read_and_segments_the_same() -> None:
    assert read_clicks_csv(TABLES / "clicks.csv", "TYX") == {
        1: [Click((0.0, 10.0, 11.25)), Click((0.0, 20.0, 24.0), False)],
        7: [Click((2.0, 12.0, 32.0)), Click((1.0, 12.0, 33.0))],
    }
    line = ["segment", str(IMAGES / "movie.tif"), "--clicks", str(TABLES / "clicks.csv"), "--model", "geodesic"]
    assert main([*line, "--output", "out.tif"]) == 0
    expected, out = read_image(TABLES / "clicks.expected.tif"), read_image("out.tif")
    np.testing.assert_array_equal(out.array, expected.array)
    assert (out.axes, out.spacing) == (expected.axes, pytest.approx(expected.spacing))


def bench(out: str, robot: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    monkeypatch.setattr("napari_clickseg.benchmark.costs.measure_peak", lambda model, device: 12.5)
    asked = ["--objects", "3", "--max-clicks", "3", "--robot", robot, "--start", "damaged,scratch", "--jobs", "1"]
    assert main(["bench", "--data", str(TABLES / "movies"), "--models", "geodesic", *asked, "--out", out]) == 0
    return rows_of(Path(out) / "clicks.csv")


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_a_source_with_an_index_gives_the_same_objects_and_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same objects are sampled and damaged alike, and clicked first at the same place; models may improve."""
    expected, now = (
        begun_with(rows) for rows in (rows_of(TABLES / "bench-centre.csv"), bench("out", "centre", monkeypatch))
    )
    assert [row["frame"] for row in now] == ["2"] * 6  # the only plane of the split "test", as the index says
    described = ("source", "image", "frame", "object", "area", "robot", "start", "model", "click", "y", "x", "positive")
    assert [[row[name] for name in described] for row in now] == [[row[name] for name in described] for row in expected]
    for one, other in zip(now, expected, strict=True):
        if one["click"] == "0":
            assert [float(one[name]) for name in SHARES] == pytest.approx(
                [float(other[name]) for name in SHARES], abs=2e-5
            )


SHARES = ("iou", "boundary_f")


def begun_with(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows that no model has a part in: masks to correct, and first clicks from scratch."""
    return [row for row in rows if row["click"] == "0" or (row["start"], row["click"]) == ("scratch", "1")]


def test_a_benchmark_goes_on_from_the_table_of_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "out").mkdir()
    shutil.copy(TABLES / "bench.csv", folder / "out" / "clicks.csv")
    monkeypatch.setattr("napari_clickseg.benchmark.click_runs.click_through", pytest.fail)
    assert bench("out", "human", monkeypatch) == rows_of(TABLES / "bench.csv")


# -- training ----------------------------------------------------------------------------------------------------------


def test_a_stopped_training_goes_on_and_ends_with_the_same_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_clickseg.training.trainer.WINDOWS", 32)
    (folder / "out").mkdir()
    packed = (TRAINING / "stopped-checkpoint.pt.xz").read_bytes()
    (folder / "out" / "checkpoint.pt").write_bytes(lzma.decompress(packed))
    line = ["train", str(TRAINING / "recipe.toml"), "--data", str(TRAINING / "data"), "--out", "out", "--device", "cpu"]
    assert main([*line, "--resume", "--no-install"]) == 0
    (now,) = rows_of(folder / "out" / "log.csv")
    (then,) = rows_of(TRAINING / "resumed.log.csv")
    assert now["step"] == then["step"] == "6"
    assert float(now["loss"]) == pytest.approx(float(then["loss"]), rel=CLOSE)
    weights = load_file(folder / "out" / "smallest.safetensors")
    names = np.concatenate([[name] * value.size for name, value in sorted(weights.items())])
    parts = np.concatenate([value.astype(np.float16).ravel() for _, value in sorted(weights.items())])
    expected = np.load(TRAINING / "resumed.expected.npz")["weights"].astype(np.float32)
    # Answers that are not graded teach batch normalisation nothing today: its counts and means part a little.
    counted = np.array(["num_batches" in name for name in names])
    np.testing.assert_allclose(parts[~counted].astype(np.float32), expected[~counted], atol=0.1)

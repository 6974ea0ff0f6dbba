"""clickseg replay: the same labels come out, and where they do not it says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from command_lines import discs, refused
from napari_clickseg.cli import main
from napari_clickseg.core.images import Image
from napari_clickseg.models.card import amend_card
from napari_clickseg.models.load import load_model
from napari_clickseg.models.registry import find_model
from napari_clickseg.session.session import Session
from napari_clickseg.storage.cell_tracking import Track, read_result
from napari_clickseg.storage.read_images import read_image
from napari_clickseg.storage.session_file import Record, save_session
from napari_clickseg.storage.tables import read_clicks_csv
from napari_clickseg.storage.write_labels import write_labels


@pytest.fixture
def session(here: Path) -> Session:
    """A saved session on image.tif: two discs, one click too many undone."""
    session = Session(read_image("image.tif"), load_model("geodesic"))
    record = Record(session)
    for position in ((20, 20), (20, 60)):
        session.click(position)
        session.commit()
    session.click((2, 2))
    session.undo()
    save_session("session.json", record, "image.tif")
    return session


def replay(*more: str, image: str = "image.tif") -> int:
    return main(["replay", "session.json", image, "--output", "out.tif", *more])


def test_the_same_labels_come_out_with_axes_and_spacing(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay() == 0
    out = capsys.readouterr().out
    assert "The labels are the same as recorded: 2 objects, checksum" in out
    labels = read_image("out.tif")
    np.testing.assert_array_equal(labels.array, session.labels)
    assert labels.spacing == (0.5, 0.5)


def test_a_replayed_movie_is_a_result_of_the_challenge_too(here: Path) -> None:
    image = Image.of(np.stack([read_image("image.tif").array] * 2), "TYX")
    np.save("movie.npy", image.array)
    session = Session(image, load_model("geodesic"))
    record = Record(session)
    for position in ((0, 20, 20), (1, 20, 20)):
        session.click(position)
    session.commit()
    save_session("session.json", record, "movie.npy")
    assert replay("--ctc", "01_RES", image="movie.npy") == 0
    labels, tracks = read_result("01_RES")
    assert tracks == [Track(1, 0, 1)]
    np.testing.assert_array_equal(labels, session.labels)


def test_the_clicks_come_out_as_a_table_too(session: Session) -> None:
    assert replay("--clicks", "said.csv") == 0
    assert {number: len(clicks) for number, clicks in read_clicks_csv("said.csv", "yx").items()} == {1: 1, 2: 1}


def test_what_another_model_makes_of_it_is_told_object_by_object(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labels("recorded.tif", session.labels)
    assert replay("--model", "random-walker", "--against", "recorded.tif") == 0
    out = capsys.readouterr().out
    differing = int((tifffile.imread("out.tif") != session.labels).sum())
    assert f"{differing} pixels differ from recorded.tif." in out
    assert differing > 0
    assert "The labels are not those recorded: 2 of 2 objects have another area." in out
    assert "object 1: " in out


def test_another_image_of_the_shape_is_done_with_a_warning(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    tifffile.imwrite("other.tif", discs() // 2)
    assert replay(image="other.tif") == 0
    assert "other.tif does not show what the session was about (image.tif)" in capsys.readouterr().err


def test_a_session_that_began_with_labels_wants_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prior = np.zeros((40, 80), np.uint16)
    prior[:3, :3] = 6
    write_labels("prior.tif", prior)
    session = Session(read_image("image.tif"), load_model("geodesic"), prior)
    record = Record(session)
    session.click((20, 20))
    session.commit()
    save_session("session.json", record)
    assert "began with labels (ids up to 6); name their file with --labels" in refused(capsys, replay())
    assert replay("--labels", "prior.tif") == 0
    assert "the same as recorded: 2 objects" in capsys.readouterr().out
    np.testing.assert_array_equal(tifffile.imread("out.tif"), session.labels)


def test_other_weights_under_the_same_name_are_told(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("session.json").read_text("utf-8")
    Path("session.json").write_text(
        text.replace('"geodesic"', '"default"').replace('"default": ""', '"default": "1234"')
    )
    assert replay() == 0
    assert "the model 'default' has other weights than the one that was recorded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--output", "out.jpg"], "must end in .tif"),
        (["--labels", "none.tif"], "There is no file none.tif"),
        (["--model", "resnet"], "There is no model 'resnet'; there are"),
    ],
)
def test_bad_options_end_with_one_sentence(
    session: Session, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    assert sentence in refused(capsys, replay(*more))


def test_an_image_of_another_shape_is_refused(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("small.tif", discs()[:20])
    assert "has the shape (20, 80), but the session is about image.tif" in refused(capsys, replay(image="small.tif"))


def test_what_is_no_session_is_refused(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    Path("session.json").write_text(json.dumps({"clicks": []}))
    assert "session.json is no session file that can be read" in refused(capsys, replay())


def test_learned_weights_answer_again_or_are_missed(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSEG_JOURNALS", str(here / "journals"))
    name = "learned-0011223344"
    place = here / "journals" / "learned" / f"{name}.safetensors"
    place.parent.mkdir(parents=True)
    amend_card(find_model("default").path, to=place, name=name)
    session = Session(read_image("image.tif"), load_model("geodesic"))
    record = Record(session)
    for model, position in (("geodesic", (20, 20)), (name, (20, 60))):
        session.predictor = load_model(model, "cpu")
        session.click(position)
        session.commit()
    save_session("session.json", record, "image.tif", {name: place})
    assert replay("--device", "cpu") == 0
    told = capsys.readouterr()
    assert "the same as recorded: 2 objects" in told.out
    assert "other weights" not in told.err
    amend_card(place, title="of another content")
    assert replay("--device", "cpu") == 0
    assert "other weights than the one that was recorded" in capsys.readouterr().err
    place.unlink()
    Path("out.tif").unlink()
    assert "are not on this computer any more" in refused(capsys, replay())

"""Learning without a window: in the background, from what was kept, used where it pays, and left again."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from doubles import Disks
from napari_clickseg.gui.controllers.learning import Learning
from napari_clickseg.gui.controllers.models import LatePredictor
from napari_clickseg.models.load import save_model
from napari_clickseg.models.registry import ModelEntry
from napari_clickseg.storage.paths import learned_folder
from stage import PairDouble, Stage

PLACES = ((8, 8), (8, 30), (8, 52), (40, 8), (40, 30))
NAME = "learned-0123456789"
SENTENCE = "On 2 objects that it had not seen: 1.5 instead of 2.5 clicks."


@dataclass(frozen=True)
class Pupil(Disks):
    """Says that it could learn."""

    adaptable: bool = True
    name: str = "disks"


@dataclass
class Lesson:
    """What came of learning; its file holds a card and hardly a weight."""

    better: bool = True
    name: str = NAME
    sentence: str = SENTENCE
    full: bool = False

    def save(self, path: Path) -> Path:
        if self.full:
            raise OSError(28, "No space left on device")
        save_model(path, *tiny())
        return path


def tiny():
    from torch import nn

    from napari_clickseg.models.card import ModelCard

    return nn.Linear(1, 1), ModelCard(NAME, "Learned", SENTENCE, "lite_clicknet", {}, 64, {}, 0.46)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CLICKSEG_JOURNALS", str(tmp_path / "journals"))
    monkeypatch.setenv("CLICKSEG_MODELS", str(tmp_path / "models"))
    return tmp_path


def made(lesson=None, model=None, kept=5):
    stage = Stage(model or Pupil(radius=6))
    stage.taught = []

    def teach(objects, device, stop):
        stop.check(0.5)
        stage.taught.append((len(objects), device))
        if isinstance(lesson, BaseException):
            raise lesson
        return lesson or Lesson()

    stage.learning = Learning(stage.workspace, stage.models, stage.background, stage.reports, teach)
    stage.show(PairDouble((64, 64), stage.model))
    stage.background.long.run_all()
    for place in PLACES[:kept]:
        stage.workspace.current.session.click(place)
        stage.workspace.current.session.commit()
    return stage


def learned(lesson=None):
    stage = made(lesson)
    stage.learning.learn()
    stage.background.long.run_all()
    return stage


def says(stage):
    return stage.reports.held.text


def test_what_pays_answers_from_now_on_and_lies_beside_the_journals():
    stage = learned()
    assert stage.taught == [(5, "cpu")]
    assert stage.models.name == NAME
    assert says(stage) == f"Learned from 5 objects. {SENTENCE}"
    assert stage.learning.state.used
    assert NAME in [option.value for option in stage.models.options]
    assert (learned_folder() / f"{NAME}.safetensors").is_file()


def test_one_click_goes_back():
    stage = learned()
    stage.learning.forget_learned()
    assert stage.models.name == "disks"
    assert not stage.learning.state.used
    assert stage.learning.state.sentence == ""
    assert says(stage) == "disks answers again as it did before learning."


def test_what_saves_no_clicks_is_not_used():
    stage = learned(Lesson(better=False, sentence="It saves no clicks."))
    assert stage.models.name == "disks"
    assert says(stage) == "It saves no clicks. The model answers as before."
    assert not learned_folder().exists()


def test_clicks_go_on_meanwhile_and_what_is_drawn_stays_as_it_is():
    stage = made()
    stage.learning.learn()
    stage.click(40, 52)
    stage.answer()
    before = stage.workspace.current.session.labels.copy()
    stage.background.long.run_all()
    assert stage.models.name == NAME
    assert (stage.workspace.current.session.labels == before).all()
    assert len(stage.workspace.current.session.clicks) == 1


def test_too_few_objects_are_counted():
    stage = made(kept=4)
    with pytest.raises(ValueError, match=r"needs 5 objects.*there are 4"):
        stage.learning.learn()
    assert not stage.background.long.waiting


def test_a_model_without_the_parts_says_so():
    stage = made(model=Disks(radius=6))
    assert not stage.learning.state.can
    with pytest.raises(ValueError, match="disks cannot learn"):
        stage.learning.learn()


def test_pressed_again_it_stops():
    stage = made()
    stage.learning.learn()
    assert stage.learning.state.busy
    stage.learning.learn()
    assert not stage.learning.state.busy
    stage.background.long.run_all()
    assert stage.taught == []
    assert stage.models.name == "disks"


@pytest.mark.parametrize(
    ("lesson", "words"),
    [
        (MemoryError("Learning needs more memory than there is; nothing was changed."), "more memory than there is"),
        (Lesson(full=True), "No space left on device"),
    ],
)
def test_failures_are_sentences_and_the_model_stays(lesson, words):
    stage = learned(lesson)
    assert words in says(stage)
    assert "nothing is lost" in says(stage)
    assert stage.models.name == "disks"


def test_an_image_that_was_closed_meanwhile_changes_no_model():
    stage = made()
    stage.learning.learn()
    stage.show(PairDouble((64, 64), stage.model))
    stage.background.long.run_all()
    assert stage.models.name == "disks"
    assert "closed meanwhile" in says(stage)


def test_another_model_chosen_meanwhile_ends_it():
    stage = made()
    stage.learning.learn()
    stage.models.choose_model("disks")
    stage.background.long.run_all()
    assert stage.taught == []


def test_kept_weights_become_a_model_under_a_free_name(folders):
    stage = learned()
    for name in ("image learned", "image learned 2"):
        stage.learning.keep_learned()
        stage.background.files.run_all()
        assert repr(name) in stage.says
        assert (folders / "models" / f"{name}.safetensors").is_file()


def test_a_restored_session_finds_its_weights_again_or_says_that_they_are_gone():
    stage = learned()
    stage.learning.forget_learned()
    stage.learning.resume(NAME)
    assert stage.models.name == NAME
    assert stage.learning.state.sentence == SENTENCE
    stage.learning.forget_learned()
    (learned_folder() / f"{NAME}.safetensors").unlink()
    stage.learning.resume(NAME)
    assert stage.models.name == "disks"
    assert "not here any more" in says(stage)
    stage.learning.resume("default")
    assert stage.models.name == "disks"


def test_a_panel_that_is_opened_again_offers_the_learned_weights_that_answered(monkeypatch):
    entry = ModelEntry("learned-1", "Learned", "From 5 objects.", "user")
    monkeypatch.setattr("napari_clickseg.gui.controllers.models.find_model", lambda name: entry)
    stage = Stage()
    stage.models.open(LatePredictor("learned-1", Disks))
    assert stage.models.name == "learned-1"
    assert "learned-1" in [option.value for option in stage.models.options]
    assert stage.models.description == "From 5 objects."

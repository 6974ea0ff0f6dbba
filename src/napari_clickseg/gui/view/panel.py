"""Panel: the parts in a fixed top, tabs in the middle and a fixed bottom. It shows a `PanelState`, part by part."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QFrame, QScrollArea, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from napari_clickseg.gui.view.classes_panel import ClassesPanel
from napari_clickseg.gui.view.corrections_panel import CorrectionsPanel
from napari_clickseg.gui.view.files_panel import FilesPanel, SamplesPanel
from napari_clickseg.gui.view.first_steps import FirstSteps
from napari_clickseg.gui.view.frames_panel import FramesPanel
from napari_clickseg.gui.view.import_assistant import ImportAssistant
from napari_clickseg.gui.view.layer_panel import LayerPanel
from napari_clickseg.gui.view.model_panel import AxesPanel, DrawingPanel, ModelPanel
from napari_clickseg.gui.view.object_panel import ObjectPanel, ShapePanel
from napari_clickseg.gui.view.protocol import FramesState, PanelState, PathKind, Requests
from napari_clickseg.gui.view.review_panel import ReviewPanel
from napari_clickseg.gui.view.suggestions_panel import LearningPanel, SuggestionsPanel
from napari_clickseg.gui.view.widgets import GAP, ActionButton, Manners, StatusArea, column_in, folded

NARROWEST, WIDTH, HEIGHT = 300, 375, 600
DRAW, FRAMES, ALL_CELLS = "Draw and correct", "Frames", "All cells"


class Panel(QStackedWidget):
    """The `View` of a controller: the everyday panel, or the assistant that adds a model in its place."""

    left = Signal()
    """A field was confirmed or left: the canvas should have the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Requests()
        self._shown: PanelState | None = None
        self.manners = Manners()
        self.manners.left.connect(self.left)
        self.layers = LayerPanel(self.requests)
        self.status = StatusArea()
        self.status.offered.connect(self.requests.offered.emit)
        self.object = ObjectPanel(self.requests)
        self.corrections = CorrectionsPanel(self.requests)
        self.shape = ShapePanel(self.requests)
        self.model = ModelPanel(self.requests)
        self.drawing = DrawingPanel(self.requests)
        self.axes = AxesPanel(self.requests, self.manners)
        self.frames = FramesPanel(self.requests)
        self.review = ReviewPanel(self.requests)
        self.suggestions = SuggestionsPanel(self.requests)
        self.learning = LearningPanel(self.requests)
        self.classes = ClassesPanel(self.requests)
        self.measure = ActionButton("measure", self.requests.action.emit)
        self.files = FilesPanel(self.requests)
        self.first_steps = FirstSteps(self.requests)
        self.model_fold = folded("Model and device", self.model)
        self.tabs = QTabWidget()
        self.tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        folds = (folded("Classes", self.classes), self.model_fold, folded("Protection, preview, record", self.drawing))
        self.pages = {
            DRAW: _page(self.corrections, self.shape, *folds, folded("Axes and spacing", self.axes)),
            FRAMES: _page(self.frames, self.review),
            ALL_CELLS: _page(self.suggestions, self.learning, self.measure),
        }
        for name, page in self.pages.items():
            self.tabs.addTab(page, name)
        self._everyday = QWidget()
        column = QVBoxLayout(self._everyday)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(GAP)
        for part in (self.layers, self.status, self.object):
            column.addWidget(part)
        self.samples = SamplesPanel(self.requests)
        column.addWidget(self.samples, 1)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.files)
        self.assistant = ImportAssistant(self.requests)
        self.addWidget(self._everyday)
        self.addWidget(self.assistant)
        self.setMinimumWidth(NARROWEST)
        self.manners.mind(self)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as napari's dock title needs."""
        return QSize(WIDTH, HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Low windows scroll the tabs, and cut nothing off."""
        return QSize(NARROWEST, 200)

    def show_state(self, state: PanelState) -> None:
        """Show what is different from what was shown before."""
        before, self._shown = self._shown, state
        changed = _Changes(before, state)
        if changed("picks"):
            self.layers.show_picks(state.picks)
            self.drawing.show_picks(state.picks)
        if changed("status"):
            self.status.show_status(state.status)
        if changed("object"):
            self.object.show_object(state.object)
            self.shape.show_object(state.object)
            self.corrections.show_armed(state.object.armed)
            if before is None or before.object.armed != state.object.armed:
                self.suggestions.show_armed(state.object.armed)
                self.classes.show_armed(state.object.armed)
        if changed("model"):
            self.model.show_model(state.model)
            self.drawing.show_protection(state.model.protect)
            if state.model.question is not None:
                self.model_fold.expand(animate=False)
                self.tabs.setCurrentWidget(self.pages[DRAW])
        if changed("suggesting"):
            self.suggestions.show_suggesting(state.suggesting)
        if changed("learning"):
            self.learning.show_learning(state.learning)
        if changed("classes"):
            self.classes.show_classes(state.classes)
        if changed("measuring"):
            self.measure.show_armed(state.measuring)
        if changed("suggesting") or changed("measuring"):
            self._show_page(ALL_CELLS, state.suggesting.can or state.suggesting.busy or state.measuring)
        if changed("frames"):
            self._show_frames(state.frames)
        if changed("extent"):
            self.corrections.show_extent(state.extent)
        if changed("new_id_of"):
            self._ask_id(state.new_id_of)
        if changed("samples"):
            self.samples.setVisible(state.samples)
            self.tabs.setVisible(not state.samples)
        if changed("tour"):
            self.samples.show_tour(state.tour)
        if changed("files"):
            self.files.show_files(state.files)
        if changed("importing"):
            self._show_importing(state)
        if changed("hints") or changed("hint"):
            self._show_hints()

    def ask_path(self, kind: PathKind, proposed: str) -> None:
        """Ask for a file's name."""
        self.files.ask_path(kind, proposed)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Once there is a canvas beside the panel, show the hints on it."""
        super().showEvent(event)
        self._show_hints()

    def _show_hints(self) -> None:
        if self._shown is not None:
            canvas = self.window().findChild(QOpenGLWidget)
            self.first_steps.show_hints(self._shown.hints, self._shown.hint, canvas)

    def _show_frames(self, state: FramesState) -> None:
        self._show_page(FRAMES, state.strip is not None)
        self.corrections.show_frames(state.strip is not None)
        self.axes.show_axes(state.axes)
        if state.strip is not None:
            self.frames.show_strip(state.strip)
            self.frames.show_progress(state.progress)
            self.review.show_unit("plane" if state.strip.axis == "Z" and state.strip.named else "frame")
            self.review.show_findings(state.findings, state.chosen)
            self.review.show_confirmed(state.strip.states[state.strip.current] == "confirmed")

    def _ask_id(self, label: int | None) -> None:
        if label is not None:
            self.tabs.setCurrentWidget(self.pages[DRAW])
        self.corrections.ask_id(label)
        if label is None:
            self.left.emit()

    def _show_importing(self, state: PanelState) -> None:
        """Put the assistant in place of the panel; None brings the panel back."""
        if state.importing is not None:
            self.assistant.show_importing(state.importing)
        self.setCurrentWidget(self._everyday if state.importing is None else self.assistant)

    def _show_page(self, name: str, there: bool) -> None:
        """Show a tab only where it makes sense, and no row of tabs where there is but one."""
        self.tabs.setTabVisible(self.tabs.indexOf(self.pages[name]), there)
        self.tabs.tabBar().setVisible(sum(self.tabs.isTabVisible(k) for k in range(self.tabs.count())) > 1)


class _Changes:
    """Returns which parts of two states differ; all do where there was none before."""

    def __init__(self, before: PanelState | None, now: PanelState) -> None:
        self._before = before
        self._now = now

    def __call__(self, part: str) -> bool:
        return self._before is None or getattr(self._before, part) != getattr(self._now, part)


def _page(*parts: QWidget) -> QScrollArea:
    """Return a tab's page: parts in a column, which scrolls where there is too little room."""
    inside = QWidget()
    column = column_in(inside)
    column.setContentsMargins(0, GAP, GAP // 2, 0)
    for part in parts:
        column.addWidget(part)
    column.addStretch(1)
    area = QScrollArea()
    area.setWidget(inside)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area

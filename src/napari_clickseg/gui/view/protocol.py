"""What a panel shows, as frozen values, what it asks for, and the protocol of the view. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from psygnal import Signal

if TYPE_CHECKING:
    from napari_clickseg.models.io_spec import Conventions
    from napari_clickseg.review.findings import Finding

Kind = Literal["loading", "ready", "thinking", "error"]
FrameState = Literal["empty", "drawn", "carried", "doubtful", "confirmed"]
Extent = Literal["frame", "onwards", "all"]
"""On which frames a correction acts: this one, this one and those after it, every one."""
Step = Literal["file", "trust", "check"]
Way = Literal["missing", "replace"]
"""How propagation treats what is there: objects are added only where nothing is, or written over what is there."""


@dataclass(frozen=True, slots=True)
class Status:
    """A sentence for the user and what kind of news it is, with buttons for what can be done about it.

    Attributes
    ----------
    offers : tuple of (str, str)
        The caption of each button, and what it asks for, as in `Requests.offered`.
    """

    kind: Kind
    text: str
    offers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """Which axis of an image layer holds channels, and which of them to look at (None: all, up to three)."""

    axis: int
    index: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Option:
    """One row of a list: what it says, what it stands for, and a tip."""

    text: str
    value: Any
    tip: str = ""
    heading: str = ""
    """Options of one heading stand together below it."""


@dataclass(frozen=True, slots=True)
class Picks:
    """What the lists of layers offer, and what is chosen. Layers are compared by identity and by name."""

    images: tuple[Option, ...] = ()
    image: Any = None
    channels: tuple[Option, ...] = ()
    channel: Any = None
    labels: tuple[Option, ...] = ()
    label: Any = None
    points: tuple[Option, ...] = ()
    """Points layers whose points can be taken as clicks."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small grey picture: its side in pixels, and one byte for each, row by row."""

    side: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class ObjectState:
    """The object being drawn, and what makes sense now.

    Attributes
    ----------
    label : int or None
        Its id; None where there is no image.
    count : int or None
        How many objects the frame in view has; None where that is not known.
    armed : str
        The action that waits for a click on the canvas; none where empty.
    flipped : bool
        The left button excludes.
    candidates : tuple of Thumbnail
        The masks that a key goes through; the one shown is number `candidate`.
    """

    label: int | None = None
    count: int | None = None
    empty: bool = True
    can_undo: bool = False
    can_redo: bool = False
    flipped: bool = False
    armed: str = ""
    threshold: float = 0.5
    diameter: float | None = None
    diameter_known: bool = False
    """It was set by hand."""
    candidates: tuple[Thumbnail, ...] = ()
    candidate: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """Is this file trusted, though code in it would run?"""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelState:
    """Which models there are, which one answers and where."""

    options: tuple[Option, ...] = ()
    name: str = ""
    description: str = ""
    state: str = ""
    devices: tuple[str, ...] = ("auto",)
    device: str = "auto"
    protect: str = "background"
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Suggesting:
    """Whether all objects can be found at once, are being looked for, and which suggestions are shown."""

    can: bool = False
    busy: bool = False
    tip: str = ""
    done: float = 0.0
    """How much of it is done, from 0 to 1; 0 where that is not known."""
    frames: bool = False
    """There is more than one frame."""
    shown: int = 0
    found: int = 0
    least: float = 0.5
    """The score that is asked for, 0 to 1."""
    note: str = ""
    """Why nothing, or not all, is offered."""
    quality: float | None = None
    """The score of the one under the pointer."""


@dataclass(frozen=True, slots=True)
class LearningState:
    """Whether the model can learn from kept objects, is learning, and what came of it."""

    can: bool = False
    busy: bool = False
    tip: str = ""
    done: float = 0.0
    """How much of it is done, from 0 to 1; 0 where that is not known."""
    sentence: str = ""
    """What the check found."""
    used: bool = False
    """Learned weights answer."""


@dataclass(frozen=True, slots=True)
class ClassesState:
    """The list of classes, and how far proposing is; `there`: there is an image."""

    rows: tuple[tuple[str, tuple[int, int, int], int], ...] = ()
    """Name, colour (RGB), and how many objects have it."""
    chosen: str = ""
    """The one that is given next; empty where there are none."""
    proposed: int = 0
    """Objects for which a class is proposed."""
    busy: bool = False
    there: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """The frames along one axis.

    Attributes
    ----------
    axis : str
        Its letter: T, Z ..
    states : tuple of str
        What is known of each frame.
    current : int
        The one in view.
    reasons : mapping of int to str
        Why a frame is doubtful, by its index.
    axes : str
        All axes that a strip can run along.
    named : bool
        The image says what this axis is; else its letter is but the usual one.
    """

    axis: str
    states: tuple[FrameState, ...]
    current: int
    reasons: Mapping[int, str] = field(default_factory=dict)
    axes: str = ""
    named: bool = True

    def count(self, state: FrameState) -> int:
        """Return how many frames are in a state.

        >>> Strip("T", ("empty", "drawn", "empty"), 0).count("empty")
        2
        """
        return self.states.count(state)


@dataclass(frozen=True, slots=True)
class Progress:
    """How propagation stands."""

    running: bool = False
    done: int = 0
    """Frames done so far."""
    total: int = 0
    """Frames to be done at most."""
    resume: int | None = None
    """The frame from which it can go on; None where there is nothing to go on with."""
    again: bool = False
    """It goes on from a frame that was corrected since: what lies behind it is done anew."""
    question: str = ""
    """What would be written over; it waits for an answer. Nothing where empty."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an image: its letter, the size of a pixel along it, and in what unit."""

    name: str
    spacing: float
    unit: str = ""
    leading: bool = False
    """It stands before the plane, so that it may be time or depth."""


@dataclass(frozen=True, slots=True)
class FramesState:
    """The frames of a movie or a stack; without a strip where the image has but one."""

    strip: Strip | None = None
    progress: Progress = field(default_factory=Progress)
    findings: tuple[Finding, ...] = ()
    chosen: int | None = None
    axes: tuple[Axis, ...] = ()


@dataclass(frozen=True, slots=True)
class FilesState:
    """What is not saved yet, whether a file is being written, and a session that is offered back.

    Attributes
    ----------
    there : bool
        There are labels that could be saved, and an image that labels could be opened for.
    picture : Thumbnail or None
        The image of that session in small.
    """

    unsaved: int = 0
    busy: bool = False
    offer: str = ""
    there: bool = False
    picture: Thumbnail | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen in the first step: a file or folder, and of bare weights their class and what it is made with."""

    path: str
    class_path: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Importing:
    """What the assistant that adds a model shows.

    Attributes
    ----------
    news : Status
        What happened, and what to do next.
    step : {"file", "trust", "check"}
        Choose a file; answer the question; look at what was guessed.
    busy : bool
        Something is being worked out.
    file : str
        The path that was chosen.
    asks_class : bool
        The file holds weights alone: the import path of their class is needed.
    question : Question or None
    conventions : Conventions or None
        What fills the form; a form that shows this very object is left as it is.
    reasons : mapping of str to str
        Why each convention was guessed so.
    summary : str
        What the file is, in a few words.
    name : str
        Proposed for the model.
    can_keep : bool
        The answer to the form as it is was seen.
    keeping : bool
        It is being written: nothing can be changed or called off for that moment.
    """

    news: Status
    step: Step = "file"
    busy: bool = False
    file: str = ""
    asks_class: bool = False
    question: Question | None = None
    conventions: Conventions | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    name: str = ""
    can_keep: bool = False
    keeping: bool = False


@dataclass(frozen=True, slots=True)
class PanelState:
    """All that the panel shows. Two that are equal look the same."""

    status: Status = field(default_factory=lambda: Status("ready", ""))
    picks: Picks = field(default_factory=Picks)
    object: ObjectState = field(default_factory=ObjectState)
    model: ModelState = field(default_factory=ModelState)
    suggesting: Suggesting = field(default_factory=Suggesting)
    learning: LearningState = field(default_factory=LearningState)
    measuring: bool = False
    """Objects are measured."""
    classes: ClassesState = field(default_factory=ClassesState)
    frames: FramesState = field(default_factory=FramesState)
    files: FilesState = field(default_factory=FilesState)
    extent: Extent = "frame"
    new_id_of: int | None = None
    """The object whose new id is being asked for."""
    importing: Importing | None = None
    hints: tuple[str, ...] = ()
    """First steps, for who opens the panel for the first time; none where empty."""
    hint: int = 0
    """Which of them comes next."""
    tour: bool = False
    """They come with the next image, as they were not dismissed."""
    samples: bool = False
    """There is no image yet: samples are offered."""


class Requests:
    """Everything that a panel asks for. The view emits, the controller connects each to the method that does it."""

    action = Signal(str)
    """A button of the table of actions was pressed."""
    offered = Signal(str)
    """A button below the status was pressed; carries what it asks for, as in `Status.offers`."""
    image_chosen = Signal(object)
    channel_chosen = Signal(object)
    labels_chosen = Signal(object)
    """Carries the layer; None asks for a new one."""
    points_taken = Signal(object, bool)
    """A Points layer's points are to be clicks: include (True) or exclude."""
    threshold_set = Signal(float)
    diameter_set = Signal(object)
    """Carries pixels; None leaves it to the objects and the image."""
    opacity_set = Signal(float)
    protect_chosen = Signal(str)
    candidate_chosen = Signal(int)
    least_set = Signal(float)
    """The score that suggestions are shown from."""
    learned_forgotten = Signal()
    """The model that answered before learning is to answer again."""
    learned_kept = Signal()
    """The learned weights are to be a model of one's own."""
    class_chosen = Signal(str)
    class_added = Signal()
    class_renamed = Signal(str, str)
    class_removed = Signal(str)
    model_chosen = Signal(str)
    device_chosen = Signal(str)
    models_opened = Signal()
    """The list of models is about to be shown."""
    model_trusted = Signal()
    extent_chosen = Signal(str)
    id_given = Signal(int)
    id_left = Signal()
    frame_chosen = Signal(int)
    along_chosen = Signal(str)
    axis_named = Signal(int, str)
    spacing_set = Signal(int, float)
    everything_chosen = Signal(bool)
    """Whether propagation takes all objects, or one."""
    reach_set = Signal(int)
    propagation_stopped = Signal()
    finding_chosen = Signal(int)
    repair_asked = Signal(int)
    path_given = Signal(str, object)
    """Carries the kind that was asked about, and the Path."""
    import_begun = Signal()
    import_left = Signal()
    import_back = Signal()
    import_refused = Signal(str)
    file_chosen = Signal(object)
    """Carries a `Choice`."""
    file_trusted = Signal()
    conventions_edited = Signal(object)
    import_kept = Signal(str)
    sample_chosen = Signal(str)
    hint_dismissed = Signal()


PathKind = Literal["labels", "click log", "open labels"]


class View(Protocol):
    """The view of a panel."""

    requests: Requests

    def show_state(self, state: PanelState) -> None:
        """Show this; what did not change is left alone."""

    def ask_path(self, kind: PathKind, proposed: str) -> None:
        """Ask for a file's name; the answer comes as `Requests.path_given`, none where the dialog is left."""

"""The sentences of the status line on layers: images and labels that were taken, changed or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_clickseg.gui.view.protocol import Status

if TYPE_CHECKING:
    from napari_clickseg.core.label_conventions import Convention


def labels_taken(name: str) -> Status:
    """Return that existing labels are drawn into."""
    return Status(
        "ready", f"Objects go to {name!r}, the Labels layer that fits this image. Click inside one to correct it."
    )


def looks_like_labels(name: str) -> Status:
    """Return that a picture looks like labels, with a button that makes labels of it."""
    return Status("ready", f"{name!r} looks like labels, but was opened as an image.", (("Use as labels", "convert"),))


def other_convention(name: str, found: Convention) -> Status:
    """Return what a number of labels seems to stand for, other than one object, with what can be made of it."""
    captions = {"mask": "Number their parts", "outlines": "Number what they enclose"}
    make = captions.get(found.kind, f"Make {found.value} background")
    offers = ((make, "usual labels"), ("Leave it", "keep convention"))
    return Status("ready", f"The labels {name!r} {found.sentence}.", offers)


def other_labels(name: str) -> Status:
    """Return that the object under the pointer belongs to another Labels layer."""
    return Status(
        "error", f"That object belongs to the Labels layer {name!r}.", (("Work on that layer", "other labels"),)
    )


def saved_labels(name: str) -> Status:
    """Return that labels were saved beside the image."""
    return Status("ready", f"{name} lies beside this image.", (("Open it", "open saved"),))


def image_grown(name: str) -> Status:
    """Return what became of the objects on an image that grew."""
    return Status("ready", f"The image {name!r} grew; its objects stay where they are, and undo begins anew.")


def image_reshaped(name: str, labels: str) -> Status:
    """Return what became of the objects on an image that has another shape now."""
    return Status(
        "ready", f"The image {name!r} has another shape now; its objects stay in the Labels layer {labels!r}."
    )


def image_removed(name: str) -> Status:
    """Return what became of the objects of an image that was removed."""
    return Status("ready", f"The image {name!r} was removed; its objects stay in their Labels layer.")


def channels_seen(count: int) -> Status:
    """Return which channels are looked at of an image that has more, and none was chosen."""
    return Status("ready", f"The image has {count} channels; channels 0, 1 and 2 are looked at. Click on an object.")


def gone_on_with(name: str) -> Status:
    """Return that a panel goes on where an earlier one was closed."""
    return Status("ready", f"Goes on with {name!r}, where the panel was closed; undo leads back beyond that.")


def not_gone_on_with(name: str, problem: BaseException) -> Status:
    """Return why undo does not lead back beyond the opening of the panel."""
    return Status("ready", f"What was done in {name!r} before the panel was closed cannot be undone. {problem}")


def labels_put_back(name: str) -> Status:
    """Return why labels that were moved lie on their image again."""
    return Status("ready", f"{name!r} was put back onto its image, pixel on pixel. Move the image to move both.")

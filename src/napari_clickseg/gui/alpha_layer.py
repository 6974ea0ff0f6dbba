"""Alpha layer: how much of each pixel is the object's, laid over the image as an Image layer of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_clickseg.gui.plugin_layers import MARK

if TYPE_CHECKING:
    from napari_clickseg.gui.layer_pair import LayerPair
    from napari_clickseg.gui.workspace import Workspace


class AlphaLayer:
    """Makes an Image layer of the alpha of the object being drawn; the layer stays when the panel is closed.

    Parameters
    ----------
    viewer : napari.Viewer
        Not a proxy.
    workspace : Workspace
        Where the current image is.
    """

    def __init__(self, viewer: Any, workspace: Workspace) -> None:
        self._viewer = viewer
        self._workspace = workspace

    def show_alpha(self) -> None:
        """Show the alpha of the object on the frame in view; once more for the same object shows its newest.

        Raises
        ------
        ValueError
            Where nothing of an object is drawn there.
        """
        pair = self._workspace.current
        if pair is None or pair.frame_in_view() not in pair.session.state.masks:
            raise ValueError("There is no object here yet of which the alpha could be shown: click on one first.")
        layers, label = self._viewer.layers, pair.session.label
        name = f"alpha of object {label}"
        for layer in [one for one in layers if one.name == name and self._is_mine(one)]:
            layers.remove(layer)
        active = layers.selection.active
        layers.append(_alpha_of(pair, name))
        layers.selection.active = active

    @staticmethod
    def _is_mine(layer: Any) -> bool:
        return bool(layer.metadata.get(MARK, {}).get("role") == "alpha")


def _alpha_of(pair: LayerPair, name: str) -> Image:
    """An Image layer of 0 to 1 that lies on the frame in view."""
    frame, placement = pair.frame_in_view(), pair.placement
    alpha = pair.session.alpha(frame)
    return Image(
        placement.labels_view(alpha.reshape((1,) * len(frame) + alpha.shape)),
        affine=placement.shifted((*frame, *(0,) * alpha.ndim)),
        name=name,
        contrast_limits=(0, 1),
        blending="additive",
        metadata={MARK: {"role": "alpha"}},
        **{key: placement.options[key] for key in ("units", "axis_labels") if key in placement.options},
    )

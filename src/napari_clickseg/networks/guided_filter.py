"""The guided filter as a layer: a mask takes over the edges of an image.

He, Sun, Tang, "Guided image filtering" (2010); as a differentiable layer at the end of a network, with a guide that is
learned and a mask that may be coarser than the image: Wu et al., "Fast end-to-end trainable guided filter" (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clickseg.networks.blocks import resized


class GuidedFilter(nn.Module):
    """In each small window the mask is a linear function of the guide; each pixel takes the mean over its windows.

    It has no weights. At the border, means are over the part of the window that lies inside.

    Parameters
    ----------
    radius : int
        Windows are ``2 * radius + 1`` pixels wide.
    epsilon : float
        Variance of the guide below which a window counts as flat, and the mask is smoothed there.
    """

    def __init__(self, radius: int = 2, epsilon: float = 1e-2) -> None:
        super().__init__()
        self.radius = radius
        self.epsilon = epsilon

    def forward(self, guide: Tensor, mask: Tensor, fine: Tensor | None = None) -> Tensor:
        """Return the mask (batch, 1, y, x), filtered along a guide (batch, 1 or 3, y, x), whose channels are averaged.

        The variances are differences of near numbers: half precision is raised to single, under autocast too.

        Parameters
        ----------
        fine : Tensor, optional
            The guide of the same window with more pixels: the linear functions are enlarged to it, and the answer has
            its size.
        """
        with torch.autocast(mask.device.type, enabled=False):
            exact = torch.promote_types(mask.dtype, torch.float32)
            grey, mask = guide.to(exact).mean(dim=1, keepdim=True), mask.to(exact)
            means = self._mean(torch.cat((grey, mask, grey * mask, grey * grey), dim=1))
            grey_mean, mask_mean, product_mean, square_mean = means.unbind(dim=1)
            slope = (product_mean - grey_mean * mask_mean) / (square_mean - grey_mean**2 + self.epsilon)
            offset = mask_mean - slope * grey_mean
            functions = self._mean(torch.stack((slope, offset), dim=1))
            if fine is not None:
                grey = fine.to(exact).mean(dim=1, keepdim=True)
                functions = resized(functions, grey.shape[-2:])
            return functions[:, :1] * grey + functions[:, 1:]

    def _mean(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 2 * self.radius + 1, 1, self.radius, count_include_pad=False)


class LearnedGuide(nn.Sequential):
    """Image (batch, 3, y, x) -> guide (batch, 1, y, x), pixel by pixel, so that an image of any size has one.

    Two 1 x 1 convolutions (Wu et al. 2018, section 3.3); what it begins with is the mean of the channels.
    """

    def __init__(self, width: int = 16) -> None:
        enter, leave = nn.Conv2d(3, width, 1), nn.Conv2d(width, 1, 1)
        super().__init__(enter, nn.LeakyReLU(0.2), leave)
        with torch.no_grad():
            # Half of the units see the mean, the others its opposite: their difference undoes the LeakyReLU.
            signs = torch.tensor([1.0, -1.0]).repeat(width // 2)
            enter.weight.copy_(signs.reshape(-1, 1, 1, 1) / 3)
            leave.weight.copy_(signs.reshape(1, -1, 1, 1) / (1.2 * width / 2))
            for conv in (enter, leave):
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            enter.weight += 0.05 * torch.randn_like(enter.weight)

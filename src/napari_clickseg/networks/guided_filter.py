"""The guided filter as a layer: a mask takes over the edges of an image.

He, Sun, Tang, "Guided image filtering" (2010); as a differentiable layer at the end of a network: Wu et al., "Fast
end-to-end trainable guided filter" (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


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

    def forward(self, guide: Tensor, mask: Tensor) -> Tensor:
        """Return the mask (batch, 1, y, x), filtered along a guide (batch, 1 or 3, y, x), whose channels are averaged.

        The variances are differences of near numbers: half precision is raised to single, under autocast too.
        """
        with torch.autocast(mask.device.type, enabled=False):
            exact = torch.promote_types(mask.dtype, torch.float32)
            grey, mask = guide.to(exact).mean(dim=1, keepdim=True), mask.to(exact)
            means = self._mean(torch.cat((grey, mask, grey * mask, grey * grey), dim=1))
            grey_mean, mask_mean, product_mean, square_mean = means.unbind(dim=1)
            slope = (product_mean - grey_mean * mask_mean) / (square_mean - grey_mean**2 + self.epsilon)
            offset = mask_mean - slope * grey_mean
            slope_mean, offset_mean = self._mean(torch.stack((slope, offset), dim=1)).unbind(dim=1)
            return slope_mean[:, None] * grey + offset_mean[:, None]

    def _mean(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 2 * self.radius + 1, 1, self.radius, count_include_pad=False)

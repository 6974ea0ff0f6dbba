"""The guided filter: smooth where the guide is flat, sharp where it has an edge, and differentiable."""

from __future__ import annotations

import torch

from napari_clickseg.networks.guided_filter import GuidedFilter


def test_a_flat_guide_leaves_the_mean_of_means():
    mask = torch.tensor([[[[9.0, 0.0, 0.0, 0.0]]]])
    # means over at most three pixels: 9/2, 9/3, 0, 0; and of these: 15/4, 5/2, 1, 0
    filtered = GuidedFilter(radius=1)(torch.full((1, 1, 1, 4), 7.0), mask)
    torch.testing.assert_close(filtered, torch.tensor([[[[3.75, 2.5, 1.0, 0.0]]]]))


def test_windows_are_five_pixels_wide_unless_told_otherwise():
    mask = torch.zeros(1, 1, 21, 21)
    mask[0, 0, 10, 10] = 1
    touched = GuidedFilter()(torch.zeros(1, 3, 21, 21), mask)[0, 0] > 0
    assert touched.sum() == 9 * 9
    assert touched[6:15, 6:15].all()


def test_a_mask_along_an_edge_of_the_guide_stays_sharp():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8:] = 1
    filtered = GuidedFilter(epsilon=1e-6)(10 * mask, mask)
    torch.testing.assert_close(filtered, mask, rtol=0, atol=1e-4)


def test_a_blurred_mask_takes_over_the_edge_of_the_guide():
    guide = torch.zeros(1, 1, 16, 16)
    guide[..., 8:] = 1
    ramp = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    filtered = GuidedFilter(epsilon=1e-6)(guide, ramp)
    step = filtered[..., 8] - filtered[..., 7]
    assert (step > 2 * (ramp[..., 8] - ramp[..., 7])).all()


def test_three_channels_guide_by_their_mean():
    generator = torch.Generator().manual_seed(0)
    guide, mask = torch.rand(2, 3, 8, 8, generator=generator), torch.rand(2, 1, 8, 8, generator=generator)
    torch.testing.assert_close(GuidedFilter()(guide, mask), GuidedFilter()(guide.mean(dim=1, keepdim=True), mask))


def test_its_gradient_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    guide, mask = (
        torch.rand(1, channels, 5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        for channels in (3, 1)
    )
    assert torch.autograd.gradcheck(GuidedFilter(radius=1), (guide, mask))


def test_half_precision_is_raised_before_variances_are_taken():
    image, mask = torch.rand(1, 3, 8, 8).bfloat16(), torch.rand(1, 1, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        filtered = GuidedFilter()(100 + image, mask)
    assert filtered.dtype == torch.float32
    torch.testing.assert_close(filtered, GuidedFilter()((100 + image).float(), mask.float()))

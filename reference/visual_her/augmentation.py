"""DrQ's random shift (Kostrikov et al. 2020, arXiv:2004.13649; Yarats et al. 2022; chapter section 9.8)."""

from __future__ import annotations

import torch

from visual_her.memory import upload


class RandomShift:
    """Pads an image by repeating its border and crops it at a random place: a shift of up to ``pad`` pixels.

    One shift per sample, the same for all its stacked frames, drawn anew at each call.

    Args:
        pad: the largest shift, in pixels.
        generator: source of the shifts; torch's global one if ``None``.

    Raises:
        ValueError: ``pad`` is negative.
    """

    def __init__(self, pad: int = 4, generator: torch.Generator | None = None) -> None:
        if pad < 0:
            raise ValueError(f"pad={pad} is negative: use 0 to switch the shift off.")
        self.pad = pad
        self.generator = generator or torch.default_generator

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) of any dtype -> the same shape and dtype, every value one of the image's own."""
        batch, _, height, width = pixels.shape
        shift = torch.randint(-self.pad, self.pad + 1, (2, batch, 1), generator=self.generator)
        shift = upload(shift, pixels.device)
        rows = (torch.arange(height, device=pixels.device) + shift[0]).clamp(0, height - 1)  # (B, H)
        columns = (torch.arange(width, device=pixels.device) + shift[1]).clamp(0, width - 1)  # (B, W)
        source = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)  # (B, H * W)
        flat = pixels.flatten(2)
        return flat.gather(2, source[:, None].expand(flat.shape)).view(pixels.shape)

"""Image processors: how photos become square, and how a processor is written so that others can read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from vlit.data.errors import VlitError

#: What a processor is made of beside its sizes.
_KEPT = (
    "resample",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "do_convert_rgb",
)


def square(images: Any, how: Literal["pad", "crop", "resize"]) -> Any:
    """An image processor that makes squares of the same side, with the same mean and spread of colours.

    Args:
        images: An image processor of transformers that makes squares.
        how: As ``Architecture.make_square`` tells. ``pad`` is that of LLaVA-1.5: the colour is the mean times
            255, rounded down; of an odd margin the larger half is below or to the right.

    Raises:
        VlitError: When it makes no squares.
    """
    import transformers

    side = _side(images)
    # Without torchvision transformers has the variant in Pillow alone; before 5.0 it had one name.
    kind = getattr(transformers, "LlavaImageProcessorPil", transformers.LlavaImageProcessor)
    both = {"height": side, "width": side}
    return kind(
        **{key: getattr(images, key) for key in _KEPT if getattr(images, key, None) is not None},
        do_resize=True,
        size={"shortest_edge": side} if how == "crop" else both,
        do_center_crop=how == "crop",
        crop_size=both,
        do_pad=how == "pad",
    )


def save_processor(processor: Any, tokenizer: Any, folder: Path) -> None:
    """Write a processor (or an image processor alone) and the tokenizer's chat template.

    Names of classes are those that every installation knows: ``CLIPImageProcessorPil`` is a
    ``CLIPImageProcessor`` where torchvision is, and to servers with an earlier transformers.
    """
    if hasattr(processor, "tokenizer"):
        processor.chat_template = tokenizer.chat_template
    processor.save_pretrained(folder)
    for name in ("processor_config.json", "preprocessor_config.json"):
        if (path := folder / name).is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            for part in (found, found.get("image_processor")):
                if isinstance(part, dict) and str(part.get("image_processor_type", "")).endswith("Pil"):
                    part["image_processor_type"] = part["image_processor_type"].removesuffix("Pil")
            path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _side(images: Any) -> int:
    asked = images.crop_size if getattr(images, "do_center_crop", False) else getattr(images, "size", None)
    sizes = {int(v) for v in dict(asked or {}).values() if v is not None}
    if len(sizes) != 1:
        raise VlitError(
            f"{type(images).__name__} makes no squares of one size",
            where="tune.model.image",
            todo="leave it out: this processor has its own way with the shapes of photos",
        )
    return sizes.pop()

"""What each patch of a picture is asked while the vision encoder learns to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pocket_shapes as shapes
import torch
from pocket_parts import PATCH
from pocket_questions import Shown
from torch import Tensor
from torch.nn import functional


class Words:
    """Names of what can be seen, as ids: what a patch shows is to lie near its words among the embeddings.

    So the language model finds the patches that a question speaks of from its first step on.
    """

    def __init__(self, tokenizer: Any) -> None:
        def ids(names: Sequence[str], form: str) -> Tensor:
            return torch.tensor([tokenizer.encode(form.format(name))[0] for name in names])

        kinds = (shapes.SHAPES, [s.capitalize() for s in shapes.SHAPES])
        self.shapes = [ids(kinds[0], " {}"), ids(kinds[0], " {}s"), ids(kinds[1], "{}")]
        self.colours = [ids(list(shapes.COLOURS), " {}"), ids([c.capitalize() for c in shapes.COLOURS], "{}")]
        self.grounds = [ids(list(shapes.GROUNDS), " {}"), ids([g.capitalize() for g in shapes.GROUNDS], "{}")]

    def loss(self, model: Any, features: Tensor, truth: Sequence[Tensor]) -> Tensor:
        """Mean over patches and forms of the words."""
        image = model.model.multi_modal_projector(features)
        words = model.model.language_model.embed_tokens.weight
        shape, colour, ground = truth[:3]
        covered = shape > 0
        total = torch.zeros(())
        for forms, what, at in (
            (self.shapes, shape - 1, covered),
            (self.colours, colour - 1, covered),
            (self.grounds, ground, ~covered),
        ):
            for form in forms:
                total = total + functional.cross_entropy(image[at] @ words[form].T, what[at]) / len(forms)
        return total


class Looks(torch.nn.Module):
    """What each patch is asked in the first stage: shape, colour, centre and size of what covers it, ground."""

    def __init__(self, tokenizer: Any, width: int) -> None:
        super().__init__()
        self.words = Words(tokenizer)
        self.sizes = (len(shapes.SHAPES) + 1, len(shapes.COLOURS) + 1, len(shapes.GROUNDS), 3)
        self.norm = torch.nn.LayerNorm(width)
        self.out = torch.nn.Linear(width, sum(self.sizes))

    def loss(self, model: Any, features: Tensor, seen: Sequence[Shown]) -> Tensor:
        """Mean over patches; features (n, patches, width)."""
        shape, colour, ground, place = self.out(self.norm(features)).split(self.sizes, -1)
        found = [self._truth(s.picture) for s in seen]
        t_shape, t_colour, t_ground, t_place = (
            torch.from_numpy(np.stack([f[i] for f in found])) for i in range(4)
        )
        total = functional.cross_entropy(shape.transpose(1, 2), t_shape)
        total = total + functional.cross_entropy(colour.transpose(1, 2), t_colour)
        total = total + 0.3 * functional.cross_entropy(ground.transpose(1, 2), t_ground)
        covered = t_shape > 0
        total = total + 3 * functional.smooth_l1_loss(place[covered], t_place[covered].float(), beta=0.1)
        return total + 0.5 * self.words.loss(model, features, (t_shape, t_colour, t_ground))

    @staticmethod
    def _truth(picture: shapes.Picture) -> tuple[Any, Any, Any, Any]:
        owner = shapes.owners(picture.drawn, PATCH)
        names, colours = list(shapes.SHAPES), list(shapes.COLOURS)
        what = np.array([names.index(d.shape) + 1 for d in picture.drawn] + [0])
        colour = np.array([colours.index(d.colour) + 1 for d in picture.drawn] + [0])
        place = np.array([(d.x, d.y, d.r) for d in picture.drawn] + [(0.0, 0.0, 0.0)]) / shapes.SIDE
        ground = np.full(len(owner), list(shapes.GROUNDS).index(picture.ground))
        return what[owner], colour[owner], ground, place[owner]

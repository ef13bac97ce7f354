"""The stage ``report``: one HTML file about the whole run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pydantic

from vlit.data.scene import Image
from vlit.data.seeds import draw
from vlit.data.store import atomic
from vlit.report.choose import Choice, choose, in_turn
from vlit.report.credits import credits
from vlit.report.distributions import distributions
from vlit.report.evaluation import evaluated_photos, evaluation
from vlit.report.ingredients import ingredients
from vlit.report.page import Content, render
from vlit.report.payload import payload
from vlit.report.photos import embed
from vlit.report.principles import principles
from vlit.report.quarantine import quarantine
from vlit.report.recipe import origin
from vlit.report.shown import Shown, gather
from vlit.report.teacher import teaching
from vlit.report.totals import totals
from vlit.report.tuning import photos_of, tuning
from vlit.run import stage
from vlit.run.folder import RunFolder

#: Examples of samples that were dropped by a cap, or by the choice, alone.
_CAPPED = 3


class ReportConfig(stage.Config):
    """What the page shows."""

    title: str | None = pydantic.Field(None, description="heading; by default the run's name")
    examples: int = pydantic.Field(24, ge=0, description="examples, half of them kept and half dropped")
    explorer: int = pydantic.Field(1_500, ge=0, description="samples that can be searched in the page")
    photos: int = pydantic.Field(300, ge=0, description="photos that are embedded, each once")


class ReportStage(stage.Stage[ReportConfig]):
    """Writes ``report/index.html``; tables that are missing leave their part of the page out."""

    name: ClassVar[str] = "report"
    reads: ClassVar[tuple[str, ...]] = (
        "scenes",
        "exchanges",
        "ingredients",
        "samples",
        "scores",
        "set_scores",
        "verdicts",
        "selected",
        "examples",
        "quarantine",
    )
    optional: ClassVar[tuple[str, ...]] = reads
    code: ClassVar[tuple[str, ...]] = ("vlit.report", "vlit.data")
    Config: ClassVar[type[stage.Config]] = ReportConfig

    def outside(self) -> Iterable[str]:
        """Prices: what they are makes no difference to the samples, but to what is said of their cost."""
        prices = getattr(self.setting.teacher, "prices", None)
        if prices:
            yield repr(sorted((model, price.model_dump_json()) for model, price in prices.items()))

    def shards(self, run: RunFolder) -> Iterable[stage.Shard]:
        """None: the page needs all tables at once."""
        return ()

    def files(self, run: RunFolder) -> tuple[Path, ...]:
        """The page."""
        return (run.path / "report" / "index.html",)

    def finish(self, run: RunFolder) -> stage.Output:
        """Write the page."""
        (path,) = self.files(run)
        text = render(content(run, self.config))
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return stage.Output()


def content(run: RunFolder, config: ReportConfig) -> Content:
    """Everything that the page says, from the tables of a run."""
    made = origin(run)
    scores = distributions(run, made.gates)
    choice = choose(run, samples=max(config.explorer, config.examples), photos=config.photos)
    gathered = gather(run, choice.ids)
    by_id = {shown.sample.id: shown for shown in gathered.samples}
    kept, dropped = _examples(choice, by_id, config.examples)
    images: dict[str, Image] = {}
    for shown in gathered.samples:
        for image in shown.sample.images[:1]:
            if image.uri in choice.photos:
                images.setdefault(image.uri, image)
    tuned = tuning(run)
    evaluated = evaluation(run)
    for image in (*photos_of(tuned), *evaluated_photos(evaluated)):
        images.setdefault(image.uri, image)
    photos = {uri: embed(image) for uri, image in images.items()}
    return Content(
        title=config.title or run.path.name,
        totals=totals(run),
        ingredients=ingredients(run),
        distributions=scores,
        principles=principles(run),
        gathered=gathered,
        kept_examples=[by_id[name] for name in kept],
        dropped_examples=[by_id[name] for name in dropped],
        photos=photos,
        credits=credits(run, photos),
        teaching=teaching(run),
        tuned=tuned,
        evaluated=evaluated,
        quarantine=quarantine(run),
        origin=made,
        data=payload(gathered, photos, scores, choice.samples),
    )


def _examples(choice: Choice, by_id: dict[str, Shown], limit: int) -> tuple[list[str], list[str]]:
    """Ids of kept (or not judged) and of dropped examples: every task and every rule in turn, photos first."""
    kept: dict[str, list[tuple[str, str]]] = defaultdict(list)
    dropped: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name in sorted(by_id, key=lambda n: (not _visible(by_id[n], choice), draw(0, "example", n))):
        task, rule = choice.strata[name]
        if rule:
            dropped[rule].append((name, _photo(by_id[name])))
        else:
            kept[task].append((name, _photo(by_id[name])))
    for rule in {"cap", "keep"} & set(dropped):  # says nothing of the sample itself, so a few are enough
        del dropped[rule][_CAPPED:]
    number_dropped = min(sum(map(len, dropped.values())), limit // 2)
    return in_turn(kept, limit - number_dropped), in_turn(dropped, number_dropped)


def _visible(shown: Shown, choice: Choice) -> bool:
    return _photo(shown) in choice.photos


def _photo(shown: Shown) -> str:
    return shown.sample.images[0].uri if shown.sample.images else ""

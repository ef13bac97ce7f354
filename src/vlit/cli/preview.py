"""What would be asked of a teacher, for ``--preview``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from vlit.cli.common import console, run_before
from vlit.data.errors import VlitError
from vlit.generate.instruct.preview import Estimate, preview
from vlit.generate.stage import GenerateStage
from vlit.run.recipe import Recipe
from vlit.teacher.config import TeacherConfig
from vlit.teacher.exchange import Wanted
from vlit.teacher.message import Message, Text

_ROLES = {"system": "yellow", "user": "cyan", "assistant": "green"}
#: Scenes that an estimate is made from, at most: it should take seconds, not minutes.
_LOOKED_AT = 2_000


def show_preview(recipe: Recipe, run: Path, number: int, workers: int | None) -> None:
    """Run what comes before the stage generate, print requests and an estimate, and send nothing.

    Raises:
        VlitError: When the recipe asks no teacher.
    """
    stage = next((s for s in recipe.stages if isinstance(s, GenerateStage)), None)
    instructor = stage.instructor() if stage else None
    if instructor is None:
        raise VlitError(
            "this recipe asks no teacher, so there is nothing to preview",
            where=recipe.name,
            todo="add `generate: {instruct: {recipes: [llava_conversation]}}` and `teacher:`",
        )
    folder = run_before("generate", recipe, run, workers)
    chosen = folder.chosen_scenes()
    ids = [scene for scene in folder.scenes.ids() if chosen is None or scene in chosen]
    threshold, known = instructor.threshold(ids, most=_LOOKED_AT), set(ids)
    scenes = (s for s in folder.scenes if s.id in known and instructor.chosen(s, threshold))
    seen = preview(instructor, scenes, number, stage.rewriting() if stage else None)
    asked = min(len(ids), instructor.config.scenes or len(ids))
    if asked > seen.scenes:
        seen = seen.scaled(asked / seen.scenes)
    for name, requests in seen.first.items():
        for n, wanted in enumerate(requests, start=1):
            _show_request(f"{name}, request {n} of {seen.estimates[name].requests:,}", wanted)
    _show_estimates(seen.estimates, instructor.teacher)
    if asked > seen.scenes:
        console.print(f"[dim]Told from {seen.scenes:,} of {asked:,} scenes, drawn by the seed.[/]")


def _show_request(title: str, wanted: Wanted) -> None:
    sampling, n = wanted.request.sampling, wanted.n
    drawn = f"at most {sampling.max_tokens:,} tokens" + (f", {n} replies" if n > 1 else "")
    warmth = "" if sampling.temperature is None else f", temperature {sampling.temperature:g}"
    console.print(f"[bold]━━ {escape(title)}[/] [dim]{escape(wanted.request.model)}, {drawn}{warmth}[/]")
    for message in wanted.request.messages:
        console.print(f"[bold {_ROLES[message.role]}]{message.role}[/]")
        console.print(escape(_words(message)), end="\n\n")


def _words(message: Message) -> str:
    return "\n".join(
        part.text if isinstance(part, Text) else f"[image {part.uri}{', marked' if part.mark else ''}]"
        for part in message.parts
    )


def _show_estimates(estimates: dict[str, Estimate], teacher: TeacherConfig) -> None:
    price = teacher.prices.get(teacher.model)
    console.print("Nothing was sent. All requests, if each reply is right at once:")
    table = Table(box=None, padding=(0, 1))
    table.add_column("\n\nrecipe", no_wrap=True)
    columns = (
        "\n\nrequests",
        "\n\nreplies",
        "\npassed\nover",
        "prompt\ntokens,\nabout",
        "reply\ntokens,\nat most",
    )
    for column in (*columns, "\nmoney,\nat most") if price else columns:
        table.add_column(column, justify="right", no_wrap=True)
    rows = [*estimates.items(), *([("all", _sum(estimates.values()))] if len(estimates) > 1 else ())]
    for name, e in rows:
        prompt = e.prompt_tokens(teacher.picture_tokens)
        cells = [e.requests, e.replies, e.passed_over, prompt, e.most_completion]
        row = [f"{cell:,}" for cell in cells]
        if price:
            row.append(f"{(prompt * price.prompt + e.most_completion * price.completion) / 1e6:,.2f}")
        table.add_row(name, *row)
    console.print(table)


def _sum(estimates: Iterable[Estimate]) -> Estimate:
    total = Estimate()
    for estimate in estimates:
        for name, value in vars(estimate).items():
            setattr(total, name, getattr(total, name) + value)
    return total

"""``vlit evaluate``: the model of a run, or any model, on benchmarks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from vlit.cli.assess import is_run
from vlit.cli.common import console, run_recipe, runs_option, set_option, short_path, show_plan, workers_option
from vlit.cli.score import show_scores
from vlit.data.errors import VlitError, nearest
from vlit.evaluate.benchmark import BenchmarkConfig
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe, kept_recipe, parse_recipe
from vlit.run.recipe_text import dump


@click.command(
    epilog="Example: vlit evaluate runs/mine --benchmark gqa=testdev_balanced_questions.json --images gqa"
)
@click.argument("what", type=click.Path(path_type=Path), metavar="RUN|MODEL")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    metavar="NAME[.KEY]=FILE",
    help="A benchmark and its files; by default those of the recipe of RUN, else its held-out samples. "
    "May be given several times.",
)
@click.option(
    "--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the photos."
)
@click.option("--protocol", help="How it is asked, where there are several; a wrong one names them all.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ask N questions, in whole units (MME: photos); the score is partial.",
)
@click.option("--endpoint", metavar="URL", help="An OpenAI-compatible server that has MODEL.")
@click.option("--key", metavar="VARIABLE", help="Environment variable with the key of the server.")
@click.option("--again", is_flag=True, help="Ask again what could not be asked; answers are kept.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked; do nothing.")
@click.option("--name", help="Name of the run that evaluates MODEL; by default that of the model.")
@set_option
@runs_option
@workers_option
def command(
    what: Path,
    benchmarks: tuple[str, ...],
    images: Path | None,
    protocol: str | None,
    limit: int | None,
    endpoint: str | None,
    key: str | None,
    again: bool,
    dry_run: bool,
    name: str | None,
    overrides: tuple[str, ...],
    runs: Path,
    workers: int | None,
) -> None:
    """Evaluate the tuned model of the run folder RUN, or MODEL: a folder, a hub id, or `pocket`.

    Answers are kept as they come: the same command goes on from there. Each score has its protocol card.
    """
    told: dict[str, Any] = {}
    for text in benchmarks:
        name_, _, file = text.partition("=")
        kind, _, key_ = name_.partition(".")
        told[kind] = {**told.get(kind, {}), **_settings(kind, key_, file, images, protocol)}
    if (images or protocol) and not told:
        raise click.UsageError("--images and --protocol are of a --benchmark; name one")
    evaluate: dict[str, Any] = {"benchmarks": told} if told else {}
    if limit is not None:
        evaluate["limit"] = limit
    recipe, folder = _recipe(what, evaluate, _server(endpoint, key), name, overrides, runs)
    if dry_run:
        show_plan(recipe, folder.parent)
        return
    run_recipe(recipe, folder, workers, until="evaluate", again="evaluate" if again else None)
    show_scores(_scores_in(recipe, folder))


def _settings(kind: str, key: str, file: str, images: Path | None, protocol: str | None) -> dict[str, Any]:
    """Settings of a benchmark from the command line."""
    from vlit.evaluate.registry import BENCHMARKS

    if kind not in BENCHMARKS.targets():
        raise VlitError(
            f"there is no benchmark {kind!r}", where="--benchmark", todo=nearest(kind, BENCHMARKS.names())
        )
    config: type[BenchmarkConfig] = BENCHMARKS.load(kind).Config
    found: dict[str, Any] = {"protocol": protocol} if protocol else {}
    if images is not None:
        if "images" not in config.model_fields:
            raise VlitError(f"{kind} takes no folder of photos", where="--images", todo="leave it out")
        found["images"] = str(images.resolve())
    if file:
        path = Path(file).expanduser()
        found[key or _main_key(kind, config, path)] = str(path.resolve()) if path.exists() else file
    return found


def _main_key(kind: str, config: type[BenchmarkConfig], path: Path) -> str:
    """The key that a benchmark's one file has: the first that it cannot do without."""
    own = {
        k: f for k, f in config.model_fields.items() if k != "protocol" and f.annotation in (str, str | None)
    }
    needed = [k for k, field in own.items() if k != "images" and (field.is_required() or field.default)]
    needed = needed or [k for k in own if len(own) == 1]
    if needed:
        return needed[0]
    if "images" in own and path.is_dir():
        return "images"
    raise VlitError(
        f"{kind} has several files",
        where=f"--benchmark {kind}={path}",
        todo=f"name the key of each: --benchmark {kind}.KEY=FILE; keys: {', '.join(own)}",
    )


def _server(endpoint: str | None, key: str | None) -> dict[str, Any] | None:
    if endpoint is None:
        if key is not None:
            raise click.UsageError("--key is of an --endpoint; name its URL")
        return None
    return {"url": endpoint} | ({"key": key} if key else {})


def _recipe(
    what: Path,
    evaluate: dict[str, Any],
    server: dict[str, Any] | None,
    name: str | None,
    overrides: tuple[str, ...],
    runs: Path,
) -> tuple[Recipe, Path]:
    """The recipe, and the folder of its run."""
    if is_run(what):
        if server is not None:
            raise click.UsageError("an endpoint has a MODEL, not a RUN")
        values, base = kept_recipe(RunFolder(what))
        values["evaluate"] = {**(values.get("evaluate") or {}), **evaluate}
        text = dump(values)
        return parse_recipe(text, base=base, where=str(what / "recipe.yaml"), overrides=overrides), what
    model: dict[str, Any] = {"model": str(what)}
    if server is not None:
        model["endpoint"] = server
    elif what.exists():
        model["model"] = str(what.resolve())
    if "benchmarks" not in evaluate and not any("evaluate.benchmarks" in text for text in overrides):
        raise VlitError(
            "a model that no run has tuned has no held-out samples",
            where=str(what),
            todo="name what it shall answer, e.g. --benchmark pope=FILE --images FOLDER",
        )
    known = name or re.sub(r"[^\w.-]+", "-", what.name).strip("-.") or "model"
    values = {
        "name": f"{known}-evaluated" if name is None else known,
        "evaluate": {"models": [model], **evaluate},
    }
    recipe = parse_recipe(dump(values), base=Path.cwd(), where=short_path(what), overrides=overrides)
    return recipe, runs / recipe.name


def _scores_in(recipe: Recipe, folder: Path) -> list[Path]:
    """Scores that the stage wrote."""
    run = RunFolder(folder)
    stage = next(one for one in recipe.stages if one.name == "evaluate")
    found = [path for path in stage.files(run) if path.name == "scores.json"]
    if not found:
        console.print("no scores")
    return found

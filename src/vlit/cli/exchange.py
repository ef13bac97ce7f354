"""An exchange with the teacher on the terminal: what was asked, what came back, what was wrong with it."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from vlit.cli.common import console
from vlit.data.exchange import Exchange
from vlit.run.folder import RunFolder
from vlit.run.recipe import kept_recipe
from vlit.teacher.journal import JournalView

_ROLES = {"system": "yellow", "user": "cyan", "assistant": "green"}


def journal_of(folder: RunFolder) -> JournalView:
    """The journal that a run's teacher has."""
    values, base = kept_recipe(folder)
    teacher = values.get("teacher")
    named = teacher.get("journal") if isinstance(teacher, dict) else None
    return JournalView(base / Path(named).expanduser() if named else folder.path / "journal")


def show_exchange(row: Exchange, folder: RunFolder) -> None:
    """Print all rounds of an exchange."""
    console.print(
        f"[bold]{escape(row.id)}[/]  {row.recipe} [dim](prompt {row.prompt})[/] by {escape(row.teacher)}"
    )
    tokens = f"{row.prompt_tokens:,} tokens of prompts and {row.completion_tokens:,} of replies"
    console.print(f"outcome    {row.outcome}, {row.samples:,} samples, {tokens}")
    for what, found in (("sent back", row.flaws), ("put right", row.repairs), ("cut", row.cut)):
        if found:
            console.print(f"{what:<10} {escape(', '.join(found))}")
    journal = journal_of(folder)
    for number, key in enumerate(row.requests):
        console.rule(f"[dim]request {key}[/]", align="left")
        show_request(key, journal, whole=number == 0)


def show_request(key: str, journal: JournalView, *, whole: bool = True) -> None:
    """Print the messages of a request and its replies, from the journal.

    Args:
        key: Of the request.
        journal: Where it is.
        whole: All messages; else only the last two, which a later round has beside the first ones.
    """
    messages = journal.messages(key)
    for message in messages if whole else messages[-2:]:
        console.print(f"[bold {_ROLES[message.role]}]{message.role}[/]")
        console.print(escape(message.text), end="\n\n")
    for choice in journal.choices(key):
        console.print(f"[bold green]reply[/] [dim]({choice.finish or 'no finish reason'})[/]")
        console.print(escape(choice.text), end="\n\n")
    if failure := journal.failure(key):
        console.print(f"[bold red]no reply[/] {escape(failure.kind)}: {escape(failure.reason)}")

"""``vlit score``: answers scored again from their file alone; two of them compared."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vlit.cli.common import console, short_path

if TYPE_CHECKING:
    from vlit.evaluate.scores import Evaluated, Number, Scores
    from vlit.evaluate.statistics import Paired

#: Columns of a terminal that a table may take.
_WIDTH = 80


@click.command(epilog="Example: vlit score runs/mine/evaluation/tuned/pope/answers.jsonl")
@click.argument("answers", type=click.Path(path_type=Path), metavar="ANSWERS.JSONL")
@click.argument("other", type=click.Path(path_type=Path), metavar="[OTHER.JSONL]", required=False)
@click.option("--seed", type=click.IntRange(min=0), help="Of the bootstrap; by default that of the answers.")
@click.option("--card", is_flag=True, help="Print the protocol card instead of the table.")
def command(answers: Path, other: Path | None, seed: int | None, card: bool) -> None:
    """Score answers again; with OTHER, compare it with them on the questions that both were asked.

    Neither the model nor the files of the benchmark are needed; judged.jsonl and contamination.json are read
    where they lie beside the answers. Nothing is written.
    """
    from vlit.evaluate.scores import compared, evaluated

    first = evaluated(answers)
    seed = first.answers.header.seed if seed is None else seed
    found = [_scores(first, answers, seed)]
    if card:
        from vlit.evaluate.card import card as card_of
        from vlit.evaluate.card import markdown

        console.print(markdown(card_of(first, found[0])), markup=False)
        return
    if other is None:
        print_scores(found)
        return
    second = evaluated(other)
    found.append(_scores(second, other, seed))
    print_scores(found)
    pair = compared(first, second, seed)
    console.print(f"\n[bold]{escape(short_path(other))}[/] against {escape(short_path(answers))}")
    print_paired(pair, [len(own.answers.rows) for own in (first, second)])


def _scores(own: Evaluated, path: Path, seed: int) -> Scores:
    """The numbers of answers, with what was found of their questions among the training samples."""
    from vlit.evaluate.contamination import NAME, read_contamination
    from vlit.evaluate.scores import scores_of

    header, found = own.answers.header, read_contamination(path.with_name(NAME))
    if found is not None and found.questions != header.expected - sum(header.lost.values()):
        found = None  # it lies beside answers to other questions
    return scores_of(own, seed=seed, contamination=found)


def print_paired(pair: Paired, answered: Sequence[int]) -> None:
    """How the second differs from the first, and on how much of both that rests."""
    of = f" [yellow]({answered[0]:,} and {answered[1]:,} are in the files)[/]" * (max(answered) > pair.n)
    console.print(f"  {pair.n:,} questions that both answered{of}")
    less = " (less is better)" if pair.lower else ""
    told = "" if pair.interval is None else f", 95 % {pair.interval[0]:+.2f} to {pair.interval[1]:+.2f}"
    drawn = " [dim](paired bootstrap)[/]" if told else ""
    console.print(f"  {escape(pair.metric)} {pair.difference:+.2f}{less}{told}{drawn}")
    told = "" if pair.p is None else f"; McNemar p = {pair.p:.2g}"
    console.print(f"  better on {pair.better:,}, worse on {pair.worse:,}{told}")
    if not pair.better + pair.worse:
        console.print("  [yellow]no answer is worth more or less than the other[/]")
    elif pair.interval is None or pair.interval[0] <= 0 <= pair.interval[1]:
        console.print("  [yellow]the difference may be chance[/]")


def show_scores(paths: Sequence[Path]) -> None:
    """Print scores that were written, and where their cards are."""
    from vlit.evaluate.scores import read_scores

    print_scores([read_scores(path) for path in paths])
    for path in paths:
        card = path.with_name("card.md")
        console.print(f"  card  [link={card.resolve().as_uri()}]{escape(short_path(card))}[/link]")
        if (sent := path.with_name("submission")).is_dir() and any(sent.iterdir()):
            console.print(f"  for a server that scores: {escape(short_path(sent))}")


def one_line(scores: Scores) -> str:
    """A score as one line of a summary: "Held-out samples: accuracy 8.1 (5.7 to 10.7), all 258 questions"."""
    own = [one for one in scores.metrics if one.name == scores.headline[0] and one.value is not None]
    main = next((one for one in own if ": " not in one.group), None)  # else of the parts that are there
    if main is None or main.value is None:
        return f"{scores.title}: no score, {scores.whole()}"
    between = "" if main.interval is None else f" ({main.interval[0]:.1f} to {main.interval[1]:.1f})"
    beside = next((m for m in scores.metrics if m.name == "majority answer" and not m.group), None)
    more = "" if beside is None or beside.value is None else f", majority answer {beside.value:.1f}"
    name = f"{main.name}, {main.group}" if main.group else main.name
    return f"{scores.title}: {name} {main.value:.1f}{between}{more}, {scores.whole()}"


def told_of(scores: Scores) -> list[Number]:
    """The numbers that a terminal shows: those over all questions, then of parts the one that papers quote.

    Where papers quote no number of parts, all of them.
    """
    whole = [one for one in scores.metrics if ": " not in one.group]
    parts = [one for one in scores.metrics if ": " in one.group]
    return whole + ([one for one in parts if one.name == scores.headline[0]] or parts)


def print_scores(found: Sequence[Scores]) -> None:
    """A table for each benchmark and model; no line is longer than 80 columns."""
    from vlit.evaluate.registry import BENCHMARKS

    for scores in found:
        console.print(f"\n[bold]{escape(scores.title)}[/] [dim]({escape(scores.protocol)})[/]")
        console.print(f"  {escape(_cut(scores.model, _WIDTH - 2))}")
        table = Table(box=None, padding=(0, 1), width=_WIDTH, header_style="dim")
        table.add_column("metric", ratio=1, overflow="fold")
        for name, width in (("score", 7), ("95 %", 15), ("n", 7), ("not read", 8)):
            table.add_column(name, justify="right", min_width=width, no_wrap=True)
        shown, by = told_of(scores), ""
        for one in shown:
            main = (one.name, one.group) == scores.headline
            value = "–" if one.value is None else f"{one.value:.2f}"
            between = "–" if one.interval is None else f"{one.interval[0]:.2f} – {one.interval[1]:.2f}"
            key, _, group = one.group.rpartition(": ")
            if key not in ("", by):
                by = key
                table.add_row(Text(f"by {key}", "dim"))
            name = f"{one.name}, {group}" if group else one.name
            failed = f"{one.failures:,}" if one.failures else ""
            style = "bold" if main else ""
            table.add_row(Text(name, style), Text(value, style), between, f"{one.n:,}", failed)
        console.print(table, soft_wrap=False)
        if more := len(scores.metrics) - len(shown):
            console.print(f"  [dim]{more:,} more numbers of parts are in the card[/]")
        style = "yellow" if scores.partial else "dim"
        console.print(f"  [{style}]{escape(scores.whole())}[/]")
        if scores.failures:
            share = scores.failures / max(scores.answered, 1)
            rule = BENCHMARKS.load(scores.benchmark).unread
            console.print(f"  [dim]{scores.failures:,} answers not understood ({share:.1%}): {rule}[/]")
        for told in scores.left_out():
            console.print(f"  [yellow]{escape(told)}[/]")
        if scores.contaminated:
            console.print(f"  [yellow]{escape(_wrapped(scores.contamination))}[/]")
            if scores.clean is not None and scores.clean.value is not None:
                console.print(f"  without them: [bold]{scores.clean.value:.2f}[/]")
        if scores.judge:
            console.print(f"  [dim]judge: {escape(scores.judge)}[/]")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH - 2, subsequent_indent="  ")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else "…" + text[1 - width :]

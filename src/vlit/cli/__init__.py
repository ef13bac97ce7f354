"""The command line: one file per command, no logic of its own."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from typing import ClassVar

import click

#: Command -> where it is, and its line in the list. A module is imported when its command is called.
COMMANDS = {
    "demo": ("vlit.cli.demo:command", "the main job on 44 real photos: instruction set, tuned model, report"),
    "run": ("vlit.cli.run:command", "run a recipe; what is done already is skipped"),
    "collect": ("vlit.cli.collect:command", "photos and annotations to scenes"),
    "generate": ("vlit.cli.generate:command", "scenes to instruction samples"),
    "assess": ("vlit.cli.assess:command", "a run or any set by the ten principles: samples to scores"),
    "compare": ("vlit.cli.compare:command", "sets side by side at equal size"),
    "select": ("vlit.cli.stages:select", "scores to verdicts and the selected samples"),
    "export": ("vlit.cli.stages:export", "selected samples to a training-data file"),
    "tune": ("vlit.cli.tune:command", "a multimodal model tuned on the selected samples, or on any set"),
    "evaluate": ("vlit.cli.evaluate:command", "a model's answers to benchmarks, scored by the official rules"),
    "score": ("vlit.cli.score:command", "answers scored again, or two models compared"),
    "leaderboard": ("vlit.cli.leaderboard:command", "scores of runs beside published ones"),
    "report": ("vlit.cli.stages:report", "one HTML page about the run"),
    "show": ("vlit.cli.show:command", "one sample with everything behind it"),
    "doctor": ("vlit.cli.doctor:command", "what is installed and usable, and how to enable the rest"),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from vlit.data.errors import nearest

            raise click.UsageError(f"no command {args[0]!r}; {nearest(args[0], COMMANDS)}", ctx) from None


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: vlit demo    Each command's --help shows one of its own.",
)
@click.version_option(package_name="vlit")
def group() -> None:
    """Annotated images in, measured vision-language instruction data out."""


def main() -> None:
    """Entry point: errors that a user can put right are printed without a traceback."""
    from vlit.data.errors import VlitError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sign that the terminal lacks must not end a run
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has reason to ignore it
            signal.signal(number, _stop)
    try:
        sys.exit(group.main(standalone_mode=False) or 0)
    except VlitError as error:
        click.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
    except OSError as error:  # of a file that nobody expected to be as it is
        where = f"\n  in: {error.filename}" if error.filename else ""
        click.secho(f"error: {error.strerror or error}{where}", fg="red", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort, RuntimeError) as stop:
        # A signal that comes while a lock is let go can break it: Python then says that it was not held.
        if isinstance(stop, RuntimeError) and not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would only break the way out
        click.secho(
            "\nstopped. Finished parts and replies are kept: the same command goes on from there.",
            fg="yellow",
            err=True,
        )
        sys.exit(128 + _Stopped.last)  # not of the exception: libraries on the way raise their own in its place


class _Stopped(KeyboardInterrupt):
    """A signal that asks to end, such as the one of ``kill``: workers are stopped as with Ctrl-C."""

    last: ClassVar[int] = signal.SIGINT  #: the signal that came, else that of Ctrl-C


def _stop(number: int, frame: object) -> None:
    _Stopped.last = number
    raise _Stopped

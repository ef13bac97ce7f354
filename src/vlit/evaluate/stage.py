"""The stage ``evaluate``: every model answers every benchmark; answers, scores and cards as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from vlit.data.errors import VlitError
from vlit.data.score import Quarantined
from vlit.data.store import atomic
from vlit.evaluate import answers, judge, runner, scores
from vlit.evaluate.answerer import Answerer
from vlit.evaluate.benchmark import AnyBenchmark, Loaded
from vlit.evaluate.benchmarks.held_out import HeldOut
from vlit.evaluate.card import as_json, card, markdown
from vlit.evaluate.config import TUNED, EvaluateConfig, EvaluatedModel
from vlit.evaluate.contamination import Contamination, contaminated
from vlit.evaluate.registry import BENCHMARKS
from vlit.evaluate.training import samples_in, tuned_on
from vlit.run import stage
from vlit.run.folder import RunFolder
from vlit.run.inputs import content_line
from vlit.run.progress import Progress
from vlit.weights.located import check_reachable, folder_lines

FOLDER = "evaluation"
#: What is made of answers each time; the scores say that all of it is there.
_MADE = (scores.NAME, "card.md", "card.json")
_SUBMISSION = "submission"


class EvaluateStage(stage.Stage[EvaluateConfig]):
    """Writes ``evaluation/<model>/<benchmark>/``: answers.jsonl, scores.json, card.md, card.json and more.

    Answers are kept as long as model, files and protocol are the same, whatever else changes: only what is not
    answered yet is asked. All else is made anew of the answers each time.
    """

    name: ClassVar[str] = "evaluate"
    reads: ClassVar[tuple[str, ...]] = ("examples",)
    optional: ClassVar[tuple[str, ...]] = ("examples",)
    code: ClassVar[tuple[str, ...]] = ("vlit.evaluate", "vlit.tune", "vlit.weights", "vlit.data")
    Config = EvaluateConfig

    def __init__(self, config: EvaluateConfig, setting: stage.Setting) -> None:
        super().__init__(config, setting)
        self.benchmarks = config.make()
        self._questions: dict[str, Loaded] = {}
        self._leaks: dict[str, Contamination] = {}
        self._tuned = {model.folder for model in config.models if model.model is None}
        judged = [name for name, benchmark in self.benchmarks.items() if benchmark.judged]
        if judged and setting.teacher in (None, "none"):
            raise VlitError(
                f"{judged[0]} is scored by a judge, and the recipe names none",
                where=f"evaluate.benchmarks.{judged[0]}",
                todo="name the judge: add `teacher: {model: NAME, endpoints: [{url: ...}]}` to the recipe, "
                "or `--set 'teacher={model: NAME, endpoints: [{url: ...}]}'` to the command",
            )

    def outside(self) -> Iterator[str]:
        """Files of models and benchmarks. Photos are told by the questions' own digests of them."""
        for model in self.config.models:
            if model.model is not None and model.endpoint is None:
                yield from folder_lines(model.model, self.setting.base)
        training = self.config.training
        named = [benchmark.config for benchmark in self.benchmarks.values()]
        for own in named if training is None else [*named, training]:
            for value in _texts(own.model_dump(mode="json")):
                path = Path(self.setting.resolve(value))
                if path.is_file():
                    yield content_line(path)

    def plugins(self) -> Iterable[str]:
        """Packages of benchmarks that are not ours."""
        return BENCHMARKS.packages([benchmark.name for benchmark in self.benchmarks.values()])

    def check(self) -> None:
        """Models and files are there, before hours of work lead up to them."""
        from vlit.tune.models.registry import placed

        for model in self.config.models:
            if model.model is not None and model.endpoint is None:
                check_reachable(placed(model.model, self.setting.base))
        for name, benchmark in self.benchmarks.items():
            if not isinstance(benchmark, HeldOut):
                self._loaded(name, benchmark)

    def expect(self, run: RunFolder) -> str:
        """What there is to do."""
        models, benchmarks = len(self.config.models), len(self.benchmarks)
        limit = f", {self.config.limit:,} questions of each" if self.config.limit else ""
        return f"{models} model{'s' * (models > 1)} on {', '.join(self.benchmarks)}{limit}" * bool(benchmarks)

    def remark(self) -> str:
        """Who would be asked."""
        asked = [f"{m.model} at {m.endpoint.url}" for m in self.config.models if m.endpoint is not None]
        judged = [name for name, benchmark in self.benchmarks.items() if benchmark.judged]
        if judged:
            asked.append(f"{self.setting.teacher.model} as the judge of {', '.join(judged)}")
        return f"asks {'; '.join(asked)}" if asked else ""

    def shards(self, run: RunFolder) -> Iterable[stage.Shard]:
        """None: a model is loaded once."""
        return ()

    def processes(self, most: int) -> int:
        """This one: there are no shards, and questions by the thousand would be sent to workers in vain."""
        return 1

    def again(self, run: RunFolder) -> None:
        """Let the journals forget what no reply came to; questions without an answer are asked again anyway."""
        from vlit.teacher.journal import Journal

        for folder in (*self._journals(run), self._judge_journal(run)):
            if folder is not None and folder.is_dir():
                with Journal(folder) as journal:
                    journal.retry()

    def drive(self, run: RunFolder, progress: Progress) -> None:
        """Put the benchmarks to the models, one after the other."""
        for model in self.config.models:
            answerer, own = self._answerer(model, run), run.path / FOLDER / model.folder
            for name, benchmark in self._of(run).items():
                header = self._evaluate(answerer, name, benchmark, own / name, run, progress)
            _drop_of_other_weights(own, header, progress)

    def finish(self, run: RunFolder) -> stage.Output:
        """What of the benchmarks' files could not be used."""
        lost: list[Quarantined] = []
        for name, benchmark in self._of(run).items():
            lost += self._loaded(name, benchmark).lost
        return stage.Output({}, lost)

    def files(self, run: RunFolder) -> list[Path]:
        """Scores and cards. Answers are not among them: they are kept when scores are made anew."""
        folders = [run.path / FOLDER / m.folder / name for m in self.config.models for name in self.benchmarks]
        return [folder / name for folder in folders for name in _MADE]

    @property
    def _seed(self) -> int:
        return self.setting.seed if self.config.seed is None else self.config.seed

    def _of(self, run: RunFolder) -> dict[str, AnyBenchmark]:
        """The benchmarks; held-out samples are by default those of this run."""
        return {
            name: HeldOut(b.config.model_copy(update={"run": str(run.path.resolve())}))
            if isinstance(b, HeldOut) and b.config.run is None
            else b
            for name, b in self.benchmarks.items()
        }

    def _loaded(self, name: str, benchmark: AnyBenchmark) -> Loaded:
        if name not in self._questions:
            self._questions[name] = benchmark.load(self.setting.base)
        return self._questions[name]

    def _answerer(self, model: EvaluatedModel, run: RunFolder) -> Answerer:
        if model.endpoint is not None:
            from vlit.evaluate.endpoint import Endpoint
            from vlit.teacher.config import TeacherConfig

            server = TeacherConfig(
                model=str(model.model), endpoints=(model.endpoint,), extra=model.extra,
                prices=model.prices, budget=model.budget,
            ).model_copy(update={"longest_side": model.longest_side})  # fmt: skip
            return Endpoint(server, self._journal(model, run), name=model.folder)
        from vlit.evaluate.local import Local

        source, label = model.model, None
        if source is None:
            source, label = str(run.path.resolve() / "model"), f"{run.path.name} ({TUNED})"
            if not (run.path / "model" / "vlit.json").is_file():
                raise VlitError(
                    "this run has tuned no model",
                    where=str(run.path),
                    todo="tune one (vlit tune RUN), or name one: --set evaluate.models=[FOLDER]",
                )
        return Local(
            source,
            self.setting.base,
            name=model.folder,
            label=label,
            template=model.template,
            device=self.config.device,
            batch=self.config.batch,
        )

    def _evaluate(
        self,
        answerer: Answerer,
        name: str,
        benchmark: AnyBenchmark,
        folder: Path,
        run: RunFolder,
        progress: Progress,
    ) -> answers.Header:
        limits = [n for n in (self.config.limit, benchmark.config.limit) if n is not None]
        ran = runner.run(
            answerer,
            benchmark,
            self._loaded(name, benchmark),
            folder / answers.NAME,
            limit=min(limits, default=None),
            seed=self._seed,
            progress=progress,
            aside=_made_in(folder),
        )
        verdicts = folder / judge.NAME
        if benchmark.judged:
            assert isinstance(benchmark, judge.JudgedBenchmark)
            said = judge.judge(
                benchmark, ran.answers.rows, self.setting.teacher, self._judge_journal(run), progress
            )
            judge.write_judged(verdicts, said)
        own = scores.scored(benchmark, ran.answers, verdicts)
        leaked = self._contamination(name, benchmark, run) if self._knows_training(answerer) else None
        found = scores.scores_of(own, seed=self._seed, unknown=len(ran.unknown), contamination=leaked)
        if leaked is not None:
            _write(folder / "contamination.json", msgspec.json.encode(leaked.record()) + b"\n")
        else:
            (folder / "contamination.json").unlink(missing_ok=True)
        about = card(own, found)
        _write(folder / "card.json", as_json(about))
        _write(folder / "card.md", markdown(about).encode())
        sent = benchmark.submission(ran.answers.rows)
        for old in set(folder.glob(f"{_SUBMISSION}/*")) - {folder / _SUBMISSION / file for file in sent}:
            if old.is_file():  # of an earlier evaluation: it would be sent in the place of these
                old.unlink()
        for file, data in sent.items():
            _write(folder / _SUBMISSION / file, data)
        scores.write_scores(folder / scores.NAME, found)  # last: the sign that all is there
        for warning in _warnings(found):
            progress.warned(f"{answerer.name}, {benchmark.title}: {warning}")
        return ran.answers.header

    def _knows_training(self, answerer: Answerer) -> bool:
        """Whether the samples are known that a model was tuned on."""
        if not self.config.contamination:
            return False
        return self.config.training is not None or answerer.name in self._tuned

    def _contamination(self, name: str, benchmark: AnyBenchmark, run: RunFolder) -> Contamination:
        """What of a benchmark is among the training samples; looked for once, whatever models answer."""
        if name not in self._leaks:
            data = self.config.training
            samples = tuned_on(run.path) if data is None else samples_in(data, self.setting)
            hashes = {p.uri: p.hash for p in run.pictures if p.hash} if data is None else {}
            questions = self._loaded(name, benchmark).questions
            # What is held out is worded by the same templates as what is trained: there, photos alone can leak.
            words = not isinstance(benchmark, HeldOut)
            self._leaks[name] = contaminated(questions, samples, hashes=hashes, seed=self._seed, words=words)
        return self._leaks[name]

    def _journal(self, model: EvaluatedModel, run: RunFolder) -> Path:
        return run.path / FOLDER / model.folder / "journal"

    def _journals(self, run: RunFolder) -> list[Path]:
        return [self._journal(model, run) for model in self.config.models if model.endpoint is not None]

    def _judge_journal(self, run: RunFolder) -> Path:
        named = getattr(self.setting.teacher, "journal", None)
        return run.path / "journal" if named is None else Path(self.setting.resolve(named))


def _warnings(found: scores.Scores) -> Iterator[str]:
    if found.partial:
        yield found.whole()
    yield from found.left_out()
    if found.contaminated:
        yield found.contamination


def _made_in(folder: Path) -> list[Path]:
    """Files that were made of the answers of a folder."""
    found = [*(folder / name for name in (*_MADE, "contamination.json")), *(folder / _SUBMISSION).glob("*")]
    return [path for path in found if path.is_file()]


def _drop_of_other_weights(folder: Path, now: answers.Header, progress: Progress) -> None:
    """Remove scores of benchmarks that were put to other weights, such as before the model was tuned anew.

    A benchmark that the recipe names no more keeps its scores only as long as they are of this model.
    """
    for path in sorted(folder.glob(f"*/{answers.NAME}")) if now.weights else ():
        if not (path.parent / scores.NAME).exists():
            continue
        if answers.read_header(path).weights != now.weights:
            for made in _made_in(path.parent):
                made.unlink()
            progress.warned(
                f"{path.parent.name}: its scores were of other weights of {now.model} and are removed; "
                "its answers are kept"
            )


def _texts(value: Any) -> Iterator[str]:
    """All texts in a config."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)


def _write(path: Path, data: bytes) -> None:
    with atomic(path) as temporary:
        temporary.write_bytes(data)

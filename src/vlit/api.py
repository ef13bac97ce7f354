"""The main job from Python: scenes, samples and scores as objects, in memory and in this process.

For sets that do not fit in memory, or to go on after a kill, run a recipe (``vlit run``) instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from vlit.data.sample import Sample
from vlit.data.scene import Row, Scene
from vlit.data.score import Quarantined, Score, SetScore, Verdict
from vlit.run.folder import RunFolder
from vlit.run.recipe import checked

R = TypeVar("R", bound=Row)


class _Rows(Sequence[R], Generic[R]):
    """An immutable sequence of rows."""

    def __init__(self, rows: Iterable[R]) -> None:
        self._rows = tuple(rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...
    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        return self._rows[index]

    def __repr__(self) -> str:
        return f"<{len(self)} {type(self).__name__.lower()}>"


class Scenes(_Rows[Scene]):
    """Images with everything known about them.

    Attributes:
        quarantine: What could not be used, with file, record, field and reason.
    """

    def __init__(self, rows: Iterable[Scene], quarantine: Iterable[Quarantined] = ()) -> None:
        super().__init__(rows)
        self.quarantine = tuple(quarantine)

    @classmethod
    def from_folder(cls, path: str | Path, **config: Any) -> Scenes:
        """Read a folder of photos with whatever known annotation files lie in it.

        Args:
            path: The folder.
            config: As under ``collect`` of a recipe, e.g. ``images="header"``.

        Raises:
            VlitError: When nothing in it can be used.
        """
        from vlit.collect.stage import collect_folder

        return cls(*collect_folder(Path(path), **config))

    @classmethod
    def from_run(cls, path: str | Path) -> Scenes:
        """The scenes of a run folder.

        Raises:
            VlitError: When there is no run in it.
        """
        run = RunFolder(Path(path)).check()
        return cls(run.scenes, run.quarantine)

    def adapt(self, *, seed: int = 0, **config: Any) -> Samples:
        """Make samples from the annotations; ``config`` as under ``generate.adapt`` of a recipe."""
        from vlit.generate.adapt import adapt
        from vlit.generate.config import AdaptConfig

        lost: list[Quarantined] = []
        return Samples(tuple(adapt(self, checked(AdaptConfig, config, "adapt"), seed, lost)), self, lost)

    def instruct(
        self,
        recipes: Sequence[str] | Mapping[str, Any],
        *,
        teacher: Mapping[str, Any],
        journal: str | Path,
        seed: int = 0,
    ) -> Samples:
        """Let a teacher write samples; what is in the journal already is not asked again.

        Regions are not drawn into images here: such samples have their ``region`` and the image as it is.

        Args:
            recipes: As under ``generate.instruct.recipes`` of a recipe.
            teacher: As ``teacher`` of a recipe.
            journal: Folder of the journal; keep it, it holds what was paid for.
            seed: Examples and instructions are drawn from it.

        Raises:
            VlitError: When the teacher cannot be asked.
        """
        from vlit.generate.instruct.config import InstructConfig
        from vlit.generate.instruct.instructor import instruct
        from vlit.teacher.config import TeacherConfig

        return Samples(
            *instruct(
                self,
                checked(InstructConfig, {"recipes": recipes}, "instruct"),
                checked(TeacherConfig, teacher, "teacher"),
                Path(journal),
                seed,
            )
        )


class Samples(_Rows[Sample]):
    """Training records.

    Attributes:
        scenes: What they were made from; indicators check their claims against it.
        quarantine: Records that could not be read, captions and scenes of which nothing could be made.
    """

    def __init__(
        self, rows: Iterable[Sample], scenes: Iterable[Scene] = (), quarantine: Iterable[Quarantined] = ()
    ) -> None:
        super().__init__(rows)
        self.scenes = scenes if isinstance(scenes, Scenes) else Scenes(scenes)
        self.quarantine = tuple(quarantine)

    @classmethod
    def from_run(cls, path: str | Path) -> Samples:
        """All samples of a run folder, with their scenes.

        Raises:
            VlitError: When there is no run in it.
        """
        return cls(RunFolder(Path(path)).check().samples, Scenes.from_run(path))

    @classmethod
    def from_llava(
        cls,
        path: str | Path,
        image_root: str | Path,
        *,
        scenes: Iterable[Scene] = (),
        open_images: bool = True,
    ) -> Samples:
        """Read LLaVA JSON; records that cannot be used are in ``quarantine``.

        Args:
            path: The file.
            image_root: Folder that the images' paths are relative to.
            scenes: Annotations of the same images, against which claims are checked.
            open_images: Whether the images have to be there.
        """
        from vlit.formats.llava_read import read_llava
        from vlit.formats.load import tied

        root = str(image_root)  # empty for paths that are absolute
        if root and "://" not in root:
            root = str(Path(root).expanduser().resolve())
        known = scenes if isinstance(scenes, Scenes) else Scenes(scenes)
        by_uri = {scene.image.uri: scene.id for scene in known}
        found = list(read_llava(Path(path), root, open_images=open_images))
        return cls(
            (tied(s, by_uri) for s in found if isinstance(s, Sample)),
            known,
            (q for q in found if isinstance(q, Quarantined)),
        )

    def assess(
        self,
        indicators: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        observe: Mapping[str, Any] | None = None,
        teacher: Mapping[str, Any] | None = None,
        journal: str | Path | None = None,
    ) -> Scores:
        """Score every sample.

        Args:
            indicators: As under ``assess.indicators`` of a recipe.
            seed: Of all draws.
            observe: As ``observe`` of a recipe; by default what the indicators need.
            teacher: As ``teacher`` of a recipe, for indicators that ask one.
            journal: Folder of the teacher's journal; keep it, it holds what was paid for.

        Raises:
            VlitError: For unknown names and options, and where a teacher is needed and not named.
        """
        from vlit.assess.memory import assess
        from vlit.assess.observe import ObserveConfig
        from vlit.teacher.config import TeacherConfig

        scores, of_set = assess(
            self,
            self.scenes,
            indicators,
            seed,
            observing=None if observe is None else checked(ObserveConfig, observe, "observe"),
            teacher=None if teacher is None else checked(TeacherConfig, teacher, "teacher"),
            journal=None if journal is None else Path(journal),
        )
        return Scores(scores, of_set, self)


class Scores(_Rows[Score]):
    """Sample x indicator -> number.

    Attributes:
        of_set: One number per set-level indicator.
        samples: What was scored.
    """

    def __init__(self, rows: Iterable[Score], of_set: Iterable[SetScore], samples: Samples) -> None:
        super().__init__(rows)
        self.of_set, self.samples = tuple(of_set), samples

    def of(self, sample: str) -> dict[str, Score]:
        """Scores of one sample by indicator."""
        return self._by_sample.get(sample, {})

    @cached_property
    def _by_sample(self) -> Mapping[str, dict[str, Score]]:
        from vlit.select.rules import by_sample

        return by_sample(self)

    def select(self, *, seed: int = 0, **config: Any) -> list[Verdict]:
        """Verdicts in the order of the samples; ``config`` as under ``select`` of a recipe."""
        from vlit.select.rules import SelectConfig
        from vlit.select.stage import select

        return select(self.samples, self, checked(SelectConfig, config, "select"), seed)

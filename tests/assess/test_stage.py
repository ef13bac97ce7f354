import pytest

from tests.assess.small import obj, sample, scene
from tests.conftest import shared_data
from vlit.assess.indicator import Indicator, NoConfig
from vlit.assess.memory import assess
from vlit.assess.observe import ObserveConfig, ObserveStage
from vlit.assess.registry import INDICATORS, embedded, make
from vlit.assess.seen import Part
from vlit.assess.stage import AssessConfig, AssessStage
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.schema import to_table
from vlit.data.store import part_path, write_part
from vlit.run.folder import RunFolder
from vlit.run.progress import Progress
from vlit.run.stage import Setting

PRINT = "0" * 64
SCENES = [scene([obj(1, "dog"), obj(2, "dog", 30)], id=f"s{i}") for i in range(3)]
SAMPLES = [
    sample("How many dogs?", str(1 + i % 3), id=f"{i}", scenes=(f"s{i % 3}",), task=f"t{i % 2}")
    for i in range(9)
]


def stage(tmp_path, **indicators):
    return AssessStage(AssessConfig(indicators=indicators or None), Setting(seed=0, base=tmp_path))


def written(tmp_path):
    run = RunFolder(tmp_path)
    for i in range(0, 9, 4):
        write_part(part_path(run.folder("samples"), f"{i:05d}", PRINT), to_table(SAMPLES[i : i + 4], Sample))
    for i, part in enumerate((SCENES[:2], SCENES[2:])):
        write_part(part_path(run.folder("scenes"), f"{i:05d}", PRINT), to_table(part, Scene))
    return run


def test_every_indicator_declares_itself():
    for name in INDICATORS.names():
        kind = INDICATORS.load(name)
        assert issubclass(kind, Indicator) and kind.name == name
        assert kind.direction in ("higher is better", "lower is better", "none")
        assert kind.scope in ("sample", "set") and kind.principle and kind.needs
        assert kind.__doc__ and kind.__module__.startswith("vlit.")
    assert "grounded_correctness" in embedded()


def test_default_is_all_that_need_no_weights_sorted_by_name():
    assert [i.name for i in make(None)] == sorted(embedded())


def test_unknown_names_and_options_name_the_nearest():
    with pytest.raises(VlitError, match="did you mean 'near_duplicate'"):
        make({"near_duplicates": None})
    with pytest.raises(VlitError, match="did you mean 'min_words'"):
        make({"near_duplicate": {"min_word": 3}})
    with pytest.raises(VlitError, match="min_words"):
        make({"near_duplicate": {"min_words": "many"}})


def test_scores_come_by_sample_then_indicator():
    chosen = {"task_balance": None, "grounded_correctness": None}
    scores, sets = assess(SAMPLES, SCENES, chosen)
    assert [(s.sample, s.indicator) for s in scores] == [(x.id, n) for x in SAMPLES for n in sorted(chosen)]
    assert [s.value for s in scores if s.indicator == "grounded_correctness"] == [0, 1, 0] * 3
    assert [s.indicator for s in sets] == ["grounded_correctness", "task_balance"]


@pytest.mark.parametrize("workers", [1, 2])
def test_stage_says_the_same_as_the_function_in_memory(tmp_path, monkeypatch, workers):
    monkeypatch.setattr("vlit.assess.stage._WORTH_TWO", 1)
    run = written(tmp_path)
    names = {n: None for n in embedded() if "pictures" not in INDICATORS.load(n).needs}
    looking = ObserveStage(ObserveConfig(pictures=False), Setting(seed=0, base=tmp_path))
    found = looking.prepare(run)
    for shard in looking.shards(run):
        rows = looking.work(shard, found).tables["embeddings"]
        write_part(part_path(run.folder("embeddings"), shard.key, PRINT), to_table(rows, type(rows[0])))
    step = stage(tmp_path, **names)
    step.workers = workers
    context, scores = step.prepare(run), []
    for shard in step.shards(run):
        rows = step.work(shard, context).tables["scores"]
        write_part(part_path(run.folder("scores"), shard.key, PRINT), to_table(rows, type(rows[0])))
        scores += rows
    assert (scores, list(step.finish(run).tables["set_scores"])) == assess(SAMPLES, SCENES, names)


def test_stage_reads_no_scenes_where_nothing_asks_for_them(tmp_path):
    run = written(tmp_path)
    for path in run.scenes.parts():
        path.write_bytes(b"not parquet")
    step = stage(tmp_path, exact_duplicate=None)
    assert len(step.work(step.shards(run)[0], step.prepare(run)).tables["scores"]) == 4


def test_an_indicator_that_leaves_samples_out_is_an_error():
    class Lazy(Indicator[NoConfig]):
        name, principle, direction = "lazy", "hygiene", "none"

        def score(self, part, state):
            return iter(())

    from vlit.assess.stage import score_part

    with pytest.raises(RuntimeError, match="lazy has to give one score for each sample"):
        score_part([Lazy(NoConfig())], Part(SAMPLES), {})


def test_generated_samples_of_real_photos_are_not_contradicted():
    from vlit.collect.stage import collect_folder
    from vlit.generate.adapt import adapt

    scenes, _ = collect_folder(shared_data("coco-free"))
    samples = list(adapt(scenes[:12], seed=3))
    scores, sets = assess(samples, scenes)
    values = [s.value for s in scores if s.indicator == "grounded_correctness" and s.value is not None]
    assert len(values) > len(samples) * 0.8
    assert sum(v < 1 for v in values) <= 0.05 * len(values)
    assert {s.indicator for s in sets} <= set(embedded())


def test_embedded_stands_for_all_that_run_everywhere():
    names = [i.name for i in make({"embedded": None, "near_duplicate": {"min_words": 12}})]
    assert names == sorted(embedded())
    made = make({"embedded": None, "near_duplicate": {"min_words": 12}})
    assert next(i for i in made if i.name == "near_duplicate").config.min_words == 12
    assert AssessConfig(indicators={"embedded": None}).indicators == {"embedded": None}


def test_no_samples_give_no_number() -> None:
    scores, of_set = assess([])
    assert scores == [] and {(score.value, score.n) for score in of_set} == {(None, 0)}


def test_judges_that_are_left_out_are_told(tmp_path):
    """`teacher: none` is for going without, but a set that nobody judged must not look judged."""

    class Said(Progress):
        def __init__(self):
            self.warnings = []

        def warned(self, text):
            self.warnings.append(text)

    config = AssessConfig(indicators={"judged_correctness": None, "exact_duplicate": None})
    run, said = written(tmp_path), Said()
    judging = AssessStage(config, Setting(seed=0, base=tmp_path, teacher="none"))
    assert [i.name for i in judging.indicators] == ["exact_duplicate"]
    judging.ask(run, judging.prepare(run), said)
    assert said.warnings == [
        "assess: without a teacher: judged_correctness left out, as the recipe says `teacher: none`"
    ]
    plain = stage(tmp_path, exact_duplicate=None)
    plain.ask(run, plain.prepare(run), said)
    assert len(said.warnings) == 1
    assert plain.remark() == ""

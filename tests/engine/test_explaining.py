"""A toy run with a known cause is explained: the cause convicted, the innocent acquitted."""

import json
from dataclasses import replace

import pytest
from explained import STEPS, Broken, Pulled, case, small
from toy import Toy, recipe, register

from wellposed.engine.explain.bearing import BEARINGS, OWN
from wellposed.engine.explain.budget import ENDLESS, Budget
from wellposed.engine.explain.explaining import Explaining
from wellposed.engine.explain.job import Case, Job, Outcome, importable
from wellposed.engine.explain.ofrun import case_of, chosen, name_of, read_findings, write
from wellposed.engine.explain.replaying import replay
from wellposed.engine.explain.suspects import suspected, why_none
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.explain.telling import lines
from wellposed.engine.explain.workers import doing
from wellposed.engine.interventions.registry import offered
from wellposed.engine.launch import start
from wellposed.engine.recipe import changed, dump
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.errors import RunError
from wellposed.guard.checks import all_checks
from wellposed.guard.findings import Finding, Severity
from wellposed.systems import SYSTEMS, recipe_type, system_type


def explained(given: Case, names: tuple[str, ...], budget: Budget = ENDLESS, workers: int = 0):
    """Explain here, in this process."""
    with doing(workers, budget) as does:
        return Explaining(given, does, 60.0, workers).explain("toy", "a toy", names)


@pytest.fixture(scope="module")
def told():
    """The pulled toy explained."""
    return explained(case(), ("no-pull", "drop-term:away", "no-gate", "drop-term:size", "no-such"))


def test_the_known_cause_is_convicted_and_the_innocent_acquitted(told):
    assert set(told.convicted) == {"no-pull", "drop-term:away"}
    assert set(told.acquitted) == {"no-gate", "drop-term:size"}
    assert told.reproduced
    assert told.randomness == "seed"


def test_each_verdict_has_its_effect_interval_and_pairs(told):
    words = {each.name: each for each in told.verdicts}
    guilty, innocent = words["drop-term:away"], words["no-gate"]
    assert (guilty.removed, guilty.kept, guilty.share, guilty.original) == (4, 0, 1.0, False)
    assert guilty.low > 0.3
    assert guilty.high == 1
    assert guilty.figure_difference is not None
    assert guilty.figure_difference < -0.3
    assert (innocent.removed, innocent.kept, innocent.original) == (0, 5, True)
    assert innocent.figure_difference == 0
    # The run itself and with five suspects, pilots, four rounds of five, a round of three.
    assert told.replays == 1 + 5 + 3 + 4 * 5 + 3


def test_what_cannot_be_tried_is_told_with_its_reason(told):
    (untested,) = [each for each in told.verdicts if each.word == "untested"]
    assert untested.name == "no-such"
    assert "Pulled has no nothing" in untested.why
    assert any(text.startswith("no-such: ") for text in told.untested)


def test_it_ends_with_a_sentence_that_can_be_acted_on(told):
    assert told.sentence.startswith("To be rid of output above 0.3")
    assert "4 of 4 pairs" in told.sentence
    text = "\n".join(lines(told))
    assert "convicted  no-pull" in text
    assert "Not tested:" in text


def test_the_explanation_is_strict_json(told):
    tree = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert tree["format"] == 1
    assert tree["verdicts"][0]["word"] == "convicted"
    assert Symptom.from_json(tree["symptom"]) == case().symptom


def test_worker_processes_give_the_same_answers_as_this_one():
    jobs = [Job(case(), names, str(names)) for names in ((), ("no-pull",), ("seed:3",))]

    def answers(workers: int) -> dict[str, Outcome]:
        with doing(workers, ENDLESS) as does:
            return {each.key: replace(each, seconds=0.0, processor_s=0.0) for each in does(jobs)}

    assert answers(0) == answers(2)


def test_a_case_and_its_outcome_survive_json():
    given = case()
    assert Case.from_json(json.loads(json.dumps(given.to_json()))) == given


def test_a_symptom_that_does_not_show_again_is_not_explained():
    calm = replace(case(), symptom=Symptom(steps=STEPS, figure="output", above=1e6))
    told = explained(calm, ("no-pull",))
    assert not told.reproduced
    assert told.replays == 1
    assert "does not show" in told.sentence


def test_a_symptom_of_one_seed_alone_is_paired_with_moved_weights(monkeypatch):
    def once(job: Job) -> Outcome:
        seeded = any(name.startswith("seed:") for name in job.interventions)
        mended = "no-pull" in job.interventions
        return Outcome(job.key, shown=not seeded and not mended, step=3)

    reasoning = Explaining(case(), lambda jobs: map(once, jobs), 60.0, 0)
    told = reasoning.explain("toy", "", ("no-pull", "no-gate"))
    assert told.randomness == "jitter"
    assert told.convicted == ("no-pull",)
    assert told.acquitted == ("no-gate",)
    assert any(text.startswith("other data:") for text in told.untested)


def test_a_symptom_of_the_last_bits_is_called_chance():
    def once(job: Job) -> Outcome:
        return Outcome(job.key, shown=not job.interventions, step=3)

    told = Explaining(case(), lambda jobs: map(once, jobs), 60.0, 0).explain("t", "", ("no-pull",))
    assert told.randomness == "none"
    assert not told.convicted
    assert "chance cannot be told from a cause" in told.sentence


def test_a_lower_rate_that_only_comes_later_is_no_cure():
    late = replace(case(), symptom=Symptom(steps=STEPS, figure="output", above=0.3))
    here = replay(Job(late, ("rate:0.5",), "x"))
    assert here.step == 2 * STEPS
    assert here.shown


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose term breaks at step 3."""
    register()
    path = tmp_path_factory.mktemp("runs") / "broken"
    with pytest.raises(RunError, match="not finite"):
        start(Broken, small(training={"steps": 40, "refusals_allowed": 2}), path, None)
    return RunFolder.open(path)


def test_a_run_is_replayed_from_the_last_checkpoint_before_its_finding(run):
    finding = chosen(read_findings(run), None)
    assert finding.severity == "FAIL"
    assert chosen(read_findings(run), name_of(finding)) == finding
    given = case_of(Broken, run, finding)
    assert given.start == 3
    assert given.symptom.steps == finding.step + 2


def test_a_finding_about_what_a_step_did_is_reached_by_its_replay(tmp_path):
    register()
    values = {
        "training.steps": 60, "optimizer.learning_rate": 30.0, "optimizer.clip_norm": 1e9,
        "schedule.warmup_steps": 1,
    }  # fmt: skip
    folder = RunFolder(start(Toy, changed(recipe(), values, "test"), tmp_path / "run", None))
    finding = chosen(read_findings(folder), "WP117")
    assert replay(Job(case_of(Toy, folder, finding))).shown


def test_a_checkpoint_that_knows_the_finding_is_not_healthy(tmp_path):
    folder = RunFolder(start(Broken, small(), tmp_path / "run", None))
    # A validation bears the count of steps, as the checkpoint that follows it does.
    finding = replace(chosen(read_findings(folder), None), since_step=STEPS)
    assert set(checkpoint.steps_of(folder.checkpoints)) == {4, 6}
    assert case_of(Broken, folder, finding).start == 0
    assert case_of(Broken, folder, replace(finding, step=99)).start == 6


def test_the_control_has_the_bits_of_the_run_and_the_cause_is_convicted(run):
    finding = chosen(read_findings(run), None)
    told = explained(case_of(Broken, run, finding), ("mend", "drop-term:size", "drop-term:square"))
    assert told.same_bits is None or told.same_bits
    assert set(told.convicted) == {"mend", "drop-term:size"}
    assert told.acquitted == ("drop-term:square",)
    file = write(told, run.path)
    assert json.loads(file.read_text())["finding"] == "toy"
    assert file.parent.name == "explain"


def test_a_control_from_the_start_compares_every_row(tmp_path):
    path = start(Toy, small(), tmp_path / "run", None)
    given = Case(
        importable(Toy),
        dump(small()),
        Symptom(steps=STEPS, figure="loss/square", above=0.0),
        history=str(RunFolder(path).history),
    )
    outcome = replay(Job(given, (), "control"))
    assert (outcome.compared, outcome.differs) == (3, "")
    other = replay(Job(given, ("seed:1",), "other"))
    assert other.differs.startswith("step 2: ")


def test_a_control_from_a_checkpoint_compares_the_rows_after_it(tmp_path):
    path = start(Toy, small(), tmp_path / "run", None)
    folder = RunFolder(path)
    given = Case(
        importable(Toy),
        dump(small()),
        Symptom(steps=STEPS, figure="loss/square", above=0.0),
        start=4,
        checkpoint=str(folder.checkpoints / "step-00000004.safetensors"),
        history=str(folder.history),
    )
    outcome = replay(Job(given, (), "control"))
    assert (outcome.compared, outcome.differs) == (1, "")


def test_suspects_of_a_number_that_is_none_are_those_that_bear_on_it():
    system = Broken(small())
    broken = [each.name for each in suspected(system, Symptom(steps=9, codes=("WP302",)), 5, 2)]
    assert broken[0] == "mend"
    assert {"float64", "skip-batch:5", "drop-term:size", "reset-moments"} <= set(broken)
    assert not any(name.startswith("reweight") for name in broken)
    drift = [each.name for each in suspected(system, Symptom(steps=9, codes=("WP319",)), 5, 0)]
    assert "reweight-term:size:0.1" in drift
    assert "float64" not in drift
    assert "reset-moments" not in drift


def test_every_code_of_a_run_says_what_bears_on_it_or_that_nothing_can():
    # The watch itself finds the last two.
    codes = {code for check in all_checks() for code in check.codes} | {"WP301", "WP302"}
    assert codes == BEARINGS.keys()
    for bearing in BEARINGS.values():
        assert bool(bearing.why_none) != bool(bearing.kinds or bearing.names or bearing.settings)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_finding_has_a_suspect_in_every_system_or_a_reason(system):
    recipe = recipe_type(system)(curriculum=())
    for code, bearing in BEARINGS.items():
        found = suspected(system_type(system)(recipe), Symptom(steps=9, codes=(code,)), 5, 0)
        assert bool(found) != bool(why_none((code,))), code
        for each in found:
            kind = each.name.partition(":")[0]
            own = each.name in {mine.name for mine in system_type(system)(recipe).interventions()}
            assert (
                (own and OWN in bearing.kinds)
                or kind in bearing.kinds
                or each.name in bearing.names
                or each.name.removeprefix("recipe:").partition("=")[0] in bearing.settings
            ), (code, each.name)


def test_a_validation_that_cannot_resolve_a_gain_is_given_more_scenes_and_no_other_loss(run):
    finding = Finding("WP404", "too few", Severity.INFO, 4, 4, {})
    given = case_of(Broken, run, finding)
    assert given.start == 0
    (only,) = suspected(Broken(small()), given.symptom, 4, 0)
    scenes = small().validation.scenes
    assert dict(only.changes(small())) == {"validation.scenes": 4 * scenes}


def test_a_setting_that_is_so_already_is_no_suspect():
    still = small(optimizer={"weight_decay": 0.0})
    names = [each.name for each in suspected(Broken(still), Symptom(9, ("WP116",)), 5, 2)]
    assert names == ["reset-moments"]


def test_a_check_of_ones_own_gets_all_that_is_offered():
    system = Broken(small())
    assert suspected(system, Symptom(9, ("OWN1",)), 5, 2) == [
        each for each in offered(system, 5) if not each.refusal(system, 2)
    ]


def test_a_finding_that_is_not_there_is_told_with_those_that_are(run, tmp_path):
    with pytest.raises(RunError, match="there are WP"):
        chosen(read_findings(run), "WP999")
    empty = RunFolder(tmp_path)
    with pytest.raises(RunError, match="nothing to explain"):
        read_findings(empty)


def test_a_line_that_is_no_finding_is_told_with_its_number(tmp_path):
    (tmp_path / "findings.jsonl").write_text('{"kind": "train", "step": 3}\n')
    with pytest.raises(RunError, match=r"findings\.jsonl, line 1: not a finding: .* lacks 'code'"):
        read_findings(RunFolder(tmp_path))


def test_a_system_inside_a_function_is_refused():
    class Local(Pulled):
        pass

    with pytest.raises(RunError, match="another process cannot import it"):
        importable(Local)

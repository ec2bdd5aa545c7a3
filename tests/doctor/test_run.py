"""From columns to a run: meanings, the axis, rows that were left behind, the best checkpoint."""

import pytest

from wellposed.doctor import Asked
from wellposed.doctor.columns import find_column, parse_map
from wellposed.doctor.criterion import parse_criterion
from wellposed.doctor.diagnosis import is_log, prepare, prepare_all
from wellposed.doctor.meaning import Meaning, guess
from wellposed.doctor.run import Run
from wellposed.doctor.table import Table
from wellposed.doctor.together import join
from wellposed.errors import DataError, RecipeError
from wellposed.guard.plan import Criterion

NAN = float("nan")


def table(name: str = "a.csv", /, **columns: list) -> Table:
    rows = len(next(iter(columns.values())))
    cells = {key: [v if isinstance(v, str) or v is None else float(v) for v in column]
             for key, column in columns.items()}  # fmt: skip
    return Table(name, cells, list(range(2, rows + 2)))


def run(asked: Asked | None = None, /, **columns: list) -> Run:
    return prepare(table(**columns), asked or Asked())


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("global_step", Meaning.STEP),
        ("trainer/global_step", Meaning.STEP),
        ("_step", Meaning.STEP),
        ("Epoch", Meaning.EPOCH),
        ("Wall time", Meaning.TIME),
        ("_runtime", Meaning.TIME),
        ("step_time", Meaning.UNUSED),
        ("train_loss_step", Meaning.LOSS),
        ("loss_G", Meaning.LOSS),
        ("loss/magnitude", Meaning.TERM),
        ("commit_loss", Meaning.TERM),
        ("val/loss", Meaning.VALIDATION_LOSS),
        ("validLoss", Meaning.VALIDATION_LOSS),
        ("val_mse", Meaning.LOWER),
        ("eval/WER", Meaning.LOWER),
        ("valid_estoi", Meaning.HIGHER),
        ("train_pesq", Meaning.UNUSED),
        ("Val SI-SDR [dB]", Meaning.SI_SDR),
        ("sisnr", Meaning.SI_SDR),
        ("SI-SDRi", Meaning.GAIN),
        ("si_sdr_improvement_db", Meaning.GAIN),
        ("SNR (dB)", Meaning.SNR),
        ("input_snr", Meaning.UNTREATED),
        ("validation/noisy/pesq_wb", Meaning.UNTREATED),
        ("validation/noisy/level_error_db", Meaning.UNUSED),
        ("Val rms_ratio", Meaning.LEVEL_RATIO),
        ("level_error_db", Meaning.LEVEL_DB),
        ("ta_energy", Meaning.OUTPUT_LEVEL),
        ("lr-AdamW/pg1", Meaning.RATE),
        ("gradNorm", Meaning.GRADIENT),
        ("disc_loss", Meaning.CRITIC),
        ("loss_D", Meaning.CRITIC),
        ("is_best", Meaning.BEST),
        ("best_pesq", Meaning.UNUSED),
        ("si_sdr_db/low", Meaning.UNUSED),
        ("val/loss__MIN", Meaning.UNUSED),
        ("scenes", Meaning.UNUSED),
    ],
)
def test_a_name_is_taken_for_what_it_says(name, meaning):
    assert guess(name).meaning is meaning
    assert guess(name).why


def test_values_overrule_a_name():
    found = run(step=[1, 2], epoch=["a", "b"], loss=[1, 2], lr=[-1, 2], rms_ratio=[-2.0, -3.0])
    assert found.columns["epoch"].meaning is Meaning.UNUSED
    assert found.columns["lr"].meaning is Meaning.UNUSED
    assert found.columns["rms_ratio"].meaning is Meaning.LEVEL_DB


def test_the_only_part_of_a_loss_is_the_loss():
    assert run(step=[1], recon=[0.5]).columns["recon"].meaning is Meaning.LOSS
    both = run(step=[1], recon=[0.5], vq=[0.1])
    assert both.columns["recon"].meaning is Meaning.TERM


def test_what_a_person_says_overrules_everything():
    asked = Asked(told=dict([parse_map("Quality = higher"), parse_map("loss=validation-loss")]))
    found = run(asked, step=[1], quality=[3], loss=[1])
    assert found.columns["quality"].meaning is Meaning.HIGHER
    assert found.columns["loss"].why == "you said so"


@pytest.mark.parametrize(
    ("text", "said"),
    [("loss", "wanted COLUMN=MEANING"), ("a=losss", "did you mean loss?"), ("=loss", "wanted")],
)
def test_a_wrong_map_is_an_error_that_helps(text, said):
    with pytest.raises(RecipeError, match=said):
        parse_map(text)


def test_an_unknown_column_is_named_with_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'rms_ratio'"):
        run(Asked(criteria=(Criterion("rms_ration", 0.9, 1.1),)), step=[1], rms_ratio=[1])
    with pytest.raises(RecipeError, match="which end of it is better"):
        run(Asked(select="lr"), step=[1], lr=[1])


def test_of_several_logs_each_takes_the_criteria_of_its_own_columns():
    asked = Asked(criteria=(Criterion("snr", 0.0),))
    first, second = prepare_all([table(step=[1], snr=[1]), table(step=[1], loss=[1])], asked)
    assert (len(first.plan.criteria), len(second.plan.criteria)) == (1, 0)


def test_a_column_is_found_by_its_words_or_its_end():
    found = table(**{"step": [1], "val/SI-SDR": [1], "val/loss": [1], "train/loss": [1]})
    assert find_column(found, "si_sdr") == "val/SI-SDR"
    assert find_column(found, "train loss") == "train/loss"
    assert find_column(found, "loss") is None


def test_a_resumed_run_leaves_the_past_that_it_went_back_behind():
    found = run(step=[10, 20, 30, 40, 20, 30, 40, 50], loss=[8, 7, 6, 5, 6.5, 5.5, 4.5, 3.5])
    assert found.abandoned == {1, 2, 3}
    assert found.series("loss").y == (8, 6.5, 5.5, 4.5, 3.5)
    assert found.restarts == (4,)


def test_a_single_late_row_is_put_in_its_place():
    found = run(step=[10, 20, 30, 20, 40, 0], loss=[5, 4, 3, None, 2, None],
                snr=[None, None, None, 1, None, 0])  # fmt: skip
    assert found.restarts == ()
    assert found.series("snr").x == (0, 20)
    assert found.series("loss").y == (5, 4, 3, 2)


def test_newest_first_is_turned_round():
    assert run(step=[30, 20, 10], loss=[1, 2, 3]).series("loss").y == (3, 2, 1)


def test_steps_that_begin_anew_in_every_epoch_are_counted_on():
    found = run(epoch=[1, 1, 2, 2, 3], step=[50, 100, 50, 100, 100], loss=[5, 4, 3, 2, 1])
    assert found.series("loss").x == (50, 100, 150, 200, 300)
    assert found.restarts == ()


def test_without_steps_epochs_count_and_without_those_rows():
    assert run(epoch=[1, 2], loss=[2, 1]).axis == "epoch"
    assert run(snr=[2, 1]).axis == "row"
    assert run(snr=[2, 1]).series("snr").x == (1, 2)


def test_percent_is_read_as_a_ratio_every_time_it_is_prepared():
    source = table(epoch=[1, 2], **{"output amp %": [47.5, 34.8]})
    for _ in range(2):
        assert prepare(source, Asked()).series("output amp %").y == pytest.approx((0.475, 0.348))


def test_nan_that_takes_turns_was_not_logged():
    found = run(step=[1, 2, 3, 4, 5], loss=[5, NAN, 4, NAN, 3], val_loss=[NAN, 2, NAN, 1, NAN])
    assert found.series("loss").y == (5, 4, 3)
    stays = run(step=[1, 2, 3, 4, 5], loss=[5, 4, NAN, NAN, NAN], val_loss=[1, 1, 1, 1, 1])
    assert len(stays.series("loss")) == 5


def test_marks_say_which_metric_chose():
    found = run(step=[1, 2, 3, 4], best=[1, 0, 1, 0], pesq=[1, 3, 2, 1], stoi=[0.5, 0.4, 0.6, 0.5])
    assert found.selecting is not None
    assert found.selecting.name == "stoi"
    assert found.best_row == 2


def test_marks_that_no_metric_explains_leave_the_choice_unknown():
    found = run(step=[1, 2, 3], best=[0, 0, 1], pesq=[1, 3, 2])
    assert found.selecting is None
    assert found.best_row == 2


def test_without_marks_a_validation_loss_is_assumed_to_choose():
    found = run(step=[1, 2, 3], pesq=[1, 3, 2], val_loss=[3, 2, 1])
    assert found.selecting is not None
    assert found.selecting.name == "val_loss"
    assert found.best_row == 2
    assert run(Asked(select="pesq"), step=[1, 2], pesq=[3, 2], val_loss=[3, 2]).best_row == 0


def test_files_of_one_run_are_joined_by_their_steps():
    train = table("train.csv", step=[10, 20, 30], loss=[3, 2, 1])
    validation = table("val.csv", iteration=[20, 30], loss=[5, 4], pesq=[1, 2])
    joined = join([train, validation])
    assert joined.columns["step"] == [10, 20, 20, 30, 30]
    assert joined.columns["train/loss"] == [3, 2, None, 1, None]
    assert joined.columns["val/loss"] == [None, None, 5, None, 4]
    assert joined.where(2) == "val.csv:2"


def test_a_table_that_counts_nothing_is_no_log():
    assert is_log(table(step=[1], loss=[1]))
    assert not is_log(table(metric=["pesq"], value=[1]))
    assert not is_log(table(step=[1], colour=["red"]))
    with pytest.raises(DataError, match="no column of steps"):
        join([table(step=[1], loss=[1]), table("b.csv", loss=[1])])


@pytest.mark.parametrize(
    ("text", "criterion"),
    [
        ("rms_ratio in 0.9..1.1", Criterion("rms_ratio", 0.9, 1.1)),
        ("rms_ratio in 0.9 to 1.1 from 20K", Criterion("rms_ratio", 0.9, 1.1, 20_000)),
        ("Val SI-SDR in -3..5 at step 500", Criterion("Val SI-SDR", -3, 5, 500)),
        ("snr >= 0 dB from 7", None),
        ("snr >= 0", Criterion("snr", low=0)),
        ("wer<=12.5%", Criterion("wer", high=12.5)),
    ],
)
def test_a_criterion_is_read_as_a_person_states_it(text, criterion):
    if criterion is None:
        with pytest.raises(RecipeError):
            parse_criterion(text)
    else:
        assert parse_criterion(text) == criterion


def test_a_strict_criterion_leaves_its_bound_out():
    assert parse_criterion("snr > 0").low > 0
    assert parse_criterion("wer < 5").high < 5


@pytest.mark.parametrize("text", ["rms_ratio", "x in 2..1", "x in a..b", "x >= nan", ""])
def test_a_criterion_that_cannot_be_read_is_an_error(text):
    with pytest.raises(RecipeError, match="criterion"):
        parse_criterion(text)

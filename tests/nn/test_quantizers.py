"""Codes of latents: gradients, books that live, silence."""

import pytest
import torch
from torch import Tensor

from wellposed.nn.causal import Whole
from wellposed.nn.exact import Stream
from wellposed.nn.quantizers import EmaStage, FactorisedStage, ResidualQuantizer, ScalarStage, Stage
from wellposed.nn.quantizers.kmeans import kmeans, main_directions
from wellposed.nn.quantizers.refit import refit
from wellposed.nn.quantizers.search import search
from wellposed.nn.quantizers.stage import highest

WIDTH, SIZE, STAGES = 12, 32, 4
KINDS = ("factorised", "ema", "scalar")


def keyed(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quantizer(kind: str, *, started: bool = True) -> ResidualQuantizer:
    torch.manual_seed(0)
    made: dict[str, Stage] = {}
    stages = []
    for _ in range(STAGES):
        made = {
            "factorised": FactorisedStage(WIDTH, SIZE, 4),
            "ema": EmaStage(WIDTH, SIZE),
            "scalar": ScalarStage(WIDTH, (5, 3, 3)),
        }
        stages.append(made[kind])
    quantizer = ResidualQuantizer(stages)
    if started:
        quantizer.start(latents().transpose(1, 2).flatten(0, 1), keyed())
    return quantizer


def latents(batch: int = 8, frames: int = 40, seed: int = 1) -> Tensor:
    """Correlated, as those of an encoder are."""
    mixing = torch.randn(WIDTH, WIDTH, generator=keyed(9)) * torch.logspace(0, -1, WIDTH)
    return mixing @ torch.randn(batch, WIDTH, frames, generator=keyed(seed))


def run(made: ResidualQuantizer, z: Tensor, stages: int = STAGES, learning: bool = False):
    audible = torch.ones(len(z), z.shape[-1], dtype=torch.bool)
    generator = keyed(3) if learning else None
    return made(z, torch.full((len(z),), stages), audible, generator)


def error(made: ResidualQuantizer, z: Tensor, stages: int = STAGES) -> float:
    return float((run(made, z, stages).value - z).square().mean().detach())


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_sum_towards_the_latent_is_one(kind: str):
    z = latents().requires_grad_()
    run(quantizer(kind), z).value.sum().backward()
    assert z.grad is not None
    assert torch.equal(z.grad, torch.ones_like(z))


@pytest.mark.parametrize("kind", KINDS)
def test_the_value_is_the_sum_of_what_the_codes_stand_for(kind: str):
    made, z = quantizer(kind), latents()
    out = run(made, z)
    told = sum(
        stage.value(out.codes[:, number], Whole())
        for number, stage in enumerate(made.stages)
        if isinstance(stage, Stage)
    )
    assert isinstance(told, Tensor)
    assert torch.allclose(out.value, told.to(out.value), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_further_stage_leaves_less(kind: str):
    made, z = quantizer(kind), latents()
    left = [error(made, z, n) for n in range(1, STAGES + 1)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.35 * float(z.square().mean())


def test_every_stage_looks_up_residuals_of_unit_level():
    made = quantizer("factorised")
    residual = latents()
    for stage in made.stages:
        assert isinstance(stage, FactorisedStage)
        projected = stage.project(residual, Whole())
        # To what falls outside of its directions: less than 1 by that.
        assert float(projected.square().mean().sqrt().detach()) == pytest.approx(1.0, abs=1e-3)
        codes = stage.nearest(projected, 1, Whole())[:, 0]
        residual = residual - stage(projected, codes, Whole()).value.detach()


@pytest.mark.parametrize("kind", KINDS)
def test_exact_arithmetic_finds_the_same_codes_and_decodes_them(kind: str):
    made, z = quantizer(kind), latents()
    audible = torch.ones(len(z), z.shape[-1], dtype=torch.bool)
    tape = Stream()
    codes = made.encode(tape.settle(z), audible, tape)
    out = run(made, z)
    # Ties within the rounding of either arithmetic may fall on either side, in the last stages.
    assert (codes == out.codes).float().mean() > 0.99
    decoded = made.decode(out.codes, Stream())
    assert torch.allclose(decoded.float(), out.value, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_has_code_zero_and_stands_for_zero(kind: str):
    made, z = quantizer(kind), latents()
    audible = torch.ones(len(z), z.shape[-1], dtype=torch.bool)
    audible[:, 5:9] = False
    out = made(z, torch.full((len(z),), STAGES), audible)
    assert torch.equal(out.codes[..., 5:9], torch.zeros_like(out.codes[..., 5:9]))
    assert torch.equal(out.value[..., 5:9], torch.zeros_like(out.value[..., 5:9]))
    zeros = torch.zeros(1, STAGES, 3, dtype=torch.int64)
    assert torch.equal(made.decode(zeros, Stream()), torch.zeros(1, WIDTH, 3).double())


@pytest.mark.parametrize("kind", KINDS)
def test_items_with_fewer_stages_are_those_of_a_smaller_quantizer(kind: str):
    made, z = quantizer(kind), latents()
    audible = torch.ones(len(z), z.shape[-1], dtype=torch.bool)
    counts = torch.tensor([1, 2, 3, 4, 1, 2, 3, 4])
    mixed = made(z, counts, audible)
    for item, count in enumerate(counts.tolist()):
        alone = run(made, z[item : item + 1], count)
        assert torch.equal(mixed.codes[item], alone.codes[0])
        assert torch.allclose(mixed.value[item], alone.value[0], atol=1e-6)
        assert torch.allclose(mixed.commitment[item], alone.commitment[0], atol=1e-6)
        assert (mixed.codes[item, count:] == -1).all()


def test_commitment_moves_the_encoder_and_the_codebook_term_the_book_alone():
    made, z = quantizer("factorised"), latents().requires_grad_()
    stage = made.stages[0]
    assert isinstance(stage, FactorisedStage)
    run(made, z).codebook.sum().backward()
    assert z.grad is None or not z.grad.any()
    assert stage.book.grad is not None
    assert stage.book.grad.any()
    stage.book.grad = None
    run(made, z).commitment.sum().backward()
    assert z.grad is not None
    assert z.grad.any()
    assert stage.book.grad is None


@pytest.mark.parametrize("kind", ["factorised", "ema"])
def test_dead_codes_come_back(kind: str):
    made = quantizer(kind).train()
    stage = made.stages[0]
    assert isinstance(stage, FactorisedStage | EmaStage)
    with torch.no_grad():
        # All codes but a few point where no latent is.
        stage.book[8:] = 0
        stage.book[8:, 0] = 1e3
        if isinstance(stage, FactorisedStage):
            stage.book[8:] = -run(made, latents()).value.mean() - stage.book[1]
    for step in range(300):
        run(made, latents(4, 20, seed=step), learning=True)
    used = run(made, latents(seed=1000)).codes[:, 0].unique()
    assert len(used) > 0.75 * SIZE


def test_running_means_serve_vectors_that_k_means_has_not_seen():
    made, unseen = quantizer("ema").train(), latents(seed=5000)
    before = error(made, unseen)
    for step in range(150):
        run(made, latents(seed=100 + step), learning=True)
    assert error(made, unseen) < before


@pytest.mark.parametrize("kind", ["factorised", "ema"])
def test_latents_that_are_not_finite_leave_the_book_as_it_is(kind: str):
    made = quantizer(kind).train()
    before = {key: value.clone() for key, value in made.state_dict().items() if "book" in key}
    run(made, torch.full((2, WIDTH, 5), float("nan")), learning=True)
    assert all(torch.equal(made.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_learns_is_in_the_state(kind: str):
    made, other = quantizer(kind).train(), quantizer(kind, started=False).train()
    for step in range(3):
        run(made, latents(seed=step), learning=True)
    other.load_state_dict(made.state_dict())
    first, second = (run(each, latents(seed=7), learning=True) for each in (made, other))
    assert torch.equal(first.value, second.value)
    for key, value in made.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key


def test_a_quantizer_that_is_in_use_does_not_learn():
    made = quantizer("ema").eval()
    before = {key: value.clone() for key, value in made.state_dict().items()}
    run(made, latents(), learning=True)
    assert all(torch.equal(made.state_dict()[key], value) for key, value in before.items())


def test_entropy_of_even_use_is_the_nominal_one():
    stage = FactorisedStage(WIDTH, SIZE, 4)
    assert float(stage.bits) == pytest.approx(5.0, abs=1e-5)
    stage.share.zero_()[3] = 1
    assert float(stage.bits) == 0.0


@pytest.mark.parametrize("kind", ["factorised", "ema"])
def test_revived_codes_do_not_make_the_entropy_larger_than_there_are_codes(kind: str):
    made = quantizer(kind).train()
    stage = made.stages[0]
    assert isinstance(stage, Stage)
    with torch.no_grad():
        stage.share.fill_(1e-6)
        stage.share[1] = 1.0
    run(made, latents().requires_grad_(), learning=True)
    assert stage.share.sum() > 1.5
    assert float(stage.bits) <= 5.0


def test_codes_outside_their_book_are_refused():
    made = quantizer("factorised")
    with pytest.raises(ValueError, match="wanted 0 to 31"):
        made.decode(torch.full((1, STAGES, 3), 32), Stream())
    with pytest.raises(ValueError, match="wanted 1 to 4"):
        made.decode(torch.zeros(1, 5, 3, dtype=torch.int64), Stream())


def test_too_few_latents_cannot_start_a_book():
    with pytest.raises(ValueError, match="31 latents"):
        quantizer("ema", started=False).start(torch.randn(31, WIDTH, generator=keyed()), keyed())


def test_even_levels_are_refused():
    with pytest.raises(ValueError, match="odd"):
        ScalarStage(WIDTH, (8, 5))


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_has_the_same_bits_whatever_the_memory_held(kind: str):
    first, kept = quantizer(kind).state_dict(), []
    for number in range(8):
        # Other sizes around: what is computed lies elsewhere, in memory that was used before.
        kept += [torch.randn(1000 + 37 * number + more) for more in range(5 * number)]
        again = quantizer(kind).state_dict()
        assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_grid_starts_with_a_dimension_that_says_nothing():
    made = ResidualQuantizer([ScalarStage(WIDTH, (5, 3, 3))])
    rows = torch.zeros(64, WIDTH)
    rows[:, 0] = torch.randn(64, generator=keyed())
    made.start(rows, keyed())
    coded = run(made, rows.T[None], stages=1).value.detach()
    assert coded.isfinite().all()
    assert float((coded - rows.T[None]).square().mean()) < 0.3 * float(rows.square().mean())


def test_kmeans_finds_separate_clusters():
    centres = torch.tensor([[5.0, 0.0], [0.0, 5.0], [-5.0, -5.0]])
    rows = centres.repeat(50, 1) + 0.1 * torch.randn(150, 2, generator=keyed())
    found = kmeans(rows, 3, keyed(4), cosine=False)
    gaps = torch.cdist(centres, found).amin(1)
    assert (gaps < 0.2).all()


def test_main_directions_are_those_of_the_singular_value_decomposition():
    rows = latents().transpose(1, 2).flatten(0, 1)
    wanted = torch.linalg.svd(rows, full_matrices=False).Vh[:3]
    found = main_directions(rows, 3)
    assert torch.allclose((wanted * found).sum(1).abs(), torch.ones(3), atol=1e-4)


@pytest.mark.parametrize("kind", ["factorised", "ema"])
def test_more_paths_leave_less(kind: str):
    made, z = quantizer(kind), latents()
    greedy = error(made, z)
    made.paths = 8
    assert error(made, z) < greedy


def test_all_paths_together_find_the_best_sum_there_is():
    # Two stages of 5 codes besides zero: 25 sums, all of which 25 paths with 5 branches see.
    torch.manual_seed(0)
    stages = [EmaStage(3, 6), EmaStage(3, 6)]
    z = torch.randn(1, 3, 50, generator=keyed(2))
    books = [stage.book[1:] for stage in stages]
    sums = (books[0][:, None] + books[1][None]).flatten(0, 1)
    wanted = torch.cdist(z[0].T, sums).amin(1)
    codes = search(stages, z, Whole(), paths=25, branches=5)
    value = sum(stage.value(codes[:, n], Whole()) for n, stage in enumerate(stages))
    assert isinstance(value, Tensor)
    assert torch.allclose((z - value)[0].norm(dim=0), wanted, atol=1e-5)


def test_codes_of_several_paths_do_not_depend_on_the_cut_nor_on_the_batch():
    made, z = quantizer("ema"), latents()
    made.paths = 8
    audible = torch.ones(len(z), z.shape[-1], dtype=torch.bool)
    tape = Stream()
    whole = made.encode(tape.settle(z), audible, tape)
    for number in range(len(z)):
        pieces = [
            made.encode(
                tape.settle(z[number : number + 1, :, at : at + 7]), audible[:1, at : at + 7], tape
            )
            for at in range(0, z.shape[-1], 7)
        ]
        assert torch.equal(torch.cat(pieces, -1)[0], whole[number])


def test_of_equal_scores_the_first_comes_first():
    scores = torch.tensor([3.0, 1.0, 3.0, 2.0, 3.0])[None, :, None]
    assert highest(scores, 4)[0, :, 0].tolist() == [0, 2, 4, 3]


@pytest.mark.parametrize(("paths", "number"), [(1, 320), (4, 333)])
def test_fitting_books_together_lowers_the_error(paths: int, number: int):
    rows = latents(16, 40).transpose(1, 2).flatten(0, 1)[:number]
    made = quantizer("ema", started=False)
    rest = rows
    for stage in made.stages:
        assert isinstance(stage, EmaStage)
        rest = rest - stage.start(rest, keyed())
    stages = [stage for stage in made.stages if isinstance(stage, EmaStage)]
    errors = [refit(stages, rows, paths, 2) for _ in range(5)]
    assert errors[-1] < 0.9 * errors[0]
    if paths == 1:
        assert errors[0] == pytest.approx(float(rest.square().mean()), rel=1e-5)
    assert not made(rows.T[None], torch.tensor([STAGES]), torch.zeros(1, number).bool()).codes.any()


def test_a_book_fitted_alone_holds_the_means_of_its_cells_and_what_it_was():
    rows = latents().transpose(1, 2).flatten(0, 1)
    stage = EmaStage(WIDTH, SIZE)
    stage.start(rows, keyed())
    before = stage.book.clone()
    nearest = (rows[:, None] - before[None, 1:]).square().sum(-1).argmin(1) + 1
    refit([stage], rows, 1, 1)
    for code in range(1, SIZE):
        mine = rows[nearest == code]
        wanted = (mine.sum(0) + 2 * before[code]) / (len(mine) + 2)
        assert torch.allclose(stage.book[code], wanted, atol=1e-5)

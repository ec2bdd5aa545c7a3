"""Two runs, or all of them, beside each other: item by item, with intervals."""

from pathlib import Path

from asking import ask
from chromium import Browser

from wellposed.report.serving.itemwise import paired, read_evaluations, same_items
from wellposed.report.serving.server import RunServer


def scored(run: Path, scores: dict[str, tuple[float, float]]) -> None:
    """What an evaluation leaves: PESQ of each item, and of its untreated input."""
    (run / "evaluation").mkdir()
    lines = [f"{name},{own},{noisy}," for name, (own, noisy) in scores.items()]
    head = "file,pesq_wb,noisy/pesq_wb,undefined"
    (run / "evaluation" / "scores.csv").write_text("\n".join([head, *lines]) + "\n")


def test_two_runs_are_compared_item_by_item_on_the_same_inputs(server: RunServer) -> None:
    first = {f"a{i}": (2.0 + i / 8, 1.0 + i / 8) for i in range(8)}
    second = {name: (own + 0.5, noisy) for name, (own, noisy) in first.items()}
    second["a0"] = (9.0, 3.0)  # the name of another recording
    scored(server.root / "run-7", first)
    scored(server.root / "deep" / "run-8", second)
    text = ask(server, "/compare?run=run-7&run=deep%2Frun-8")[2]
    assert "7 items in both" in text
    assert "1 item of the same name had another input" in text
    # Every difference is 0.5, so the interval has no width.
    assert "<td>+0.500</td><td>+0.500 to +0.500</td><td>7</td><td>B is better</td>" in text
    reverse = ask(server, "/compare?run=deep/run-8&run=run-7")[2]
    assert "<td>A is better</td>" in reverse


def test_all_pairs_stand_in_one_table_with_both_signs(server: RunServer) -> None:
    assert "No two runs have scores of the same evaluation" in ask(server, "/pairs")[2]
    first = {f"a{i}": (2.0 + i / 8, 1.0) for i in range(8)}
    scored(server.root / "run-7", first)
    scored(
        server.root / "deep" / "run-8",
        {name: (own + 0.5, noisy) for name, (own, noisy) in first.items()},
    )
    text = ask(server, "/pairs?metric=pesq_wb")[2]
    assert '<span class="word good">+0.500</span><small>0.500 to 0.500, 8</small>' in text
    assert '<span class="word bad">−0.500</span><small>−0.500 to −0.500, 8</small>' in text
    # A metric that nobody has gives the first that there is.
    assert "<h2>evaluation: PESQ wide band [MOS-LQO]</h2>" in ask(server, "/pairs?metric=x")[2]


def test_undefined_scores_are_no_pairs(tmp_path: Path) -> None:
    for name, score in (("a", 1.0), ("b", 2.0)):
        run = tmp_path / name
        run.mkdir()
        scored(run, {"x": (score, 1.0), "y": (float("nan"), 1.0)})
    first, second = (read_evaluations(tmp_path / name)["evaluation"] for name in "ab")
    names, others = same_items(first, second)
    assert (names, others) == (["x", "y"], 0)
    (only,) = paired(first, second, names)
    assert (only.first, only.second, only.difference.n) == (1.0, 2.0, 1)


def test_without_scores_of_items_curves_stand_side_by_side(server: RunServer) -> None:
    recipe = server.root / "run-7" / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "seed: 5\n")
    text = ask(server, "/compare?run=run-7&run=deep/run-8")[2]
    assert "There are no scores of the same items in both" in text
    assert "Both were validated on the same scenes" in text
    assert text.count('class="panel"') == 4  # two metrics, the loss and the gradient norm
    assert '<th scope="row">seed</th><td>5</td><td>not there</td>' in text


def test_two_runs_are_chosen_in_the_table_and_compared(browser: Browser, server: RunServer) -> None:
    browser.visit(server.address)
    browser.evaluate("document.querySelectorAll('input').forEach(each => each.click())")
    browser.evaluate("document.querySelector('button').click()")
    browser.wait_for(
        "location.pathname === '/compare' && document.querySelector('.panel') !== null"
    )
    title = browser.evaluate("document.querySelector('h1').textContent")
    assert title == "deep/run-8 and run-7"

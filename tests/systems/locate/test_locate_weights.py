"""The weights that travel with the package: they load, they have a card, they locate."""

import torch

from wellposed.cli import main
from wellposed.metrics.detection import Detection
from wellposed.systems.locate.estimate import both
from wellposed.systems.locate.loading import WEIGHTS, load_network
from wellposed.systems.locate.scoring import hits
from wellposed.systems.locate.system import LocateSystem


def test_they_find_strong_sources_before_the_surface_they_were_trained_for():
    network, recipe = load_network(WEIGHTS.find(None), torch.device("cpu"))
    easy = {"sources": (1, 3), "snr_db": (15.0, 20.0), "path_loss": (0.0, 0.0)}
    exact = {"measurements": (16, 16), "channel_error_db": None}
    scenes = recipe.scenes.model_copy(update=easy | exact)
    system = LocateSystem(recipe.model_copy(update={"scenes": scenes}))
    items = [system.item("test", number) for number in range(16)]
    states = both(network, system.collate(items), recipe.refinement)
    found = sum(map(hits, states, items), Detection(0, 0, 0))
    assert found.f1 > 0.9


def test_the_example_is_located_without_naming_a_model(tmp_path, capsys):
    sample = tmp_path / "x.npz"
    assert main(["locate", "example", "-o", str(sample)]) == 0
    assert main(["locate", str(sample)]) == 0
    assert "standard deviation" in capsys.readouterr().out

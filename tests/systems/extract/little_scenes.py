"""Short scenes of made voices, and their hash: in a module that other processes can import."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from wellposed.data.sounds import SyntheticSounds
from wellposed.systems.extract.recipe import Scenes
from wellposed.systems.extract.scenes import ExtractScenes, Scene

SOUNDS = SyntheticSounds(8000)
RECIPE = Scenes(
    rate=8000, seconds=1.0, validation_seconds=1.5, present=5, partial=1, absent=2,
    enrol_seconds=(0.5, 3.0),
)  # fmt: skip


def make(sounds=SOUNDS, **changes) -> ExtractScenes:
    return ExtractScenes(RECIPE.model_copy(update=changes), sounds, 3)


def bits(scene: Scene) -> str:
    total = hashlib.sha256(repr((scene.span, sorted(scene.facts.items()))).encode())
    for wave in (scene.mixture, scene.target, scene.interferers, scene.enrolment):
        total.update(wave.tobytes())
    return total.hexdigest()


def list_hash(workers: int) -> str:
    """Hash of the first validation scenes, rendered by so many workers."""
    render = lambda index: bits(make().scene("valid", index))  # noqa: E731
    if not workers:
        return hashlib.sha256("".join(map(render, range(4))).encode()).hexdigest()
    with ThreadPoolExecutor(workers) as pool:
        return hashlib.sha256("".join(pool.map(render, range(4))).encode()).hexdigest()

"""What lost frames cost, by share lost and by way of concealment: PESQ-WB and STOI on test scenes.

python benchmarks/codec_losses.py WEIGHTS [DATA [SCENES]]
"""

import sys
from pathlib import Path

import numpy as np

from wellposed.metrics.table import score_pair
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.concealment import FADE_FRAMES
from wellposed.systems.codec.loading import WEIGHTS
from wellposed.systems.codec.lossy import Way, decoded_with_losses
from wellposed.systems.codec.recordings import recordings

LOSSES = (0.0, 0.05, 0.1, 0.2)
BURSTS = (1.0, 3.0)
WAYS: tuple[tuple[Way, int | None], ...] = (
    ("silence", None), ("repeat", 1), ("repeat", 2), ("repeat", FADE_FRAMES), ("repeat", 10),
    ("bridge", None),
)  # fmt: skip
NAMES = ("pesq_wb", "stoi")


def main() -> None:
    weights = WEIGHTS.find(sys.argv[1])
    data = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    scenes = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    coder = Coder.load(weights)
    waves = [(wave, rate) for _, wave, rate in recordings(weights, data, scenes)]
    files = [coder.file_of(wave, rate) for wave, rate in waves]
    print(f"{len(files)} scenes, {weights}; mean PESQ-WB / STOI")
    print(f"{'way':<12} burst " + " ".join(f"{100 * loss:5.0f} % lost" for loss in LOSSES))
    for burst in BURSTS:
        for way, fade in WAYS:
            cells = []
            for loss in LOSSES:
                scores = []
                for seed, ((wave, rate), content) in enumerate(zip(waves, files, strict=True)):
                    again = decoded_with_losses(
                        coder, content, loss, seed=seed, burst=burst, way=way, fade=fade
                    )
                    scores.append(
                        score_pair(reference=wave[0], estimate=again[0], rate=rate, names=NAMES)
                    )
                values = {name: [s[name].value for s in scores] for name in NAMES}
                means = [
                    np.mean([value for value in values[name] if value is not None])
                    for name in NAMES
                ]
                cells.append(f"{means[0]:5.2f}/{means[1]:.3f}")
            label = way if fade is None else f"{way} {fade}"
            print(f"{label:<12} {burst:5.0f} " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()

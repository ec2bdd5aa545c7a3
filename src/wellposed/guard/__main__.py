"""Replay a saved alarm: `python -m wellposed.guard ALARM_FOLDER my_module:build_model`.

`build_model()` returns the network, or a dict of networks with the names the guard was given.
The weights, the inputs and the random state come from the alarm.
"""

import sys
from importlib import import_module

from .blackbox import load_batch
from .locate import locate
from .networks import as_models
from .recall import Call, Recall


def main(arguments: list[str]) -> int:
    """Print what was found at the time, and what the replay finds now."""
    if len(arguments) != 2 or ":" not in arguments[1]:
        print(__doc__)
        return 2
    alarm = load_batch(arguments[0])
    module, _, factory = arguments[1].partition(":")
    models = as_models(getattr(import_module(module), factory)())
    if not alarm.batch.get("calls") or "weights" not in alarm.batch:
        print(f"{arguments[0]}: holds no remembered calls or no weights; nothing to replay.")
        return 1
    for name, weights in alarm.batch["weights"].items():
        models[name].load_state_dict(weights)
        models[name].train()
    recall = Recall(models)
    recall.calls.extend(Call.from_record(each) for each in alarm.batch["calls"])
    place = locate(models, recall=recall)
    print(alarm.finding.text() if alarm.finding else "no finding was saved")
    print(f"replayed now: {place.phase}, {place.origin or place.note or 'finite'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

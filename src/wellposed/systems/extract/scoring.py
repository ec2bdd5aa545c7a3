"""Scores of one scene, segment by segment: where the target may speak, and where it is silent."""

from collections.abc import Mapping, Sequence

import numpy as np

from wellposed.engine.system import Item
from wellposed.metrics.catalogue import metric
from wellposed.metrics.extraction import absent_attenuation_db, confusion, over_suppression
from wellposed.metrics.score import Score, Signal, undefined
from wellposed.metrics.table import score_pair

IMPROVED_DB = 1.0
"""Less improvement than this is none: the share that is told of open systems is at 1 dB."""

OF_SIGNALS = ("over_suppression", "absent_attenuation_db", "not_improved", "confusion")
OF_PRESENCE = ("false_alarm", "miss", "presence_logit")
NO_TARGET = "there is no target"
TARGET = "there is a target"


def score_scene(item: Item, estimate: Signal, rate: int, names: Sequence[str]) -> dict[str, Score]:
    """Score an estimate `(time,)`; those of presence are not among them, see `score_presence`.

    Scores of the target are over its span alone, attenuation over all the rest.
    """
    mixture, target = item["mixture"].numpy(), item["target"].numpy()
    first, last = (int(place) for place in item["span"])
    pair = [name for name in names if not metric(name).of_scene]
    if last > first:
        span = slice(first, last)
        own, made, before = target[span], estimate[span], mixture[span]
        improvement = "si_sdr_improvement_db"
        scores = score_pair(
            reference=own, estimate=made, noisy=before, rate=rate,
            names=list(dict.fromkeys((*pair, improvement))),
        )  # fmt: skip
        gained = scores[improvement]
        others = item["interferers"].numpy()[:, span] if "interferers" in item else ()
        scores |= {
            "not_improved": gained
            if gained.value is None
            else Score(float(gained.value < IMPROVED_DB)),
            "over_suppression": over_suppression(made, own, rate),
            "confusion": confusion(made, own, list(others)),
        }
    else:
        scores = {name: undefined(NO_TARGET) for name in (*pair, *OF_SIGNALS)}
    outside = np.ones(len(mixture), bool)
    outside[first:last] = False
    scores["absent_attenuation_db"] = (
        absent_attenuation_db(estimate[outside], mixture[outside])
        if outside.any()
        else undefined(TARGET)
    )
    return {name: scores[name] for name in names if name in scores}


def score_presence(logit: float, threshold: float, *, present: bool) -> dict[str, Score]:
    """Judge what was said of the presence."""
    called = logit >= threshold
    return {
        "false_alarm": undefined(TARGET) if present else Score(float(called)),
        "miss": Score(float(not called)) if present else undefined(NO_TARGET),
        "presence_logit": Score(logit),
    }


def plain_values(scores: Mapping[str, Score]) -> dict[str, float | None]:
    """Values alone, as histories hold them."""
    return {name: score.value for name, score in scores.items()}

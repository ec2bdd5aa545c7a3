"""`audit_loss`: everything that can be asked of a loss function before it is trained with."""

import math
import time
from collections.abc import Collection

import torch
from torch import Tensor, nn

from .asked import Asked, LossFunction
from .bench import QUIETEST, Bench, measure
from .cheats import cheat_part
from .degenerate import degenerate_part
from .descent import descent_part
from .filterbank import filterbank_part
from .gains import gain_part
from .invariances import DECLARABLE, invariance_part
from .ladder import Ladder
from .precision import precision_part
from .probes import Probes
from .verdict import ROLES, Audit, Part, joined


def audit_loss(
    fn: LossFunction,
    role: str = "total",
    domain: str = "waveform",
    invariances: Collection[str] = (),
    seed: int = 0,
    probes: Probes | Tensor | None = None,
    quietest_db: float | None = None,
    name: str = "",
) -> Audit:
    """Ask a loss what it rewards, where it leads and what it cannot bear; nothing is trained.

    `fn(estimate, reference)` takes `(batch, time)` float tensors, or for the domain "spectrum"
    complex `(batch, frames, bins)`, and returns one number or `(batch,)`. `role` is "total" or
    "term"; `invariances` are the blindnesses that are meant, of `DECLARABLE`. `probes` are real
    sounds `(batch, time)`; without them speech-like sound is made from `seed`. `quietest_db` is
    the level of the quietest estimate that training meets, relative to the reference: give
    `-inf` for a network whose first output is zero; by default that of 16-bit rounding noise.

    Raises ValueError for an unknown role, domain or invariance, and for a loss that returns
    something else. Errors of the loss itself pass through.
    """
    if role not in ROLES:
        raise ValueError(f"role {role!r} is unknown; known: {', '.join(ROLES)}")
    if unknown := sorted(set(invariances) - set(DECLARABLE)):
        raise ValueError(
            f"invariances {', '.join(unknown)} are unknown; known: {', '.join(DECLARABLE)}"
        )
    began = time.process_time()
    if probes is None:
        probes = Probes.synthetic(seed)
    elif isinstance(probes, Tensor):
        probes = Probes.given(probes, seed)
    # A loss that draws numbers itself draws the same ones at every audit, and disturbs nobody.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        asked = Asked(fn, domain, probes.rate)
        bench = Bench(
            asked=asked,
            probes=probes,
            scale=measure(asked, probes),
            ladder=Ladder(asked, probes),
            role=role,
            declared=frozenset(invariances),
            quietest_db=_quietest(probes) if quietest_db is None else quietest_db,
        )
        answers, numbers = joined(_parts(bench))
    seconds = time.process_time() - began
    numbers |= {"calls": asked.calls, "span": bench.scale.span, "seconds": seconds}
    return Audit(name or _name(fn), _setting(bench), answers, numbers, seconds)


def _parts(bench: Bench) -> list[Part]:
    return [
        gain_part(bench),
        descent_part(bench),
        cheat_part(bench),
        invariance_part(bench),
        filterbank_part(bench.asked.fn),
        degenerate_part(bench),
        _weight_of_level(bench),
        precision_part(bench),
    ]


def _weight_of_level(bench: Bench) -> Part:
    """How much more a loud item counts than a quiet one: gradients at ten times and a tenth."""
    loud, quiet = (
        bench.asked.slope(scale * bench.good, scale * bench.reference).norm for scale in (10, 0.1)
    )
    ratio = 20 * math.log10(loud / quiet) if loud > 0 and quiet > 0 else math.nan
    return Part((), {"loud_over_quiet_db": ratio})


def _quietest(probes: Probes) -> float:
    return round(20 * math.log10(QUIETEST / float(probes.level.median())))


def _setting(bench: Bench) -> str:
    items, samples = bench.reference.shape
    declared = f", declared blind to {', '.join(sorted(bench.declared))}" if bench.declared else ""
    return (
        f"{bench.role} on {bench.asked.domain}s{declared}; {items} x "
        f"{samples / bench.probes.rate:.2g} s of {bench.probes.source}, seed {bench.probes.seed}"
    )


def _name(fn: LossFunction) -> str:
    if isinstance(fn, nn.Module):
        return type(fn).__name__
    return getattr(fn, "__qualname__", None) or type(fn).__name__

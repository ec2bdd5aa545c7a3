"""Replaying one bad step to name the first thing in it that was not finite.

Weights, gradients, buffers, training flags and random states are as before afterwards.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from .backward import BackwardWatch
from .finite import all_finite
from .forward import ForwardWatch
from .modulepath import ModulePath
from .networks import Models, Watchlist, buffers_of, named_parts
from .origin import OUTSIDE, Origin
from .recall import Recall
from .untouched import untouched

Replay = Callable[[], Tensor | Mapping[str, Tensor]]


@dataclass(frozen=True)
class Location:
    """Where a replay found the first number that was not finite."""

    phase: str
    """`forward`, `backward`, or `nowhere` when the replay was finite."""
    origin: Origin | None = None
    hidden: tuple[Origin, ...] = ()
    note: str = ""


def locate(
    models: Models,
    replay: Replay | None = None,
    *,
    recall: Recall | None = None,
    backward: bool = False,
) -> Location:
    """Run a step again and find the first offender.

    `replay` runs the forward pass of the bad step on the same batch and returns its terms (or
    their weighted sum); `recall` supplies the remembered calls where there is no `replay`, and
    the buffers and random state to start from. `backward=True` runs the backward pass even if
    the forward pass was not finite, as collective operations of several processes need.
    """
    parameters = Watchlist(models).named()
    with ExitStack() as stack:
        stack.enter_context(untouched(models, list(parameters.values())))
        if recall is not None:
            stack.enter_context(recall.paused())
            recall.buffers.restore()
            if recall.calls:
                recall.calls[0].randomness.restore()
        return _replayed(models, parameters, replay, recall, backward)


def _replayed(
    models: Models,
    parameters: Mapping[str, Tensor],
    replay: Replay | None,
    recall: Recall | None,
    backward: bool,
) -> Location:
    known = {f"parameter {name}": each for name, each in parameters.items()}
    known |= {f"buffer {name}": each for name, (_, _, each) in buffers_of(models).items()}
    path = ModulePath(named_parts(models))
    watch = ForwardWatch(path, known)
    arrived: Mapping[str, Tensor] | None = None
    try:
        with ExitStack() as stack:
            # Tracebacks of the forward calls are kept for the nodes; its own check stays off.
            stack.enter_context(torch.autograd.set_detect_anomaly(True, check_nan=False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(watch)
            if replay is not None:
                result = replay()
                outputs = {"loss": result} if isinstance(result, Tensor) else dict(result)
            elif recall is not None and recall.calls:
                outputs, arrived = recall.run()
            else:
                return Location("nowhere", note="nothing to replay")
    except RuntimeError as error:
        # Some operations (eigh, cholesky) refuse what is not finite instead of passing it on.
        origin = watch.earliest()
        note = f"the replay stopped: {_first_line(error)}"
        return Location("forward" if origin else "nowhere", origin, watch.hidden(origin), note)
    finally:
        path.remove()
    path.claim(outputs, OUTSIDE)
    finite = all(all_finite(each) for each in outputs.values())
    back = Location("nowhere")
    if finite or backward:
        leaves = [*parameters.values(), *(recall.inputs() if recall is not None else ())]
        back = _backward(outputs, arrived, leaves, path)
    if finite:
        hidden = (*back.hidden, *watch.origins)
        return Location(back.phase, back.origin, hidden, back.note)
    origin = watch.guilty(outputs.values())
    return Location("forward", origin, watch.hidden(origin))


def _backward(
    outputs: Mapping[str, Tensor],
    arrived: Mapping[str, Tensor] | None,
    leaves: list[Tensor],
    path: ModulePath,
) -> Location:
    roots = {name: each for name, each in outputs.items() if each.requires_grad}
    if arrived is not None:
        roots = {name: each for name, each in roots.items() if name in arrived}
    wanted = [each for each in leaves if each.requires_grad]
    if not roots or not wanted:
        return Location("nowhere", note="nothing in the replay requires a gradient")
    if any(hasattr(each, "to_local") for each in wanted):
        return Location("nowhere", note="backward is not replayed for sharded parameters")
    watch = BackwardWatch(list(roots.values()))
    seeds = [torch.ones_like(each) for each in roots.values()]
    if arrived is not None:
        seeds = [arrived[name] for name in roots]
    try:
        torch.autograd.grad(list(roots.values()), wanted, seeds, allow_unused=True)
    except RuntimeError as error:
        note = f"the backward replay stopped: {_first_line(error)}"
        return Location("nowhere", note=note)
    finally:
        watch.remove()
    origin, hidden = watch.guilty(path.owners)
    if origin is None and not all(all_finite(seed) for seed in seeds):
        note = "the gradient that the loss sends into the network is already not finite"
        origin = Origin(OUTSIDE, "the loss", "", "nan", "")
        return Location("backward", origin, tuple(hidden), note)
    return Location("backward" if origin else "nowhere", origin, tuple(hidden))


def _first_line(error: RuntimeError) -> str:
    return str(error).partition("\n")[0]

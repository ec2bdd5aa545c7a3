"""The second player: a critic that learns to predict PESQ, and through which PESQ is taught.

The critic is shown the clean side beside itself, which scores 1, and beside the estimate, which
scores Q = (PESQ - 1) / 3.5, as in CMGAN (arXiv:2203.15149). Scores of estimates are computed by
other processes while the enhancer's gradient is, and waited for at the critic's turn of the same
step: nothing is under way between steps, so a resumed run has the bits of one that never stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wellposed.engine.system import Batch, Moment, Networks
from wellposed.metrics.catalogue import require_packages
from wellposed.metrics.parallel import Job, Scorers
from wellposed.metrics.score import Score
from wellposed.nn.critics.metric import Calibration
from wellposed.systems.enhance.objective import mixture_level

PLAYER = "critic"
WEIGHTS = {"perfect": 1.0, "estimate": 1.0}
"""Both terms of the critic count alike, as in CMGAN."""
BEST, RANGE = 1.0, 3.5
"""Q = (PESQ - BEST) / RANGE: 0 for the worst PESQ, about 1 for the best."""
BEST_SCORE = 1.0
"""What the critic should say of the clean side itself."""


@dataclass(frozen=True)
class _Asked:
    """Estimates of a piece of a step, `(batch, time)`, whose scores were asked for."""

    estimate: Tensor
    scores: Callable[[], list[dict[str, Score]]]


class MetricTargets:
    """True scores of estimates, computed in the background within a step."""

    def __init__(self, rate: int, workers: int) -> None:
        """Score at `rate` [Hz] in so many processes. Raises RunError without the package pesq."""
        self.rate = rate
        self.metric = "pesq_nb" if rate == 8000 else "pesq_wb"
        require_packages([self.metric])
        self.scorers = Scorers(workers)
        self._step = -1
        self._asked: dict[int, _Asked] = {}

    def ask(self, moment: Moment, estimate: Tensor, batch: Batch) -> None:
        """Begin to score the estimates `(batch, time)` of a piece; those of other steps go."""
        if moment.step != self._step:
            self._step, self._asked = moment.step, {}
        estimate = estimate.detach()
        self._asked[moment.piece] = _Asked(estimate, self._submit(estimate, batch))

    def answer(
        self, moment: Moment, batch: Batch, make: Callable[[], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Estimates `(batch, time)` and their PESQ `(batch,)`, NaN where there is none.

        What was not asked for, as when a critic's turn is looked at alone, is made by `make`.
        """
        asked = self._asked.get(moment.piece) if moment.step == self._step else None
        if asked is None or asked.estimate.shape != batch["noisy"].shape:
            estimate = make()
            asked = _Asked(estimate, self._submit(estimate, batch))
        values = [scores[self.metric].value for scores in asked.scores()]
        told = [float("nan") if value is None else value for value in values]
        return asked.estimate, torch.tensor(told, device=asked.estimate.device)

    def _submit(self, estimate: Tensor, batch: Batch) -> Callable[[], list[dict[str, Score]]]:
        rows = zip(
            *(x.float().cpu() for x in (estimate, batch["clean"], batch["noisy"])), strict=True
        )
        return self.scorers.submit(
            [
                Job(
                    name=f"scene {number} of a training step",
                    reference=clean.numpy()[None],
                    estimate=made.numpy()[None],
                    noisy=noisy.numpy()[None],
                    rate=self.rate,
                    names=(self.metric,),
                )
                for number, (made, clean, noisy) in enumerate(rows)
            ]
        )


def critics_word(networks: Networks, estimate: Tensor, batch: Batch) -> Tensor:
    """The enhancer's term: squared distance of the critic's score from 1, `(batch,)`.

    A scene without speech has no PESQ, and the critic has never seen one: it costs nothing.
    """
    said = networks[PLAYER](*_levelled(batch["clean"], estimate, batch["noisy"]))
    return torch.where(batch["clean"].any(-1), (said - BEST_SCORE).square(), 0.0)


def critic_terms(
    networks: Networks, batch: Batch, moment: Moment, targets: MetricTargets, *, active: bool
) -> dict[str, Tensor]:
    """The critic's terms, `(batch,)` each: 0 for a scene whose true score does not exist.

    `active`: whether the enhancer listens to the critic as yet.
    """
    critic, clean = networks[PLAYER], batch["clean"]

    def make() -> Tensor:
        with torch.no_grad():
            return networks["model"](batch["noisy"])

    estimate, pesq = targets.answer(moment, batch, make)
    reference, estimate = _levelled(clean, estimate, batch["noisy"])
    # One call: every example is scored by itself, and the norms of the weights move on once.
    both = critic(reference.repeat(2, 1), torch.cat((reference, estimate)))
    perfect, said = both.chunk(2)
    heard, defined = clean.any(-1), pesq.isfinite()
    true = (torch.where(defined, pesq, BEST) - BEST) / RANGE
    _tell(_calibration(critic), moment, said[defined].detach(), pesq[defined], len(pesq))
    moment.critic(perfect[heard], said[defined], active=active, term="metric")
    return {
        "perfect": torch.where(heard, (perfect - BEST_SCORE).square(), 0.0),
        "estimate": torch.where(defined, (said - true).square(), 0.0),
    }


def _levelled(clean: Tensor, estimate: Tensor, noisy: Tensor) -> tuple[Tensor, Tensor]:
    """Both at the unit level of the mixture, as the other terms have them."""
    with torch.autocast(noisy.device.type, enabled=False):
        level = mixture_level(noisy)
        return clean.float() / level, estimate.float() / level


def _calibration(critic: nn.Module) -> Calibration:
    """The one inside, also where the critic is wrapped for several processes."""
    return next(module for module in critic.modules() if isinstance(module, Calibration))


def _tell(calibration: Calibration, moment: Moment, said: Tensor, pesq: Tensor, asked: int) -> None:
    """Compare with what the critic said before it learned from these, in PESQ [MOS-LQO]."""
    calibration.add(BEST + RANGE * said, pesq)
    figures = {f"calibration/{name}": each for name, each in calibration.figures().items()}
    moment.tell(**figures, undefined=torch.tensor(float(asked - len(pesq))))

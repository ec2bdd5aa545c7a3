"""What a loop tells the guard beside its steps: forces, critics, codes, validations."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from .evidence import Scores, Validation
from .examiner import Examiner
from .findings import Finding
from .instruments.alignment import ALIGNMENT, alignment
from .instruments.forces import forces
from .weights import fingerprint, fingerprint_of, same_weights


class Examined(ABC):
    """The part of `Guard` that judges what it is told."""

    models: Mapping[str, nn.Module]
    _examiner: Examiner

    @abstractmethod
    def _tell(self, findings: Sequence[Finding]) -> list[Finding]: ...

    @abstractmethod
    def read(self) -> list[Finding]:
        """Judge the rows that still wait on the device."""

    def due(self, step: int) -> bool:
        """Whether the guard looks closely at `step`: `forces` measures only then."""
        return self._examiner.due(step)

    def forces(self, step: int, terms: Mapping[str, Tensor], estimate: Tensor) -> None:
        """Before `backward`: which term pulls the estimate where, and how strongly.

        `terms` are *weighted* as the loss sums them, with their graph to `estimate`
        `(batch, ...)`. One backward pass through the losses alone per term, at due steps only.
        Losses that were compiled must allow a second pass (`donated_buffer` off).
        """
        if self.due(step):
            for kind, table in forces(terms, estimate).items():
                self._tell(self._examiner.note(kind, step, table))

    def _align(self, step: int, source: Tensor | None, reference: Tensor | None) -> None:
        """At due steps: whether references belong to their sources, and lie beside them."""
        if source is None or reference is None or not self.due(step):
            return
        table = alignment(source, reference)
        if table:
            self._tell(self._examiner.note(ALIGNMENT, step, table))

    def critic(
        self,
        step: int,
        real: Tensor | None,
        fake: Tensor | None,
        *,
        name: str = "critic",
        active: bool = True,
        term: str = "",
    ) -> None:
        """Scores of a critic on real and made examples, any shape `(batch, ...)`, higher: real.

        `active=False`: the schedule keeps the critic out of the loss as yet; say so. `term` is
        the term of the generator's loss that the critic speaks through, as `forces` calls it;
        without it a critic that is never wrong cannot be told from one that has stopped to teach.
        """
        self._tell(self._examiner.take("critics", step, real, fake, name, active, term))

    def codes(self, step: int, indices: Tensor, size: int, *, name: str = "codebook") -> None:
        """Codes chosen at a step, integers of any shape, out of a codebook of `size`.

        Negative indices are masked ones and count nowhere.
        """
        self._tell(self._examiner.take("codes", step, indices, size, name))

    def validate(
        self,
        step: int,
        scores: Scores,
        *,
        better: Mapping[str, str],
        select: str | None = None,
        trivial: Mapping[str, Scores] | None = None,
        again: Scores | None = None,
        items: str = "",
        levels_db: Sequence[float | None] = (),
        minimum_gain: float = 0.0,
        training: Sequence[str] | None = None,
    ) -> list[Finding]:
        """Judge a validation: `scores[metric]` has one value an item, None where undefined.

        `better[metric]` is "higher" or "lower"; `select` chooses the best checkpoint; `trivial`
        holds the scores of outputs that need no network ("silence", "input", "constant");
        `again` the first items measured twice; `items` names the list; `levels_db` is the gain
        of each estimate over its reference; `training` names networks that were in training
        mode (None: those that ran without gradients since the last step in training mode only,
        and hold layers that act differently then). Returns the new findings.
        """
        self.read()
        if training is None:
            training = self._examiner.validated_in_training()
        validation = Validation(
            step,
            _plain(scores),
            dict(better),
            select,
            {name: _plain(each) for name, each in (trivial or {}).items()},
            _plain(again or {}),
            items,
            _plain({"": levels_db})[""],
            minimum_gain,
            tuple(training),
            fingerprint(self.models),
        )
        return self._tell(self._examiner.validation(validation))

    def kept(self, step: int, weights: Mapping[str, Tensor]) -> list[Finding]:
        """Compare the weights that are kept as the best of `step` with those validated then.

        `weights` are named `NETWORK/tensor` (`tensor` alone where there is one network). Without
        a validation at `step` the last one counts; before the first the weights of now.
        """
        live = same_weights(self.models, weights)
        past = self._examiner.evidence.validations
        judged = next((each for each in reversed(past) if each.step == step), None)
        judged = judged or (past[-1] if past else None)
        same = live if judged is None else judged.weights == fingerprint_of(self.models, weights)
        table = {
            "same": float(same),
            "live": float(live),
            "validated_step": float(step if judged is None else judged.step),
        }
        return self._tell(self._examiner.note("kept", step, {"weights": table}))


def _plain(scores: Scores) -> dict[str, list[float | None]]:
    """Scores as they survive JSON, whatever kind of number they were."""
    return {
        metric: [None if value is None else float(value) for value in values]
        for metric, values in scores.items()
    }

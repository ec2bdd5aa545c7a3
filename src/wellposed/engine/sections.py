"""What every run is told, section by section: each value with its unit, range and reason."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tyro
from pydantic import Field, model_validator

from wellposed.engine.section import Section


class Data(Section):
    """Where the sound comes from."""

    path: Path | None = None
    """Folder of audio or manifest.csv; without it, seeded synthetic speech, noise and rooms."""
    speech_kinds: tuple[str, ...] = ("speech",)
    """Kinds of the manifest that serve as speech."""
    noise_kinds: tuple[str, ...] = ("noise",)
    """Kinds of the manifest that serve as noise."""
    languages: tuple[str, ...] = ()
    """Languages of speech to use (manifest column `language`); empty: all."""
    exclude: tuple[str, ...] = ()
    """Leave out files whose path below the folder begins so, or whole corpora by name."""
    exclude_licences: tuple[str, ...] = ()
    """Leave out files whose licence contains one of these texts, such as "-SA"."""
    cache_mib: Annotated[int, Field(ge=1)] = 1024
    """Memory for decoded audio [MiB]."""

    @property
    def choice(self) -> dict[str, Any]:
        """Everything here that says which files are used, and as what."""
        return self.model_dump(exclude={"path", "cache_mib"})


class Optimizer(Section):
    """AdamW and the rules around a step."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak rate; BSRNN for speech was trained with Adam at 1e-3 (arXiv:2212.00406)."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of the moments; 0.99 follows runs of a few thousand steps better than 0.999."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the second moment, AdamW's own default: a weight whose gradients lie
    far below it hardly moves. The audit says which ones do."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled decay of matrices; norms and biases have none. 0.01 is AdamW's own default."""
    clip_norm: Annotated[float, Field(gt=0)] = 0.5
    """Largest norm of the whole gradient. Measured for enhance (small): 0.03 to 0.15 over the
    first 400 steps, so 0.5 touches only outliers; a value far above never acts."""


class Schedule(Section):
    """Learning rate over the run, a pure function of the step."""

    shape: Literal["cosine", "constant", "linear"] = "cosine"
    """Course after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    """Steps of linear rise from zero to the peak."""
    final_factor: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Rate at the last step relative to the peak (cosine and linear)."""


class Training(Section):
    """How long, how much at once, on what."""

    steps: Annotated[int, Field(ge=1)] = 6000
    """Optimizer steps of the whole run."""
    start_from: Path | None = None
    """Weights to start from instead of random ones: a model file of the same system and size."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Scenes per step, over all processes together."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Pieces in which a process works through its share of a batch, to save memory."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Arithmetic of the network; spectra, losses and weights stay float32."""
    device: str = "auto"
    """"cpu", "cuda", "cuda:1"; auto takes CUDA when there is one."""
    threads: Annotated[int, Field(ge=0)] = 1
    """CPU threads of a process; 0 leaves OMP_NUM_THREADS. Bits depend on it. A step of enhance
    took 0.5 s with one and with two on two idle cores, and 64 s with two on busy ones."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Threads that render scenes ahead; their number cannot change a scene."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """Under torchrun: copies of the network (ddp), or parameters sharded over ranks (fsdp)."""
    log_every: Annotated[int, Field(ge=1)] = 20
    """Steps between lines of the log and rows of the history."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 200
    """Steps between checkpoints."""
    refusals_allowed: Annotated[int, Field(ge=0)] = 16
    """Non-finite steps refused in a row before the run stops. 16 halvings take a loss scale of
    65,536 to 1, the range float16 may need; beyond that the fault is not the scale."""


class Average(Section):
    """Exponential average of the weights; what is validated is what is used."""

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.995
    """Weight of the past at each step: a memory of 1 / (1 - decay) = 200 steps; 0: no average."""


class Promise(Section):
    """Bounds that the mean of a metric must keep; the guard says so when it does not."""

    low: float | None = None
    """Smallest mean, in the metric's unit; none: no lower bound."""
    high: float | None = None
    """Largest mean; none: no upper bound."""
    step: Annotated[int, Field(ge=0)] = 0
    """Validations at this step and later are bound."""
    binding: bool = False
    """No checkpoint out of these bounds, at any step, is the best while one within them exists."""

    def kept_by(self, mean: float | None) -> bool:
        """Whether a mean is within the bounds; none at all is not."""
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        return mean is not None and low <= mean <= high

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if not low <= high or (self.low is None and self.high is None):
            raise ValueError(f"wanted low <= high, one of them at least; found {low} and {high}")
        return self


class Validation(Section):
    """Scores on a fixed list of scenes."""

    every: Annotated[int, Field(ge=1)] = 500
    """Steps between validations; the last step is always validated."""
    scenes: Annotated[int, Field(ge=2)] = 32
    """Number of scenes, always the same ones; their hash is logged."""
    select: str = "si_sdr_improvement_db"
    """Metric whose mean chooses the best checkpoint."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after so many validations that were surely no better than the best; 0: never."""
    minimum_gain: Annotated[float, Field(ge=0)] = 0.0
    """Smallest improvement that counts, in the metric's unit."""
    criteria: Annotated[dict[str, Promise], tyro.conf.Fixed] = Field(default_factory=dict)
    """Promises by metric, `level_error_db: {low: -1, high: 1, step: 3000}`: WP408 when broken."""

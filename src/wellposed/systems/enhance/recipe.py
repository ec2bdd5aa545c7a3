"""The enhance system's recipe: every value with unit, range and reason."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wellposed.dsp.bands import BandPlan, band_widths
from wellposed.dsp.stft import Stft
from wellposed.engine.fields import Fraction, Frequencies, Levels, Positive, Span, Speeds, Weight
from wellposed.engine.recipe import Recipe, Section
from wellposed.nn.dualpath import Block


class Model(Section):
    """Band split, `depth` pairs of time and band paths, three complex taps per bin.

    With LSTM paths it is BSRNN; with state-space paths, Mamba or Mamba-2, it is MBS-Net.
    """

    window_ms: Annotated[float, Field(gt=0, le=128)] = 32.0
    """Length of the STFT window [ms]; bins are 1 / window = 31 Hz apart."""
    hop_ms: Annotated[float, Field(gt=0, le=64)] = 16.0
    """Distance of frames [ms]. Half a window: half the work of BSRNN's 8 ms."""
    bands: BandPlan = ((1000, 125), (4000, 250), (8000, 500), (16000, 1000), (24000, 2000))
    """(until, width) [Hz]: narrow where speech has its harmonics, as the ear does."""
    block: Block = "lstm"
    """What walks along time and across bands: an LSTM (BSRNN), or a state-space block (MBS-Net)."""
    features: Annotated[int, Field(ge=1)] = 64
    """Numbers per band and frame."""
    hidden: Annotated[int, Field(ge=1)] = 48
    """Units of each LSTM direction; channels that a state-space block scans."""
    states: Annotated[int, Field(ge=1)] = 16
    """Numbers that a state-space block remembers per channel; an LSTM has none of these."""
    depth: Annotated[int, Field(ge=1)] = 3
    """Pairs of time and band paths."""
    taps_hidden: Annotated[int, Field(ge=1)] = 48
    """Units of the layer that makes the filter taps of a band."""
    causal: bool = False
    """Never look at the future: latency of one window. Costs quality."""
    lowest_hz: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Bins below are silent in the output [Hz]. 45 Hz takes out rumble whatever was learned, and
    costs voices with a fundamental near 100 Hz, whose skirts lie there: 0.04 PESQ
    on 18 recordings of a man (docs/results.md). Rumble among the noises serves better."""
    input_exponent: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Compression of the input's magnitudes, the exponent of the losses."""
    level_window_s: Annotated[float, Field(gt=0)] = 4.0
    """Window of the running level that input features are relative to [s]."""


SIZES: dict[str, Model] = {
    "tiny": Model(features=24, hidden=24, depth=2, taps_hidden=24),
    "small": Model(),
    "medium": Model(features=96, hidden=96, depth=4, taps_hidden=64),
    "large": Model(features=128, hidden=112, depth=5, taps_hidden=96),
    "mbs-small": Model(block="mamba", features=120, hidden=64, states=8),
    "mbs2-small": Model(block="mamba2", features=104, hidden=64, states=16),
    "bsrnn-causal": Model(hidden=60, causal=True),
    "mbs-causal": Model(block="mamba", features=120, hidden=64, states=8, causal=True),
    "mbs2-causal": Model(block="mamba2", features=104, hidden=64, states=16, causal=True),
}
"""Presets. Parameters at 16 kHz: see docs/enhance.md, printed by `wellposed show enhance`."""


class Scenes(Section):
    """How a noisy scene is made; each draw depends on (seed, split, index) alone."""

    rate: Annotated[int, Field(ge=8000, le=48000)] = 16000
    """Sample rate [Hz]."""
    seconds: Annotated[float, Field(gt=0)] = 2.0
    """Length of a training scene [s]; BSRNN used 2 s crops."""
    validation_seconds: Annotated[float, Field(gt=0)] = 4.0
    """Length of a validation scene [s]; longer, because PESQ needs utterances."""
    snr_db: Span = (-5.0, 20.0)
    """Speech to noise power ratio, uniform [dB], over the parts where speech is active."""
    level_dbfs: Levels = (-45.0, -15.0)
    """Level of the mixture, uniform [dB re full scale]."""
    noises: Frequencies = (0.05, 0.45, 0.35, 0.15)
    """Relative frequency of 0, 1, 2, 3 noises."""
    babble: Fraction = 0.2
    """Probability that a noise is made of other people's voices (3 to 8 of them)."""
    computed: Fraction = 0.3
    """Probability that a noise is computed: coloured, rumble, hum, machine or impacts."""
    absent: Fraction = 0.03
    """Share of scenes without any speech: the network must learn to be silent."""
    room: Fraction = 0.15
    """Share of scenes in a room; the target keeps the reverberation."""
    equalise_db: Annotated[float, Field(ge=0, le=12)] = 6.0
    """Standard deviation of random equalisers on speech (half of it) and on each noise [dB]."""
    minimum_range_db: Annotated[float, Field(ge=0)] = 25.0
    """Leave out speech whose loud and quiet frames differ by less [dB]: a noisy target teaches
    to keep noise. Of 261 training clips of LibriSpeech, VCTK and ARCTIC 25 dB leaves out 24."""
    speed: Speeds = (0.9, 1.1)
    """Speed of speech, uniform; noises vary by the square of it."""


class Loss(Section):
    """Weights of the terms; each is a mean per scene, at the mixture's unit level."""

    complex: Weight = 0.3
    """Compressed complex spectrum: phase and level (weight 0.3: arXiv:2008.06412)."""
    magnitude: Weight = 0.7
    """Compressed magnitude: what is heard as noise left or speech lost (0.7: as above)."""
    waveform: Weight = 0.02
    """Mean absolute difference of waveforms relative to the mixture's level: SI-SDR."""
    level: Weight = 0.03
    """Absolute distance of levels [B]: without it speech comes out 0.7 to 3 dB too quiet."""
    real_imaginary: Weight = 0.0
    """Absolute difference of uncompressed real and imaginary parts (arXiv:2212.00406). Off: not
    measured to help beside the four above."""
    phase: Weight = 0.0
    """Phase, group delay and instantaneous frequency (arXiv:2211.15974), by unit vectors. Off: not
    measured to help; `complex` has the phase in it."""
    consistency: Weight = 0.0
    """Distance of the filtered spectrum from that of its signal (arXiv:2308.08926). Off: not
    measured to help; frames of half a window's hop contradict each other little."""
    metric: Weight = 0.0
    """What a critic that learns to predict PESQ says of the estimate (`critic.py`). It learns in
    all phases if this is above 0 in any. Off: not measured to help, and a step takes longer."""
    hearing: bool = True
    """Weigh the spectra so that every auditory filter counts alike, not every hertz."""
    windows_ms: Annotated[tuple[Positive, ...], Field(min_length=1)] = (16.0, 32.0, 64.0)
    """Windows of the spectra compared [ms], hop a quarter; several, so that no artefact hides."""


class EnhanceRecipe(Recipe):
    """Everything that `wellposed train enhance` can be told."""

    system: Literal["enhance"] = "enhance"
    model: Model = Model()
    scenes: Scenes = Scenes()
    loss: Loss = Loss()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        stft = Stft.of_duration(self.scenes.rate, self.model.window_ms, self.model.hop_ms)
        band_widths(stft.bins, stft.bin_hz, self.model.bands)
        for phase in self.curriculum:
            if "scenes.rate" in phase.changes:
                raise ValueError("curriculum: scenes.rate cannot change, the network is built")
        return self

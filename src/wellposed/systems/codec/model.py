"""The codec network: encoder, quantizer, decoder; offline and as a stream, with the same bits.

Form of SoundStream (arXiv:2107.03312) and descript-audio-codec (arXiv:2306.06546), with these
changes that the tests rest on: nothing is padded on the right and nothing is a statistic over
time, so output samples of a frame depend on input up to the end of that frame (20 ms) and on
nothing later; the output is as long as the input and not delayed; digital silence has code 0 in
all stages and decodes to exact zeros; use is in exact arithmetic (`nn.exact`), hence the same codes
and samples for every cut into pieces.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.causal import Whole, bounded
from wellposed.nn.exact import FRACTION_BITS, Stream
from wellposed.nn.quantizers import EmaStage, FactorisedStage, ResidualQuantizer, ScalarStage, Stage
from wellposed.systems.codec.bands import band_edges
from wellposed.systems.codec.comb import PAST, combed
from wellposed.systems.codec.network import Decoder, Encoder, Levels
from wellposed.systems.codec.ranked import RankedQuantizer
from wellposed.systems.codec.ranks import Powers
from wellposed.systems.codec.recipe import FIRST_STRIDES, FRAMES_PER_SECOND, STRIDES, Model
from wellposed.systems.codec.spectrum import SpectrumDecoder, SpectrumEncoder
from wellposed.systems.codec.upheld import Heard, upheld

SILENT = 2.0**-17
"""Largest sample of a silent frame: a quarter of a step of 16 bits, -102 dBFS."""
LEVEL_STAGES = 1 / 4
"""Share of the stages that code levels where rows follow the power. Of 12 stages 2 with 16 bands
gave PESQ 1.72 and 5.5 dB, 3 with 24 bands 1.77 and 5.7 dB (20 scenes, the untrained transform)."""
PIECE_FRAMES = 50
"""Frames coded at once: 1 s keeps the memory of a long file small. No bit depends on it."""


class Estimate(NamedTuple):
    """What a forward pass makes of `(batch, time)`."""

    wave: Tensor
    """`(batch, time)`, within full scale."""
    codes: Tensor
    """int64 `(batch, stages, frames)`, -1 where a stage was left out."""
    latent: Tensor
    """What was quantized, `(batch, width, frames)`."""
    quantized: Tensor
    """What the decoder was given, of the same shape."""
    commitment: Tensor
    """`(batch,)`"""
    codebook: Tensor
    """`(batch,)`"""


@dataclass
class EncoderState:
    """What the encoder remembers of a stream of `(batch, time)`."""

    tape: Stream = field(default_factory=Stream)


@dataclass
class DecoderState:
    """What the decoder remembers of a stream."""

    tape: Stream = field(default_factory=Stream)
    past: Tensor | None = None
    """What came out of the decoder last, before the comb."""
    heard: Heard | None = None
    """Powers of the last frames, where levels are told."""


class Codec(nn.Module):
    """Waveform `(batch, time)` at `rate` to codes and back, 50 frames a second."""

    def __init__(self, recipe: Model, rate: int) -> None:
        """Build the network of `recipe`. Raises ValueError: a rate without strides."""
        super().__init__()
        self.encoder: Encoder | SpectrumEncoder
        self.quantizer: ResidualQuantizer | RankedQuantizer
        self.decoder: Decoder | SpectrumDecoder
        if rate not in FIRST_STRIDES:
            raise ValueError(f"{rate} Hz: wanted one of {', '.join(map(str, FIRST_STRIDES))} Hz")
        strides = (FIRST_STRIDES[rate], *STRIDES)
        self.rate, self.hop = rate, rate // FRAMES_PER_SECOND
        self.comb = recipe.comb
        waveform = recipe.latent - recipe.bands
        if recipe.follow == "power":
            self._follow_power(recipe, strides, waveform)
            return
        edges = (waveform,)
        if recipe.bands:
            edges = band_edges(waveform, self.hop, recipe.bands, FRAMES_PER_SECOND / 2)
        sides = recipe.dilations, waveform, tuple(edges)
        self.encoder = Encoder(Levels(recipe.encoder_channels, strides, *sides))
        self.quantizer = _quantizer(recipe, recipe.latent, recipe.stages)
        self.decoder = Decoder(Levels(recipe.decoder_channels, strides, *sides))

    def _follow_power(self, recipe: Model, strides: tuple[int, ...], coded: int) -> None:
        """Build what codes, of a transform, the `coded` rows with the most power."""
        powers = Powers(band_edges(0, self.hop, recipe.bands, FRAMES_PER_SECOND / 2))
        first = max(1, round(LEVEL_STAGES * recipe.stages))
        sides = recipe.dilations, self.hop, (0,)
        self.encoder = SpectrumEncoder(Levels(recipe.encoder_channels, strides, *sides), powers)
        self.quantizer = RankedQuantizer(
            _quantizer(recipe, recipe.bands, first),
            _quantizer(recipe, coded, recipe.stages - first),
            powers,
            coded,
        )
        sides = recipe.dilations, self.hop + recipe.bands, (0,)
        self.decoder = SpectrumDecoder(Levels(recipe.decoder_channels, strides, *sides), powers)

    @property
    def books(self) -> tuple[int, ...]:
        """Number of codes of every stage; code 0 of all of them is silence."""
        return self.quantizer.books

    @property
    def lookahead(self) -> int:
        """Samples beyond an output sample that it may depend on: the rest of its frame."""
        return self.hop - 1

    def frames(self, samples: int) -> int:
        """Frames of a signal: the last one may be cut short."""
        return -(-samples // self.hop)

    def forward(
        self,
        wave: Tensor,
        stages: int | Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        quantize: bool = True,
        decoder_alone: bool = False,
    ) -> Estimate:
        """Code and decode with the first `stages` (one number, or one an item; None: all).

        In training mode with a generator the books learn. `quantize=False`: the decoder gets the
        latents as they are. `decoder_alone`: encoder and books have no gradient and do not learn.
        Raises ValueError: no samples.
        """
        samples, framed = wave.shape[-1], self._rounded(self._framed(wave))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not decoder_alone):
            made = self._coded(framed, stages, generator, quantize=quantize)
        out = bounded(self.decoder(made.quantized, Whole()).float())[:, 0]
        if self.comb:
            out = combed(out, self._nothing(out), self.hop, self.comb, Whole())
        if isinstance(self.decoder, SpectrumDecoder):
            told = self.decoder.told_power(made.quantized)
            out = bounded(upheld(out, told, Heard.nothing(out), self.hop, Whole())[0])
        return made._replace(wave=out[:, :samples])

    def _coded(
        self,
        framed: Tensor,
        stages: int | Tensor | None,
        generator: torch.Generator | None,
        *,
        quantize: bool,
    ) -> Estimate:
        """Encode and quantize whole frames; the wave is that which was given."""
        latent = self.encoder(framed[:, None], Whole()).float()
        audible = self._audible(framed)
        if quantize:
            counts = torch.as_tensor(len(self.books) if stages is None else stages)
            counts = counts.to(framed.device).expand(len(framed))
            with torch.autocast(framed.device.type, enabled=False):
                made = self.quantizer(latent, counts, audible, generator)
            passed, codes = made.value, made.codes
            commitment, codebook = made.commitment, made.codebook
        else:
            passed = latent * audible[:, None]
            codes = torch.full((len(framed), 0, latent.shape[-1]), -1, device=framed.device)
            commitment = codebook = latent.new_zeros(len(framed))
        return Estimate(framed, codes, latent, passed, commitment, codebook)

    def latents(self, wave: Tensor) -> Tensor:
        """Latents of the audible frames of `(batch, time)`: `(number, width)`."""
        framed = self._framed(wave)
        latent = self.encoder(framed[:, None], Whole()).float()
        return latent.transpose(1, 2)[self._audible(framed)]

    @torch.no_grad()
    def encode(self, wave: Tensor) -> Tensor:
        """Codes `(batch, stages, frames)` of `(batch, time)`. Raises ValueError: no samples."""
        state = self.encoder_state()
        pieces = self._framed(wave).split(PIECE_FRAMES * self.hop, -1)
        return torch.cat([self.encode_step(piece, state) for piece in pieces], -1)

    @torch.no_grad()
    def decode(self, codes: Tensor, samples: int) -> Tensor:
        """Waveform `(batch, samples)` of codes `(batch, stages, frames)`, float32.

        Fewer stages than the network has give the coarser sound. Raises ValueError: codes outside
        of their book, or another number of frames than `samples` needs.
        """
        if samples < 1 or codes.shape[-1] != self.frames(samples):
            raise ValueError(
                f"{codes.shape[-1]} frames for {samples} samples; wanted {self.frames(samples)} "
                "frames, and a sample at least"
            )
        state = self.decoder_state()
        pieces = codes.split(PIECE_FRAMES, -1)
        return torch.cat([self.decode_step(piece, state) for piece in pieces], -1)[:, :samples]

    def encoder_state(self) -> EncoderState:
        """Begin a stream to encode; the network must not change until its end."""
        return EncoderState()

    @torch.no_grad()
    def encode_step(self, wave: Tensor, state: EncoderState) -> Tensor:
        """Codes `(batch, stages, frames)` of the next `(batch, frames * hop)` samples.

        Raises ValueError: a piece that does not end with a frame.
        """
        if wave.shape[-1] % self.hop or not wave.shape[-1]:
            raise ValueError(f"{wave.shape[-1]} samples: wanted whole frames of {self.hop}")
        tape = state.tape
        settled = tape.settle(wave)[:, None]
        latent = self.encoder(settled, tape)
        return self.quantizer.encode(latent, self._audible(wave), tape)

    def decoder_state(self) -> DecoderState:
        """Begin a stream to decode; the network must not change until its end."""
        return DecoderState()

    @torch.no_grad()
    def decode_step(self, codes: Tensor, state: DecoderState) -> Tensor:
        """Return the samples `(batch, frames * hop)` of the next frames' codes, float32.

        A code of -1 is a stage that was left out in that frame.
        """
        return self.sound_step(self.latent_step(codes, state), state)

    @torch.no_grad()
    def latent_step(self, codes: Tensor, state: DecoderState) -> Tensor:
        """What codes stand for, float64 `(batch, latent, frames)`: the first half of decoding."""
        return state.tape.settle(self.quantizer.decode(codes, state.tape))

    @torch.no_grad()
    def sound_step(self, latent: Tensor, state: DecoderState) -> Tensor:
        """Samples `(batch, frames * hop)` of the next latents: the second half of decoding."""
        wave = self.decoder(state.tape.settle(latent), state.tape)[:, 0].clamp(-1.0, 1.0)
        if self.comb:
            past = self._nothing(wave) if state.past is None else state.past
            state.past = torch.cat([past, wave], -1)[:, -past.shape[-1] :].clone()
            wave = combed(wave, past, self.hop, self.comb, state.tape)
        if isinstance(self.decoder, SpectrumDecoder):
            told = self.decoder.told_power(latent)
            heard = Heard.nothing(wave) if state.heard is None else state.heard
            wave, state.heard = upheld(wave, told, heard, self.hop, state.tape)
            wave = wave.clamp(-1.0, 1.0)
        return wave.float()

    def _nothing(self, wave: Tensor) -> Tensor:
        """Silence before a stream."""
        return wave.new_zeros(len(wave), PAST * self.hop)

    def _framed(self, wave: Tensor) -> Tensor:
        samples = wave.shape[-1]
        if samples < 1:
            raise ValueError("a signal without samples has no code")
        return functional.pad(wave, (0, self.frames(samples) * self.hop - samples))

    def _rounded(self, wave: Tensor) -> Tensor:
        """Round as use does: samples that differ by less would get other codes here and there.

        The gradient passes as through nothing.
        """
        grid = 2.0**FRACTION_BITS
        return wave + ((wave.detach() * grid).round() / grid - wave.detach())

    def _audible(self, framed: Tensor) -> Tensor:
        """Whether each frame of `(batch, frames * hop)` has a sound in it."""
        return framed.unflatten(-1, (-1, self.hop)).abs().amax(-1) > SILENT


def _quantizer(recipe: Model, width: int, stages: int) -> ResidualQuantizer:
    return ResidualQuantizer([_stage(recipe, width) for _ in range(stages)], recipe.paths)


def _stage(recipe: Model, width: int) -> Stage:
    if recipe.quantizer == "factorised":
        cosine = recipe.look_up == "cosine"
        return FactorisedStage(width, recipe.size, recipe.code_dims, cosine=cosine)
    if recipe.quantizer == "ema":
        return EmaStage(width, recipe.size)
    return ScalarStage(width, recipe.levels)

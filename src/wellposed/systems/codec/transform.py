"""Where the codec network starts: as a transform of blocks and its inverse.

A network of random weights has to find out first that its output shall be its input, which takes
thousands of steps. Here every stride begins as a discrete cosine transform of what its block
holds, cut to the channels there are, and the decoder as the transposes: the untrained codec is the
20 ms block transform that keeps the lowest `latent` of `hop` frequencies, without any look-ahead.
What the random layers add to that is small at the start, and theirs to learn.
"""

import torch
from torch import Tensor

from wellposed.dsp.cosines import cosines
from wellposed.nn.causal import CausalConv, CausalUpsample, Snake
from wellposed.systems.codec.bands import LEVEL, BandLevels, BandTextures
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.network import Decoder, Encoder
from wellposed.systems.codec.ranks import LOUD
from wellposed.systems.codec.spectrum import SpectrumDecoder, SpectrumEncoder

BESIDE = 0.01
"""Norm of the random weights that remain in a row beside those of the transform."""
BEND = 0.03
"""Rate of the Snakes between levels: of a value of 0.5 the square that they add is -36 dB."""


@torch.no_grad()
def start_as_transform(codec: Codec) -> None:
    """Set the weights of a codec that was just built; what is random in it stays so."""
    encoder, decoder = codec.encoder, codec.decoder
    if isinstance(encoder, SpectrumEncoder) and isinstance(decoder, SpectrumDecoder):
        _start_beside(encoder.network, decoder.network)
    elif isinstance(encoder, Encoder) and isinstance(decoder, Decoder):
        _up(decoder, _down(encoder))
        if encoder.bands is not None and decoder.bands is not None:
            _start_bands(encoder.bands, decoder.bands)


def _start_beside(encoder: Encoder, decoder: Decoder) -> None:
    """Start networks beside a transform as the same transform, a hundredth as loud.

    What they know of sound is then of use, and what comes out is that of the transform alone.
    """
    _up(decoder, _down(encoder))
    last = encoder.layers[-1]
    up = decoder.layers[decoder.joined - 1]
    assert isinstance(last, CausalConv)
    assert isinstance(up, CausalUpsample)
    last.gain.mul_(BESIDE * LOUD)
    up.blocks.gain.mul_(BESIDE / LOUD)


def _down(encoder: Encoder) -> list[Tensor]:
    """Set the encoder; return the map of every stride `(kept, kept before, stride)`."""
    convs = [each for each in encoder.layers if isinstance(each, CausalConv)]
    stem, *strided, last = convs
    _set(stem, _newest(torch.ones(1, 1), stem))
    # Rows that make what is kept out of the samples of a block.
    known, maps = torch.ones(1, 1, dtype=torch.float64), []
    for conv in strided:
        stride, kept = conv.stride, len(known)
        blocks = torch.block_diag(*[known] * stride)  # (stride * kept, stride * samples)
        number = min(conv.direction.shape[0], stride * kept)
        rows = cosines(number, blocks.shape[1]) @ blocks.T
        known = rows @ blocks
        weight = rows.reshape(number, stride, kept).transpose(1, 2)
        maps.append(weight)
        taps = torch.zeros(number, kept, 2 * stride, dtype=torch.float64)
        taps[..., stride:] = weight
        _set(conv, taps)
    number = min(len(known), last.direction.shape[0])
    _set(last, _newest(torch.eye(number), last))
    _bend(encoder)
    return maps


def _up(decoder: Decoder, maps: list[Tensor]) -> None:
    """Set the decoder to the transposes of the maps."""
    first, *_, last = (each for each in decoder.layers if isinstance(each, CausalConv))
    ups = [each for each in decoder.layers if isinstance(each, CausalUpsample)]
    # What no latent stands for is silent: the transposes listen to all channels.
    channels, latents, _ = first.direction.shape
    bands = 0 if decoder.bands is None else decoder.bands.patterns.direction.shape[1]
    _set(first, _newest(torch.eye(min(channels, latents - bands)), first), others=BESIDE)
    for up, weight in zip(ups, reversed(maps), strict=True):
        channels = up.blocks.direction.shape[1]
        kept_before = min(weight.shape[1], up.blocks.direction.shape[0] // up.stride)
        # Of the two taps the newest one makes the block; rows are (channel, sample of the block).
        taps = torch.zeros(kept_before, up.stride, min(channels, len(weight)), 2)
        taps[..., 1] = weight[:channels, :kept_before].permute(1, 2, 0).float()
        _set(up.blocks, taps.flatten(0, 1))
    _set(last, _newest(torch.ones(1, 1), last))
    _bend(decoder)


def _start_bands(levels: BandLevels, textures: BandTextures) -> None:
    """Measure the rows above those of the waveform; give them back with signs of their own.

    With the power of a band spread over its rows alike, patterns sound like noise, and have no
    peak as a sum of cosines in phase would.
    """
    hop, rows = levels.rows.stride, sum(levels.sizes)
    basis = cosines(hop, hop)[hop - rows :]
    levels.rows.assign(basis[:, None])
    signs = torch.randn(rows, dtype=torch.float64).sign()[:, None] * basis
    patterns = torch.stack([each.sum(0) for each in signs.split(levels.sizes)], 1) / LEVEL**2
    _set(textures.patterns, _newest(patterns, textures.patterns))


def _newest(matrix: Tensor, conv: CausalConv) -> Tensor:
    """A matrix on the newest tap."""
    taps = torch.zeros(*matrix.shape, conv.direction.shape[2])
    taps[..., -1] = matrix
    return taps


def _set(conv: CausalConv, weight: Tensor, others: float = 1.0) -> None:
    """Put `weight` into the first rows and inputs; the rest of these rows becomes small.

    Other rows keep their directions and get the norm `others`.
    """
    rows, inputs, _ = weight.shape
    direction = conv.direction.detach().clone()
    norm = direction[:rows].square().sum((1, 2), keepdim=True).sqrt()
    direction[:rows] *= BESIDE / norm
    direction[:rows, :inputs] += weight.to(direction)
    rest = direction[rows:]
    direction[rows:] = others * rest / (rest.square().sum((1, 2), keepdim=True).sqrt() + 1e-12)
    conv.assign(direction)


def _bend(network: Encoder | Decoder) -> None:
    for layer in network.layers:
        if isinstance(layer, Snake):
            layer.rate.fill_(BEND)

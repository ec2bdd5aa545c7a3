"""A file decoded as if frames had been lost on the way: simulated with a seed, then concealed."""

import io
from typing import Literal

import numpy as np
import torch

from wellposed.data.audio import Waveform
from wellposed.data.audio_stream import resampled
from wellposed.systems.codec.bitstream.chunks import SILENT
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.concealment import Concealer, bridged, fades, lost_frames
from wellposed.systems.codec.levels import gains

Way = Literal["repeat", "silence", "bridge"]
"""How lost frames are filled: the last codes, fading; silence; a line between the latents before
and after the gap, which waits for the frame after it."""


def decoded_with_losses(
    coder: Coder,
    content: bytes,
    loss: float,
    *,
    seed: int,
    burst: float = 1.0,
    way: Way = "repeat",
    fade: int | None = None,
) -> Waveform:
    """Decode a mono file of which a share `loss` of the frames is lost: (1, time).

    Levels of chunks are taken as known: a packet carries its level with its codes.
    """
    reader = coder.open(io.BytesIO(content), "simulated")
    header, network = reader.header, coder.network
    pieces = [piece for piece in reader.pieces() if piece.codes is not None]
    codes = np.concatenate([piece.codes for piece in pieces if piece.codes is not None], axis=1)
    lost = lost_frames(codes.shape[1], loss, seed, burst=burst)
    concealer = Concealer(len(codes)) if fade is None else Concealer(len(codes), fade)
    filled, heights = concealer.fill(codes, lost)
    state = network.decoder_state()
    device = next(network.parameters()).device
    if way == "silence":
        filled = np.where(lost, 0, codes)
    latents = network.latent_step(torch.from_numpy(filled).long()[None].to(device), state)
    if way == "bridge":
        latents = bridged(latents, lost)
    wave = network.sound_step(latents, state).cpu().numpy()
    if way == "repeat":
        wave = wave * fades(1.0, heights, header.hop)
    before, shape = SILENT, []
    for piece in pieces:
        samples = piece.frames * header.hop
        made = gains(before, piece.level, header.level_db, header.hop, samples)
        shape.append(np.where(made > 0, 1 / np.maximum(made, 1e-30), 0.0))
        before = piece.level
    wave = (wave * np.concatenate(shape)).astype(np.float32)
    whole = reader.report.samples or 0
    parts = resampled([wave[:, : header.coded(whole)]], header.rate, header.output_rate, whole)
    return np.concatenate(list(parts), axis=1)

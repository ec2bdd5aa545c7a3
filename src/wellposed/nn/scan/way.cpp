// What a state-space block does between its two matrix products, for use: settled.py says which
// numbers it is given. Convolution, selection, scan, skip and gate of one line after the other, one
// way or both, where a chain of tensor operations would spend most of its time on being called.
//
// float32, exact hold. `inner` and `made` are rows of numbers, one for each frame and band; a line
// walks through rows that are `stride` apart. Where `window` and `h` are given, lines go on from them
// and leave them as they are after the last frame; else lines start from rest.

#include <cmath>
#include <vector>

#include "lanes.h"

namespace {

struct Sizes {
    long columns, channels, width, states, rank, picked, taps, one_decay, normed;
};

// Lines come in groups: line k of group g starts at row g * group + k * line.
struct Lines {
    long groups, group, lines, line, frames, stride;
};

// One direction. `inputs` is the column of `inner` where its `width` inputs start. Mamba: `select`
// (channels, picked), zeros beyond rank + 2 * states. Mamba-2: `picked` is 0; B and C are the
// convolution's last outputs, and the raw steps follow the inputs.
struct Way {
    long inputs;
    const float *taps, *bias, *select, *spread, *pace, *A, *rest, *skip;
};

struct Line {
    const float* inner;
    float *made, *window, *h;
    long frames, stride;
};

struct Room {
    std::vector<float> seen, mixed, picked, dt;
};

template <typename Each>
inline void blocks(long size, Each each) {
    for (long d = 0; d < size; d += LANES) each(d, size - d);
}

void convolve(const Way& way, const Sizes& z, const Line& line, Room& room) {
    const long past = z.taps - 1, W = z.width;
    float* seen = room.seen.data();
    if (line.window) std::memcpy(seen, line.window, sizeof(float) * past * W);
    else std::memset(seen, 0, sizeof(float) * past * W);
    for (long t = 0; t < line.frames; ++t) {
        const float* from = line.inner + t * line.stride * z.columns + way.inputs;
        std::memcpy(seen + (past + t) * W, from, sizeof(float) * W);
        blocks(W, [&](long d, long count) {
            Vec sum = load(way.bias + d, count);
            for (long k = 0; k < z.taps; ++k)
                sum += load(way.taps + k * W + d, count) * load(seen + (t + k) * W + d, count);
            store(room.mixed.data() + t * W + d, silu(sum), count);
        });
    }
    if (line.window)
        std::memcpy(line.window, seen + line.frames * W, sizeof(float) * past * W);
}

// Raw steps of one frame, then B, then C: where they lie.
struct Picked {
    const float *raw, *B, *C;
};

Picked pick(const Way& way, const Sizes& z, const Line& line, const Room& room, long t) {
    const float* mixed = room.mixed.data() + t * z.width;
    if (z.picked) {
        const float* at = room.picked.data() + t * z.picked;
        return {at, at + z.rank, at + z.rank + z.states};
    }
    const float* raw = line.inner + t * line.stride * z.columns + way.inputs + z.width;
    return {raw, mixed + z.channels, mixed + z.channels + z.states};
}

void choose(const Way& way, const Sizes& z, const Line& line, Room& room) {
    for (long t = 0; t < line.frames; ++t) {
        const float* mixed = room.mixed.data() + t * z.width;
        if (z.picked)
            blocks(z.picked, [&](long d, long count) {
                Vec sum{};
                for (long c = 0; c < z.channels; ++c)
                    sum += mixed[c] * load(way.select + c * z.picked + d, count);
                store(room.picked.data() + t * z.picked + d, sum, count);
            });
        const float* raw = pick(way, z, line, room, t).raw;
        blocks(z.channels, [&](long d, long count) {
            Vec sum = load(way.pace + d, count);
            for (long r = 0; r < z.rank; ++r)
                sum += raw[r] * load(way.spread + r * z.channels + d, count);
            store(room.dt.data() + t * z.channels + d, softplus(sum), count);
        });
    }
}

void scan(const Way& way, const Sizes& z, const Line& line, Room& room) {
    const long D = z.channels, N = z.states;
    std::vector<Vec> h(N);
    blocks(D, [&](long d, long count) {
        for (long n = 0; n < N; ++n) h[n] = line.h ? load(line.h + n * D + d, count) : Vec{};
        const Vec skip = load(way.skip + d, count);
        for (long t = 0; t < line.frames; ++t) {
            const Picked at = pick(way, z, line, room, t);
            const Vec u = load(room.mixed.data() + t * z.width + d, count);
            const Vec dt = load(room.dt.data() + t * D + d, count);
            float* made = line.made + t * line.stride * D + d;
            Vec out = load(made, count) + skip * u, weight{};
            for (long n = 0; n < N; ++n) {
                if (n == 0 || !z.one_decay) weight = -expm1(dt * load(way.A + n * D + d, count));
                const Vec drive = u * load(way.rest + n * D + d, count) * at.B[n];
                h[n] += weight * (drive - h[n]);
                out += at.C[n] * h[n];
            }
            store(made, out, count);
        }
        if (line.h)
            for (long n = 0; n < N; ++n) store(line.h + n * D + d, h[n], count);
    });
}

// Gate by the first columns; under `normed`, divide by the root mean square as well.
void gate(const Sizes& z, const Line& line) {
    for (long t = 0; t < line.frames; ++t) {
        const float* gate = line.inner + t * line.stride * z.columns;
        float* made = line.made + t * line.stride * z.channels;
        Vec squares{};
        blocks(z.channels, [&](long d, long count) {
            const Vec gated = load(made + d, count) * silu(load(gate + d, count));
            squares += gated * gated;
            store(made + d, gated, count);
        });
        if (!z.normed) continue;
        const float scale = 1 / std::sqrt(sum(squares) / z.channels + 1.1920929e-7f);
        blocks(z.channels, [&](long d, long count) {
            store(made + d, load(made + d, count) * scale, count);
        });
    }
}

Line reversed(Line line, const Sizes& z) {
    const long last = (line.frames - 1) * line.stride;
    return {line.inner + last * z.columns, line.made + last * z.channels,
            nullptr, nullptr, line.frames, -line.stride};
}

} // namespace

// `made` is zero before. `back` is null for one way; two ways start from rest.
extern "C" void wellposed_ways(const Sizes* sizes, const Lines* lines, const Way* forth,
                               const Way* back, const float* inner, float* made, float* window,
                               float* h) {
    const Sizes z = *sizes;
    const Lines l = *lines;
    const size_t T = l.frames;
    Room room{std::vector<float>((T + z.taps - 1) * z.width), std::vector<float>(T * z.width),
              std::vector<float>(T * z.picked), std::vector<float>(T * z.channels)};
    for (long k = 0; k < l.groups * l.lines; ++k) {
        const long row = k / l.lines * l.group + k % l.lines * l.line;
        const Line ahead{inner + row * z.columns, made + row * z.channels,
                         window ? window + k * (z.taps - 1) * z.width : nullptr,
                         h ? h + k * z.states * z.channels : nullptr, l.frames, l.stride};
        auto walk = [&](const Way& way, const Line& line) {
            convolve(way, z, line, room);
            choose(way, z, line, room);
            scan(way, z, line, room);
        };
        walk(*forth, ahead);
        if (back) walk(*back, reversed(ahead, z));
        gate(z, ahead);
    }
}

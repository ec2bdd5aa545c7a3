// The selective scan for a CPU: sixteen channels side by side, all states of a frame in turn.
//
// Same recurrence and same gradients as fused.py, where they are explained; float32 only. Arrays are
// dense: u, dt, y (rows, frames, channels); B, C (rows, frames, states); states of a row and A,
// rest = -1/A (states, channels). Kept for the backward pass is the state before every STEP-th frame.
// Each row (an example of the batch) is one piece of work; no two rows write to the same place, so
// the number of threads changes no bit. SHARED: all states of a channel decay alike (A holds the same
// number for each), as in Mamba-2: then exp, most of the work, is taken once for all of them.

#include <atomic>
#include <thread>
#include <vector>

#include "lanes.h"

namespace {

constexpr long STEP = 32;

struct Sizes {
    long rows, frames, channels, states;
};

// x / (1 - exp(-x)) - 1 for w = -expm1(x); see `_slope` in fused.py.
inline Vec slope(Vec x, Vec w) {
    Vec square = x * x;
    Vec near = (square * (-1.0f / 720) + 1.0f / 12) * square;
    auto small = square < all(0.15f);
    Vec far = x * 0.5f - 1.0f - x / (small ? all(1.0f) : w);
    return (small ? near : far) + x * 0.5f;
}

// w = 1 - exp(dt A) under exact hold, else exp(dt A).
template <bool EXACT>
inline Vec weigh(Vec x) {
    Vec e = expm1(x);
    return EXACT ? -e : e + 1.0f;
}

template <bool EXACT>
inline Vec advance(Vec h, Vec weight, Vec drive) {
    return EXACT ? h + weight * (drive - h) : weight * h + drive;
}

struct Given {
    const float *u, *dt, *A, *rest, *B, *C;
};

struct Wanted {
    float *u, *dt, *A, *B, *C, *h0;
};

template <bool EXACT, bool SHARED>
void forward_row(Given in, Sizes z, long row, const float* h0, float* y, float* last, float* kept) {
    const long D = z.channels, N = z.states, T = z.frames;
    const long pieces = (T + STEP - 1) / STEP;
    std::vector<Vec> room(3 * N);
    Vec *h = room.data(), *A = h + N, *rest = A + N;
    for (long d = 0; d < D; d += LANES) {
        const long count = D - d;
        for (long n = 0; n < N; ++n) {
            h[n] = load(h0 + (row * N + n) * D + d, count);
            A[n] = load(in.A + n * D + d, count);
            rest[n] = load(in.rest + n * D + d, count);
        }
        for (long t = 0; t < T; ++t) {
            if (kept && t % STEP == 0)
                for (long n = 0; n < N; ++n)
                    store(kept + ((row * pieces + t / STEP) * N + n) * D + d, h[n], count);
            const long at = row * T + t;
            const Vec u = load(in.u + at * D + d, count), dt = load(in.dt + at * D + d, count);
            const Vec force = EXACT ? u : dt * u;
            const float *B = in.B + at * N, *C = in.C + at * N;
            const Vec first = weigh<EXACT>(dt * A[0]);
            Vec out{};
            for (long n = 0; n < N; ++n) {
                const Vec drive = EXACT ? force * rest[n] * B[n] : force * B[n];
                const Vec w = SHARED || n == 0 ? first : weigh<EXACT>(dt * A[n]);
                h[n] = advance<EXACT>(h[n], w, drive);
                out += C[n] * h[n];
            }
            store(y + at * D + d, out, count);
        }
        for (long n = 0; n < N; ++n) store(last + (row * N + n) * D + d, h[n], count);
    }
}

// Gradients of one row; `out.A` is that of this row alone, (rows, states, channels).
template <bool EXACT, bool SHARED>
void backward_row(Given in, Sizes z, long row, const float* kept, const float* gy,
                  const float* glast, Wanted out) {
    const long D = z.channels, N = z.states, T = z.frames;
    const long pieces = (T + STEP - 1) / STEP, blocks = (D + LANES - 1) / LANES;
    std::vector<Vec> room(2 * blocks * N + 2 * N + (4 * STEP + 1) * N);
    Vec *adjoint = room.data(), *gA = adjoint + blocks * N, *A = gA + blocks * N, *rest = A + N;
    Vec *h = rest + N, *weight = h + (STEP + 1) * N, *gB = weight + STEP * N, *gC = gB + STEP * N;
    for (long n = 0; n < N; ++n)
        for (long k = 0; k < blocks; ++k)
            adjoint[k * N + n] = load(glast + (row * N + n) * D + k * LANES, D - k * LANES);
    for (long piece = pieces - 1; piece >= 0; --piece) {
        const long start = piece * STEP, size = T - start < STEP ? T - start : STEP;
        for (long k = 0; k < 2 * STEP * N; ++k) gB[k] = Vec{};
        for (long k = 0; k < blocks; ++k) {
            const long d = k * LANES, count = D - d;
            Vec *G = adjoint + k * N, *sumA = gA + k * N;
            for (long n = 0; n < N; ++n) {
                h[n] = load(kept + ((row * pieces + piece) * N + n) * D + d, count);
                A[n] = load(in.A + n * D + d, count);
                rest[n] = load(in.rest + n * D + d, count);
            }
            for (long t = 0; t < size; ++t) {
                const long at = row * T + start + t;
                const Vec u = load(in.u + at * D + d, count), dt = load(in.dt + at * D + d, count);
                const Vec force = EXACT ? u : dt * u;
                const float* B = in.B + at * N;
                const Vec first = weigh<EXACT>(dt * A[0]);
                weight[t * N] = first;
                for (long n = 0; n < N; ++n) {
                    const Vec drive = EXACT ? force * rest[n] * B[n] : force * B[n];
                    const Vec w = SHARED || n == 0 ? first : weigh<EXACT>(dt * A[n]);
                    if (!SHARED) weight[t * N + n] = w;
                    h[(t + 1) * N + n] = advance<EXACT>(h[t * N + n], w, drive);
                }
            }
            for (long t = size - 1; t >= 0; --t) {
                const long at = row * T + start + t;
                const Vec u = load(in.u + at * D + d, count), dt = load(in.dt + at * D + d, count);
                const Vec g = load(gy + at * D + d, count);
                const float *B = in.B + at * N, *C = in.C + at * N;
                const Vec common = EXACT && SHARED ? slope(dt * A[0], weight[t * N]) : Vec{};
                Vec by_drive{}, by_decay{}, by_gain{};
                for (long n = 0; n < N; ++n) {
                    const Vec w = weight[SHARED ? t * N : t * N + n], x = dt * A[n];
                    const Vec whole = G[n] + g * C[n];
                    const Vec decayed = whole * (EXACT ? 1.0f - w : w);
                    const Vec past = decayed * h[t * N + n];
                    gC[t * N + n] += g * h[(t + 1) * N + n];
                    by_decay += past * A[n];
                    sumA[n] += past * dt;
                    if (EXACT) {
                        const Vec gained = whole * w * rest[n];
                        gB[t * N + n] += gained * u;
                        by_drive += gained * B[n];
                        by_gain += decayed * B[n];
                        sumA[n] -= gained * (u * rest[n] * B[n]) * (SHARED ? common : slope(x, w));
                    } else {
                        gB[t * N + n] += whole * (dt * u);
                        by_drive += whole * B[n];
                    }
                    G[n] = decayed;
                }
                store(out.u + at * D + d, EXACT ? by_drive : dt * by_drive, count);
                store(out.dt + at * D + d, by_decay + u * (EXACT ? by_gain : by_drive), count);
            }
        }
        for (long k = 0; k < size * N; ++k) {
            out.B[(row * T + start) * N + k] = sum(gB[k]);
            out.C[(row * T + start) * N + k] = sum(gC[k]);
        }
    }
    for (long n = 0; n < N; ++n)
        for (long k = 0; k < blocks; ++k) {
            const long at = (row * N + n) * D + k * LANES;
            store(out.h0 + at, adjoint[k * N + n], D - k * LANES);
            store(out.A + at, gA[k * N + n], D - k * LANES);
        }
}

template <typename Work>
void each_row(long rows, long threads, Work work) {
    std::atomic<long> next{0};
    auto take = [&] {
        for (long row; (row = next++) < rows;) work(row);
    };
    std::vector<std::thread> helpers;
    for (long k = 1; k < threads && k < rows; ++k) helpers.emplace_back(take);
    take();
    for (auto& helper : helpers) helper.join();
}

} // namespace

extern "C" {

long wellposed_scan_step() { return STEP; }

void wellposed_scan_forward(const Given* in, const Sizes* z, int exact, int shared, long threads,
                            const float* h0, float* y, float* last, float* kept) {
    auto row = exact ? shared ? forward_row<true, true> : forward_row<true, false>
                     : shared ? forward_row<false, true> : forward_row<false, false>;
    each_row(z->rows, threads, [=](long number) { row(*in, *z, number, h0, y, last, kept); });
}

void wellposed_scan_backward(const Given* in, const Sizes* z, int exact, int shared, long threads,
                             const float* kept, const float* gy, const float* glast,
                             const Wanted* out) {
    auto row = exact ? shared ? backward_row<true, true> : backward_row<true, false>
                     : shared ? backward_row<false, true> : backward_row<false, false>;
    each_row(z->rows, threads, [=](long number) { row(*in, *z, number, kept, gy, glast, *out); });
}
}

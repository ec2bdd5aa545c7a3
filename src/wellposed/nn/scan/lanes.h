// Sixteen float32 numbers side by side, and the functions of them that scans take.

#pragma once

#include <cstdint>
#include <cstring>

namespace {

constexpr int LANES = 16;

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

inline Vec all(float x) { return x - Vec{}; }

inline Vec load(const float* from, long count) {
    Vec v{};
    if (count >= LANES) std::memcpy(&v, from, sizeof v);
    else std::memcpy(&v, from, sizeof(float) * count);
    return v;
}

inline void store(float* to, Vec v, long count) {
    if (count >= LANES) std::memcpy(to, &v, sizeof v);
    else std::memcpy(to, &v, sizeof(float) * count);
}

inline float sum(Vec v) {
    float total = 0;
    for (int k = 0; k < LANES; ++k) total += v[k];
    return total;
}

inline Vec power_of_two(Ints n) {
    Ints bits = (n + 127) << 23;
    Vec v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}

// exp(x) = (1 + less) * first * second: x = n ln 2 + r, Taylor in r for less = exp(r) - 1. Outside
// -104 to 89.5 float32 holds zero and infinity, as here.
struct Powers {
    Vec less, first, second;
};

inline Powers powers(Vec x) {
    const Vec low = all(-104.0f), high = all(89.5f);
    x = x < low ? low : x;
    x = x > high ? high : x;
    const float round = 12582912.0f; // 1.5 * 2^23: adding it leaves an integer
    Vec n = (x * 1.44269504f + round) - round;
    Vec r = (x - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
    Vec p = all(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r;
    Ints whole = __builtin_convertvector(n, Ints);
    Ints half = whole >> 1;
    return {p, power_of_two(half), power_of_two(whole - half)};
}

// exp(x) - 1 to the rounding of float32, relative at zero.
inline Vec expm1(Vec x) {
    const Powers e = powers(x);
    return e.first * e.less * e.second + (e.first * e.second - 1.0f);
}

inline Vec exp(Vec x) {
    const Powers e = powers(x);
    return (e.first + e.first * e.less) * e.second;
}

// log(1 + y) for y from 0 to 1, relative at zero: 2 atanh(s) with s = y / (2 + y) up to a third.
inline Vec log1p(Vec y) {
    const Vec s = y / (y + 2.0f), square = s * s;
    Vec p = all(1.0f / 15);
    p = p * square + 1.0f / 13;
    p = p * square + 1.0f / 11;
    p = p * square + 1.0f / 9;
    p = p * square + 1.0f / 7;
    p = p * square + 1.0f / 5;
    p = p * square + 1.0f / 3;
    return s * 2.0f + s * 2.0f * square * p;
}

inline Vec softplus(Vec x) {
    const Vec size = x < all(0.0f) ? -x : x;
    return (x > all(0.0f) ? x : all(0.0f)) + log1p(exp(-size));
}

inline Vec silu(Vec x) { return x / (exp(-x) + 1.0f); }

} // namespace

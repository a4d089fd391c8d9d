// One register of numbers, in the compiler's own vector types, and the functions that a cell's formula needs.
//
// The width is that of the instruction set which the file is compiled for. Everything that depends on it
// lives in the namespace ELMAN_ISA, so that the linker never merges two of its versions.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace elman::ELMAN_ISA {

#if defined(__AVX512F__)
constexpr int WIDTH = 64;        // bytes in a register
constexpr int ACCUMULATORS = 24; // registers that a product's tile may hold, of 32
#elif defined(__AVX2__)
constexpr int WIDTH = 32;
constexpr int ACCUMULATORS = 12; // of 16
#elif defined(__aarch64__)
constexpr int WIDTH = 16;
constexpr int ACCUMULATORS = 24;
#else
constexpr int WIDTH = 16;
constexpr int ACCUMULATORS = 12;
#endif

template <class T> constexpr int LANES = WIDTH / sizeof(T);

template <class T> struct Register {
    typedef T type __attribute__((vector_size(WIDTH)));
    typedef T loose __attribute__((vector_size(WIDTH), aligned(alignof(T)), may_alias));
};
template <class T> using Vec = typename Register<T>::type;

template <class T> inline Vec<T> load(const T* p) { return *(const typename Register<T>::loose*)p; }
template <class T> inline void store(T* p, Vec<T> v) { *(typename Register<T>::loose*)p = v; }
// Minus zero changes no number, not even -0, and so costs no instruction; plus zero would.
template <class T> inline Vec<T> broadcast(T x) { return x - Vec<T>{}; }

// The first n lanes; the others are zero and no memory is touched for them.
template <class T> inline Vec<T> load(const T* p, long n) {
    if (n >= LANES<T>) return load(p);
    Vec<T> v{};
    std::memcpy(&v, p, n * sizeof(T));
    return v;
}
template <class T> inline void store(T* p, Vec<T> v, long n) {
    if (n >= LANES<T>) return store(p, v);
    std::memcpy(p, &v, n * sizeof(T));
}

// All lanes together, added in pairs.
template <class T> inline T total(Vec<T> v) {
    for (int half = LANES<T> / 2; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
}

// x, but at most or at least that much; a NaN stays one. One instruction, which compilers do not make of a
// comparison, since it may tell another zero. (Masked, for GCC 12 warns of the plain ones.)
inline Vec<float> at_most(Vec<float> x, float limit) {
    const Vec<float> most = broadcast(limit);
#if defined(__AVX512F__)
    return (Vec<float>)_mm512_maskz_min_ps(-1, (__m512)most, (__m512)x);
#elif defined(__AVX2__)
    return (Vec<float>)_mm256_min_ps((__m256)most, (__m256)x);
#elif defined(__SSE2__)
    return (Vec<float>)_mm_min_ps((__m128)most, (__m128)x);
#else
    return x > most ? most : x;
#endif
}
inline Vec<float> at_least(Vec<float> x, float limit) {
    const Vec<float> least = broadcast(limit);
#if defined(__AVX512F__)
    return (Vec<float>)_mm512_maskz_max_ps(-1, (__m512)least, (__m512)x);
#elif defined(__AVX2__)
    return (Vec<float>)_mm256_max_ps((__m256)least, (__m256)x);
#elif defined(__SSE2__)
    return (Vec<float>)_mm_max_ps((__m128)least, (__m128)x);
#else
    return x < least ? least : x;
#endif
}

// e^x to 4e-7 of its value from -87 to 88, to 2e-7 from -20 to 20; above that infinity, below it e^-87.
inline Vec<float> exp(Vec<float> x) {
    typedef int32_t Int __attribute__((vector_size(WIDTH)));
    x = at_least(at_most(x, 89.0f), -87.0f);
    // Adding 1.5 * 2^23 leaves no bits behind the point: what comes back is x / ln 2, rounded.
    Vec<float> shifted = x * 1.44269504f + 12582912.0f;
    Vec<float> n = shifted - 12582912.0f;
    Vec<float> r = x - n * 0.693147182f; // ln 2 to 2e-9, by the luck of its digits
    Vec<float> p = r * 8.3125252e-3f + 4.1890115e-2f;
    p = p * r + 1.6667114e-1f;
    p = p * r + 4.9999231e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    // The low bits of `shifted` are n itself; a NaN stays one in p, whatever its bits make of the power.
    Int power = ((Int)shifted << 23) + 0x3f800000;
    return p * (Vec<float>)power;
}

inline Vec<float> sigmoid(Vec<float> x) { return 1.0f / (1.0f + exp(-x)); }

// A rational function of degree 13 over 6; within 3e-7 of the value everywhere.
inline Vec<float> tanh(Vec<float> x) {
    x = at_least(at_most(x, 7.90531111f), -7.90531111f);
    Vec<float> s = x * x;
    Vec<float> p = s * -2.76076847e-16f + 2.00018790e-13f;
    p = p * s + -8.60467152e-11f;
    p = p * s + 5.12229709e-8f;
    p = p * s + 1.48572235e-5f;
    p = p * s + 6.37261928e-4f;
    p = p * s + 4.89352455e-3f;
    Vec<float> q = s * 1.19825839e-6f + 1.18534705e-4f;
    q = q * s + 2.26843463e-3f;
    q = q * s + 4.89352518e-3f;
    return x * p / q;
}

// Double precision is there for checking: exactness before speed.
template <class F> inline Vec<double> each(Vec<double> x, F f) {
    for (int i = 0; i < LANES<double>; i++) x[i] = f(x[i]);
    return x;
}
inline Vec<double> sigmoid(Vec<double> x) {
    return each(x, [](double v) { return 1.0 / (1.0 + std::exp(-v)); });
}
inline Vec<double> tanh(Vec<double> x) {
    return each(x, [](double v) { return std::tanh(v); });
}

template <class V> inline V relu(V x) { return x < V{} ? V{} : x; }

} // namespace elman::ELMAN_ISA

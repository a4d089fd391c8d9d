// One register of numbers, in the compiler's own vector types, and the functions that a cell's formula needs.
//
// The width is that of the instruction set which the file is compiled for. Everything that depends on it
// lives in the namespace ELMAN_ISA, so that the linker never merges two of its versions.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

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
    typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Integer;
    typedef T type __attribute__((vector_size(WIDTH)));
    typedef T loose __attribute__((vector_size(WIDTH), aligned(alignof(T)), may_alias));
    typedef Integer bits __attribute__((vector_size(WIDTH)));
};
template <class T> using Vec = typename Register<T>::type;
template <class V> using NumberOf = std::decay_t<decltype(std::declval<V>()[0])>;
template <class V> using Bits = typename Register<NumberOf<V>>::bits;

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

// The first n lanes of v; the others are zero, whatever v has there.
template <class V> inline V first_lanes(V v, long n) {
    constexpr int L = LANES<NumberOf<V>>;
    if (n >= L) return v;
    Bits<V> lane;
    for (int i = 0; i < L; i++) lane[i] = i;
    return lane < typename Register<NumberOf<V>>::Integer(n) ? v : V{};
}

// All lanes together, added in pairs.
template <class T> inline T total(Vec<T> v) {
    for (int half = LANES<T> / 2; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
}

// x, but at least that much; a NaN stays one. One instruction, which compilers do not make of a comparison,
// since it may tell another zero. (Masked, for GCC 12 warns of the plain ones.)
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

template <class V> constexpr typename Register<NumberOf<V>>::Integer SIGN =
    sizeof(NumberOf<V>) == 4 ? INT32_MIN : INT64_MIN;
template <class V> inline V magnitude(V x) { return (V)((Bits<V>)x & ~SIGN<V>); }
template <class V> inline V with_sign_of(V x, V magnitude) {
    return (V)((Bits<V>)magnitude | ((Bits<V>)x & SIGN<V>));
}

constexpr float NORMAL = -87.3365f; // e to that is the least normal number, and what is less is zero here

// e^x - 1 = scale * part + (scale - 1), for x from NORMAL to 0; to 2e-7 of its value.
struct Power {
    Vec<float> scale, part;

    explicit Power(Vec<float> x) {
        // Adding 1.5 * 2^23 leaves no bits behind the point: what comes back is x / ln 2, rounded.
        const Vec<float> shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
#if defined(__FMA__) || defined(__aarch64__)
        const Vec<float> r = x - n * 0.693147182f; // ln 2 to 2e-9, by the luck of its digits
#else // a product is rounded, but not of numbers of so few digits
        const Vec<float> r = x - n * 0.693359375f + n * 2.12194440e-4f;
#endif
        Vec<float> p = r * 1.38825e-3f + 8.36652e-3f;
        p = p * r + 4.16672e-2f;
        p = p * r + 1.6666544e-1f;
        p = p * r + 0.49999998f;
        p = p * r + 1.0f;
        part = p * r;
        // The low bits of `shifted` are n itself; a NaN stays one in part, whatever its bits make of this.
        scale = (Vec<float>)(((Bits<Vec<float>>)shifted << 23) + 0x3f800000);
    }
};

// e^x for x up to 0.
inline Vec<float> decay(Vec<float> x) {
    const Power power(x);
    return x < NORMAL ? Vec<float>{} : power.scale * power.part + power.scale;
}

// Double precision is there for checking: exactness before speed.
template <class F> inline Vec<double> each(Vec<double> x, F f) {
    for (int i = 0; i < LANES<double>; i++) x[i] = f(x[i]);
    return x;
}
inline Vec<double> decay(Vec<double> x) {
    return each(x, [](double v) { return v < -708.39 ? 0.0 : std::exp(v); });
}

// A sigmoid, kept as whichever is less of s and 1 - s, so that neither loses its digits where the other is
// nearly one, and with them the derivative, s (1 - s). It is negative where it is 1 - s.
template <class V> struct Sigmoid {
    V kept;

    V value() const { return (Bits<V>)kept < 0 ? 1 + kept : kept; }
    V rest() const { return (Bits<V>)kept < 0 ? -kept : 1 - kept; } // 1 - s
    V slope() const { return magnitude(kept) * (1 - magnitude(kept)); }
};
template <class V> inline Sigmoid<V> sigmoid(V x) {
    const V e = decay(-magnitude(x));
    return {with_sign_of((V) ~(Bits<V>)x, e / (1 + e))};
}

// A hyperbolic tangent t, and 1 - |t| with digits of its own, for the derivative is made of these:
// 1 - t^2 = (1 - |t|) (2 - (1 - |t|)).
template <class V> struct Tanh {
    V value, rest;

    V slope() const { return rest * (2 - rest); }

    // Both in one number: below a half |t|, else what the rest is, times a power that leaves it all its
    // digits and puts it beyond.
    static constexpr NumberOf<V> BEYOND = sizeof(NumberOf<V>) == 4 ? 0x1p125 : 0x1p1021;
    V kept() const {
        const V t = magnitude(value);
        return with_sign_of(value, t < NumberOf<V>(0.5) ? t : rest * BEYOND + NumberOf<V>(0.5));
    }
    static Tanh of(V kept) {
        const V t = magnitude(kept);
        const V rest = t < NumberOf<V>(0.5) ? 1 - t : (t - NumberOf<V>(0.5)) * (1 / BEYOND);
        return {with_sign_of(kept, t < NumberOf<V>(0.5) ? t : 1 - rest), rest};
    }
};

// With e = e^-2|x|: |t| = (1 - e) / (1 + e), 1 - |t| = 2 e / (1 + e).
inline Tanh<Vec<float>> tanh(Vec<float> x) {
    const Vec<float> y = magnitude(x) * -2.0f;
    const Power power(at_least(y, NORMAL));
    const Vec<float> less = power.scale * power.part + (power.scale - 1.0f), share = 1.0f / (2.0f + less);
    const Vec<float> e = y < NORMAL ? Vec<float>{} : power.scale * power.part + power.scale;
    return {with_sign_of(x, magnitude(less * share)), 2.0f * e * share};
}
inline Tanh<Vec<double>> tanh(Vec<double> x) {
    const Vec<double> e = decay(magnitude(x) * -2.0);
    return {each(x, [](double v) { return std::tanh(v); }), 2.0 * e / (1.0 + e)};
}

template <class V> inline V relu(V x) { return x < V{} ? V{} : x; }

} // namespace elman::ELMAN_ISA

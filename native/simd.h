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

// Whether a comparison is true in any lane.
inline bool any(Bits<Vec<float>> truth) {
#if defined(__AVX512F__)
    return _mm512_movepi32_mask((__m512i)truth);
#elif defined(__AVX2__)
    return _mm256_movemask_ps((__m256)truth);
#elif defined(__SSE2__)
    return _mm_movemask_ps((__m128)truth);
#else
    int found = 0;
    for (int i = 0; i < LANES<float>; i++) found |= truth[i];
    return found;
#endif
}

template <class V> constexpr typename Register<NumberOf<V>>::Integer SIGN =
    sizeof(NumberOf<V>) == 4 ? INT32_MIN : INT64_MIN;
template <class V> inline V magnitude(V x) { return (V)((Bits<V>)x & ~SIGN<V>); }
template <class V> inline V with_sign_of(V x, V magnitude) {
    return (V)((Bits<V>)magnitude | ((Bits<V>)x & SIGN<V>));
}

constexpr float NORMAL = -87.3365f; // e to that is the least normal number, and what is less is zero here

// e^x = scale * part + scale, for x from NORMAL to 0; to 3e-7 of its value.
struct Power {
    typedef uint32_t Words __attribute__((vector_size(WIDTH)));
    Vec<float> scale, part;

    explicit Power(Vec<float> x) {
        // Adding 1.5 * 2^23 leaves no bits behind the point: what comes back is x / ln 2, rounded.
        const Vec<float> shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
#if defined(__FMA__) || defined(__aarch64__)
        const Vec<float> r = x - n * 0.693147182f; // ln 2 to 2e-9, by the luck of its digits
#else // a product is rounded, but not of numbers of so few digits
        const Vec<float> r = x - n * 0.693359375f + n * 2.12194440e-4f;
#endif
        const Vec<float> square = r * r,
                         low = r * 1.6666544e-1f + 0.49999998f; // in pairs, for it is waited for
        const Vec<float> high = square * 1.38825e-3f + (r * 8.36652e-3f + 4.16672e-2f);
        part = square * (square * high + low) + r;
        // The low bits of `shifted` are n itself; a NaN stays one in part, whatever its bits make of this.
        scale = (Vec<float>)(((Words)shifted << 23) + 0x3f800000u);
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
template <class V> struct Bent {
    V value, kept;
};
template <class V> inline Bent<V> sigmoid(V x) {
    const V e = decay(-magnitude(x)), share = 1 / (1 + e);
    return {((Bits<V>)x < 0 ? e : 1 + V{}) * share, with_sign_of((V) ~(Bits<V>)x, e * share)};
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
        constexpr NumberOf<V> half = 0.5;
        const V t = magnitude(kept),
                far = t < half ? 1 + V{} : t; // else a number too small to be fast, for nothing
        const V rest = t < half ? 1 - t : (far - half) * (1 / BEYOND);
        return {with_sign_of(kept, t < half ? t : 1 - rest), rest};
    }
};

// A rational function of degree 13 over 6, to 3e-7 of the value. From 2 on, where few numbers are, too little
// of 1 - |t| is left in it: there that is 2 e / (1 + e), with e = e^-2|x|.
inline Tanh<Vec<float>> tanh(Vec<float> x) {
    const Vec<float> c = at_least(at_most(x, 7.90531111f), -7.90531111f), s = c * c;
    Vec<float> p = s * -2.76076847e-16f + 2.00018790e-13f;
    p = p * s + -8.60467152e-11f;
    p = p * s + 5.12229709e-8f;
    p = p * s + 1.48572235e-5f;
    p = p * s + 6.37261928e-4f;
    p = p * s + 4.89352455e-3f;
    Vec<float> q = s * 1.19825839e-6f + 1.18534705e-4f;
    q = q * s + 2.26843463e-3f;
    q = q * s + 4.89352518e-3f;
    const Vec<float> m = magnitude(x), t = m > 9.0109f ? with_sign_of(x, broadcast(1.0f)) : c * p / q;
    Vec<float> rest = 1.0f - magnitude(t);
    if (any(m > 2.0f)) {
        const Vec<float> e = decay(m * -2.0f);
        rest = m > 2.0f ? 2.0f * e / (1.0f + e) : rest;
    }
    return {t, rest};
}
inline Tanh<Vec<double>> tanh(Vec<double> x) {
    const Vec<double> e = decay(magnitude(x) * -2.0);
    return {each(x, [](double v) { return std::tanh(v); }), 2.0 * e / (1.0 + e)};
}

template <class V> inline V relu(V x) { return x < V{} ? V{} : x; }

} // namespace elman::ELMAN_ISA

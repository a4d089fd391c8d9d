// Functions of a register that no built-in cell has.
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

// One lane after another.
template <class V, class F> inline V lanes(V x, F f) {
    for (int i = 0; i < LANES<NumberOf<V>>; i++) x[i] = f(x[i]);
    return x;
}

template <class V> inline V square_root(V x) {
    return lanes(x, [](auto v) { return std::sqrt(v); });
}

inline Vec<double> exponential(Vec<double> x) {
    return lanes(x, [](double v) { return std::exp(v); });
}
inline Vec<double> logarithm(Vec<double> x) {
    return lanes(x, [](double v) { return std::log(v); });
}
inline Vec<double> softplus(Vec<double> x) {
    return lanes(x, [](double v) { return (v < 0 ? 0.0 : v) + std::log1p(std::exp(-std::fabs(v))); });
}
inline Vec<double> sine(Vec<double> x) {
    return lanes(x, [](double v) { return std::sin(v); });
}
inline Vec<double> cosine(Vec<double> x) {
    return lanes(x, [](double v) { return std::cos(v); });
}

// e^x, to 3e-7 of its value; zero where that is less than the least normal number.
inline Vec<float> exponential(Vec<float> x) {
    // A power of two less, where it might be more than an exponent holds.
    const Vec<float> limited = at_least(at_most(x, 88.8f), -88.0f);
    const Power power(limited);
    const auto above = limited > 0.0f;
    const Vec<float> scale = (Vec<float>)((Power::Words)power.scale - ((Power::Words)above & 0x800000u));
    const Vec<float> value = (scale * power.part + scale) * (above ? broadcast(2.0f) : broadcast(1.0f));
    return x < NORMAL ? Vec<float>{} : x > 88.7228394f ? broadcast(INFINITY) : value;
}

// ln x, to 1e-7 of it or of 1 (the polynomial of Cephes).
inline Vec<float> logarithm(Vec<float> x) {
    typedef Bits<Vec<float>> Words;
    const auto small = x < 1.17549435e-38f;
    const Vec<float> normal = small ? x * 8388608.0f : x;
    const Words bits = (Words)normal;
    Words exponent = ((bits >> 23) & 0xff) - 126;
    Vec<float> m = (Vec<float>)((bits & 0x807fffff) | 0x3f000000); // from a half to 1
    const auto low = m < 0.707106781f;
    exponent += (Words)low;
    m = (low ? m + m : m) - 1.0f;
    Vec<float> e;
    for (int i = 0; i < LANES<float>; i++) e[i] = float(exponent[i]);
    e = small ? e - 23.0f : e;
    const Vec<float> z = m * m;
    Vec<float> y = m * 7.0376836292e-2f - 1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m - 1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m - 1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m - 2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    y = y * m * z + e * -2.12194440e-4f - z * 0.5f;
    const Vec<float> value = m + y + e * 0.693359375f;
    const Vec<float> none = broadcast(NAN), least = broadcast(-INFINITY);
    return x == 0.0f ? least : x < 0.0f ? none : x < INFINITY ? value : x; // infinity and NaN stay
}

inline Vec<float> softplus(Vec<float> x) {
    const Vec<float> e = decay(-magnitude(x)), sum = 1.0f + e, rest = sum - 1.0f;
    // What rounding took from the sum is given back as a share.
    const Vec<float> bent = rest == 0.0f ? e : logarithm(sum) * (e / (rest == 0.0f ? broadcast(1.0f) : rest));
    return relu(x) + bent;
}

// The sine of x, or of x + pi / 2; to 2e-7 up to 8192, and beyond by the C library.
inline Vec<float> turned(Vec<float> x, bool quarter) {
    typedef Bits<Vec<float>> Words;
    const Vec<float> m = magnitude(x);
    if (any((Words) ~(m < 8192.0f)))
        return quarter ? lanes(x, [](float v) { return std::cos(v); })
                       : lanes(x, [](float v) { return std::sin(v); });
    // The nearest multiple of pi / 2, and what is left.
    const Vec<float> shifted = x * 0.636619772f + 12582912.0f, n = shifted - 12582912.0f;
    const Vec<float> r = ((x - n * 1.5703125f) - n * 4.83751297e-4f) - n * 7.54978942e-8f;
    const Words place = (Words)shifted + (quarter ? 1 : 0);
    const Vec<float> z = r * r;
    Vec<float> s = z * -1.9515295891e-4f + 8.3321608736e-3f;
    s = (s * z - 1.6666654611e-1f) * z * r + r;
    Vec<float> c = z * 2.443315711809948e-5f - 1.388731625493765e-3f;
    c = (c * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
    const Vec<float> value = (place & 1) != 0 ? c : s;
    return (place & 2) != 0 ? -value : value;
}
inline Vec<float> sine(Vec<float> x) { return turned(x, false); }
inline Vec<float> cosine(Vec<float> x) { return turned(x, true); }

} // namespace elman::ELMAN_ISA

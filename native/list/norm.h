// Layer normalisation of one gate of one row (Ba et al. 2016), forward and backward.
#pragma once

#include "../tile.h"

namespace elman::ELMAN_ISA {

// All lanes together: the same additions as `total`, by registers.
template <class T> inline T sum_of_lanes(Vec<T> v) {
#pragma GCC unroll 4
    for (int lanes = LANES<T>; lanes > 1; lanes /= 2) v = pairs(v, v);
    return v[0];
}

// The registers of a row, and which lanes of the last one are units.
template <class T> struct Gate {
    static constexpr int L = LANES<T>;
    const long hidden, last = (hidden - 1) / L * L;

    // Adds f(at) of each register, without the lanes that are padding.
    template <class F> T sum(F f) const {
        Vec<T> sum{};
        for (long at = 0; at < last; at += L) sum += f(at);
        return sum_of_lanes<T>(sum + first_lanes(f(last), hidden - last));
    }

    // v -> (v - mean) / deviation, where it stands, and from it `to` = add + gain v. Returns 1 / deviation.
    T forward(T* v, const T* gain, const T* add, T* to) const {
        const T share = T(1) / T(hidden), mean = sum([&](long at) { return load(v + at); }) * share;
        const T variance = sum([&](long at) {
            const Vec<T> off = load(v + at) - mean;
            return off * off;
        });
        const T rest = 1 / std::sqrt(variance * share + T(1e-5));
        for (long at = 0; at <= last; at += L) {
            const Vec<T> normal = (load(v + at) - mean) * rest;
            store(v + at, normal);
            store(to + at, normal * load(gain + at) + load(add + at));
        }
        return rest;
    }

    // Of what forward left in v, and the gradient of its `to`: the gradient of what v was, in its place. That
    // of the gain is added to `sums`.
    void backward(T* v, T rest, const T* gain, const T* grad, T* sums) const {
        const T share = T(1) / T(hidden);
        const T mean = share * sum([&](long at) { return load(grad + at) * load(gain + at); });
        const T along =
            share * sum([&](long at) { return load(grad + at) * load(gain + at) * load(v + at); });
        for (long at = 0; at <= last; at += L) {
            const Vec<T> normal = load(v + at), d = load(grad + at);
            store(sums + at, load(sums + at) + d * normal);
            store(v + at, rest * (d * load(gain + at) - mean - normal * along));
        }
    }
};

} // namespace elman::ELMAN_ISA

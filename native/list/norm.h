// Layer normalisation of the gates of one row (Ba et al. 2016), forward and backward.
#pragma once

#include "../tile.h"

namespace elman::ELMAN_ISA {

constexpr int NORMED_AT_ONCE = 4; // gates, for a sum over units waits for itself

// Of each register all lanes together.
template <class T, int N> inline void sums_of_lanes(Vec<T> (&v)[N], T (&sums)[N]) {
    constexpr int L = LANES<T>;
    if constexpr (N == 4 && L >= 4) {
        Vec<T> all = pairs(pairs(v[0], v[1]), pairs(v[2], v[3]));
#pragma GCC unroll 4
        for (int lanes = L / 4; lanes > 1; lanes /= 2) all = pairs(all, all);
        // What is left of four registers of L / 4 sums each, after as many foldings, stands side by side.
        for (int i = 0; i < N; i++) sums[i] = all[i];
    } else {
        for (int i = 0; i < N; i++) {
            for (int lanes = L; lanes > 1; lanes /= 2) v[i] = pairs(v[i], v[i]);
            sums[i] = v[i][0];
        }
    }
}

// One gate of a row: what forward reads and leaves, and what backward does.
template <class T> struct NormedGate {
    T* v;          // what is normalised, where it stands
    const T* gain; // of each unit
    const T* add;  // forward: to which gain v is added
    T* to;         // forward: where that goes
    const T* grad; // backward: its gradient
    T* sums;       // backward: to which the gradient of the gain is added
    T rest = 0;    // 1 / deviation
};

template <class T> struct Normed {
    static constexpr int L = LANES<T>;
    const long hidden, last = (hidden - 1) / L * L;

    // v -> (v - mean) / deviation, and from it `to` = add + gain v.
    template <int N> void forward(NormedGate<T>* gates) const {
        const T share = T(1) / T(hidden);
        T mean[N], variance[N];
        Vec<T> sum[N] = {};
        over<N>([&](int i, long at, long left) { sum[i] += first_lanes(load(gates[i].v + at), left); });
        sums_of_lanes<T, N>(sum, mean);
        for (int i = 0; i < N; i++) mean[i] *= share, sum[i] = Vec<T>{};
        over<N>([&](int i, long at, long left) {
            const Vec<T> off = first_lanes(load(gates[i].v + at) - mean[i], left);
            sum[i] += off * off;
        });
        sums_of_lanes<T, N>(sum, variance);
        for (int i = 0; i < N; i++) {
            NormedGate<T>& g = gates[i];
            g.rest = 1 / std::sqrt(variance[i] * share + T(1e-5));
            for (long at = 0; at <= last; at += L) {
                const Vec<T> normal = (load(g.v + at) - mean[i]) * g.rest;
                store(g.v + at, normal);
                store(g.to + at, normal * load(g.gain + at) + load(g.add + at));
            }
        }
    }

    // The gradient of what v was before forward, in its place.
    template <int N> void backward(NormedGate<T>* gates) const {
        const T share = T(1) / T(hidden);
        Vec<T> plain[N] = {}, along[N] = {};
        T of_plain[N], of_along[N];
        over<N>([&](int i, long at, long left) {
            const Vec<T> d = first_lanes(load(gates[i].grad + at) * load(gates[i].gain + at), left);
            plain[i] += d;
            along[i] += d * load(gates[i].v + at);
        });
        sums_of_lanes<T, N>(plain, of_plain);
        sums_of_lanes<T, N>(along, of_along);
        for (int i = 0; i < N; i++) {
            const NormedGate<T>& g = gates[i];
            const T mean = of_plain[i] * share, slope = of_along[i] * share;
            for (long at = 0; at <= last; at += L) {
                const Vec<T> normal = load(g.v + at), d = load(g.grad + at);
                store(g.sums + at, load(g.sums + at) + d * normal);
                store(g.v + at, g.rest * (d * load(g.gain + at) - mean - normal * slope));
            }
        }
    }

  private:
    // f(gate, place, how many units from there on) of each register of each gate.
    template <int N, class F> void over(F f) const {
        for (long at = 0; at <= last; at += L)
#pragma GCC unroll 4
            for (int i = 0; i < N; i++) f(i, at, hidden - at);
    }
};

// All gates of a row, some at once. `gate(i)` tells of each, `done(i, gate)` takes it back.
template <bool BACK, class T, class F, class G> void normalise_gates(long hidden, long count, F gate,
                                                                     G done) {
    const Normed<T> normed{hidden};
    NormedGate<T> gates[NORMED_AT_ONCE];
    for (long i = 0; i < count;) {
        const int n = count - i >= NORMED_AT_ONCE ? NORMED_AT_ONCE : 1;
        for (int j = 0; j < n; j++) gates[j] = gate(i + j);
        if constexpr (BACK)
            n == 1 ? normed.template backward<1>(gates) : normed.template backward<NORMED_AT_ONCE>(gates);
        else
            n == 1 ? normed.template forward<1>(gates) : normed.template forward<NORMED_AT_ONCE>(gates);
        for (int j = 0; j < n; j++, i++) done(i, gates[j]);
    }
}

} // namespace elman::ELMAN_ISA

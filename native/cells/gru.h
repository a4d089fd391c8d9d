// The gated recurrent unit, reset after the recurrent product, as torch and cuDNN have it (Cho et al. 2014).
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

struct Gru {
    // Slots: n's input product, r, z, n's recurrent product, which r scales before it is added.
    static constexpr int GATES = 3, STATES = 1, APART = 1;
    static constexpr int X_GATE[3] = {2, 0, 1}; // slots 0 to 2 -> torch's gate: r, z, n
    static constexpr int U_GATE[3] = {0, 1, 2}; // slots 1 to 3

    template <class V> static void forward(V (&a)[4], const V (&before)[1], V (&after)[1]) {
        const auto r = sigmoid(a[1]), z = sigmoid(a[2]);
        const auto n = tanh(a[0] + r.value() * a[3]);
        after[0] = n.value + z.value() * (before[0] - n.value);
        a[0] = n.kept(), a[1] = r.kept, a[2] = z.kept;
    }

    template <class V>
    static void backward(V (&a)[4], const V (&before)[1], const V (&)[1], V (&grad)[1]) {
        const auto n = Tanh<V>::of(a[0]);
        const Sigmoid<V> r{a[1]}, z{a[2]};
        a[0] = grad[0] * z.rest() * n.slope();
        a[1] = a[0] * a[3] * r.slope();
        a[2] = grad[0] * (before[0] - n.value) * z.slope();
        a[3] = a[0] * r.value();
        grad[0] = grad[0] * z.value();
    }
};

} // namespace elman::ELMAN_ISA

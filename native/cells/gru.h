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
        a[1] = sigmoid(a[1]);
        a[2] = sigmoid(a[2]);
        a[0] = tanh(a[0] + a[1] * a[3]);
        after[0] = a[0] + a[2] * (before[0] - a[0]);
    }

    template <class V>
    static void backward(V (&a)[4], const V (&before)[1], const V (&)[1], V (&grad)[1]) {
        V n = a[0], r = a[1], z = a[2], un = a[3];
        a[0] = grad[0] * (1 - z) * (1 - n * n);
        a[1] = a[0] * un * (r * (1 - r));
        a[2] = grad[0] * (before[0] - n) * (z * (1 - z));
        a[3] = a[0] * r;
        grad[0] = grad[0] * z;
    }
};

} // namespace elman::ELMAN_ISA

// Written by scripts/cells.py (make cells) from elman/nn/cells/rnn.py.
// Source: Elman (1990), Finding structure in time.
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

struct Rnn {
    static constexpr int GATES = 1, STATES = 1, APART = 0;
    // The gate of torch's order that each slot has of W x, and of U h.
    static constexpr int X_GATE[1] = {0};
    static constexpr int U_GATE[1] = {0};

    template <class V> static void forward(V (&a)[1], const V (&)[1], V (&after)[1]) {
        const auto state = tanh(a[0]);
        after[0] = state.value;
        a[0] = state.slope();
    }

    template <class V> static void backward(V (&a)[1], const V (&)[1], const V (&)[1], V (&grad)[1]) {
        const V grad0 = grad[0];
        const V state = a[0];
        a[0] = grad0 * state;
        grad[0] = V{};
    }
};

} // namespace elman::ELMAN_ISA

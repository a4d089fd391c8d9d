// Written by scripts/cells.py (make cells) from elman/nn/cells/rnn.py.
// Source: Elman (1990), Finding structure in time.
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

struct RnnRelu {
    static constexpr int GATES = 1, STATES = 1, APART = 0;
    // The gate of torch's order that each slot has of W x, and of U h.
    static constexpr int X_GATE[1] = {0};
    static constexpr int U_GATE[1] = {0};

    template <class V> static void forward(V (&a)[1], const V (&)[1], V (&after)[1]) {
        after[0] = relu(a[0]);
    }

    template <class V> static void backward(V (&a)[1], const V (&)[1], const V (&)[1], V (&grad)[1]) {
        const V a0 = a[0];
        const V grad0 = grad[0];
        grad[0] = V{};
        a[0] = (V{} >= a0) ? V{} : grad0;
    }
};

} // namespace elman::ELMAN_ISA

// Written by scripts/cells.py (make cells) from elman/nn/cells/lstm.py.
// Source: Hochreiter and Schmidhuber (1997); the forget gate: Gers et al. (2000).
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

struct Lstm {
    static constexpr int GATES = 4, STATES = 2, APART = 0;
    // The gate of torch's order that each slot has of W x, and of U h.
    static constexpr int X_GATE[4] = {0, 1, 2, 3};
    static constexpr int U_GATE[4] = {0, 1, 2, 3};

    template <class V> static void forward(V (&a)[4], const V (&before)[2], V (&after)[2]) {
        const auto forget = sigmoid(a[1]);
        const auto input = sigmoid(a[0]);
        const auto cell = tanh(a[2]);
        after[1] = before[1] * forget.value + input.value * cell.value;
        const auto output = sigmoid(a[3]);
        const auto tanh13 = tanh(after[1]);
        after[0] = output.value * tanh13.value;
        a[1] = forget.kept;
        a[0] = input.kept;
        a[2] = cell.kept();
        a[3] = output.kept;
    }

    template <class V> static void backward(V (&a)[4], const V (&before)[2], const V (&after)[2],
                                            V (&grad)[2]) {
        const V grad0 = grad[0];
        const V grad1 = grad[1];
        const Sigmoid<V> forget{a[1]};
        const Sigmoid<V> input{a[0]};
        const auto cell = Tanh<V>::of(a[2]);
        const Sigmoid<V> output{a[3]};
        const auto tanh16 = tanh(after[1]);
        const V v26 = grad1 + output.value() * grad0 * tanh16.slope();
        a[3] = tanh16.value * grad0 * output.slope();
        a[2] = input.value() * v26 * cell.slope();
        a[0] = cell.value * v26 * input.slope();
        grad[1] = forget.value() * v26;
        a[1] = before[1] * v26 * forget.slope();
        grad[0] = V{};
    }
};

} // namespace elman::ELMAN_ISA

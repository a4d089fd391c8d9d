// Written by scripts/cells.py (make cells) from elman/nn/cells/gru.py.
// Source: Cho et al. (2014).
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

struct Gru {
    static constexpr int GATES = 3, STATES = 1, APART = 1;
    // The gate of torch's order that each slot has of W x, and of U h.
    static constexpr int X_GATE[3] = {2, 0, 1};
    static constexpr int U_GATE[3] = {0, 1, 2};

    template <class V> static void forward(V (&a)[4], const V (&before)[1], V (&after)[1]) {
        const auto reset = sigmoid(a[1]);
        const auto proposal = tanh(a[0] + a[3] * reset.value);
        const auto update = sigmoid(a[2]);
        after[0] = proposal.value + update.value * (before[0] - proposal.value);
        a[1] = reset.kept;
        a[0] = proposal.kept();
        a[2] = update.kept;
    }

    template <class V> static void backward(V (&a)[4], const V (&before)[1], const V (&)[1], V (&grad)[1]) {
        const V a3 = a[3];
        const V grad0 = grad[0];
        const Sigmoid<V> reset{a[1]};
        const auto proposal = Tanh<V>::of(a[0]);
        const Sigmoid<V> update{a[2]};
        grad[0] = update.value() * grad0;
        a[2] = (before[0] - proposal.value) * grad0 * update.slope();
        a[0] = grad0 * update.rest() * proposal.slope();
        a[3] = reset.value() * a[0];
        a[1] = a3 * a[0] * reset.slope();
    }
};

} // namespace elman::ELMAN_ISA

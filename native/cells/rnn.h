// The simple recurrent network (Elman 1990).
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

template <bool RELU> struct Rnn {
    static constexpr int GATES = 1, STATES = 1, APART = 0;
    static constexpr int X_GATE[1] = {0};
    static constexpr int U_GATE[1] = {0};

    template <class V> static void forward(V (&a)[1], const V (&)[1], V (&after)[1]) {
        if constexpr (RELU) {
            after[0] = relu(a[0]);
        } else {
            const auto h = tanh(a[0]);
            after[0] = h.value;
            a[0] = h.slope();
        }
    }

    template <class V>
    static void backward(V (&a)[1], const V (&)[1], const V (&after)[1], V (&grad)[1]) {
        a[0] = RELU ? (after[0] <= V{} ? V{} : grad[0]) : grad[0] * a[0]; // a NaN passes it, as in torch
        grad[0] = V{};
    }
};

} // namespace elman::ELMAN_ISA

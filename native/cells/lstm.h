// Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

struct Lstm {
    static constexpr int GATES = 4, STATES = 2, APART = 0;
    static constexpr int X_GATE[4] = {0, 1, 2, 3}; // slot -> torch's gate: i, f, g, o
    static constexpr int U_GATE[4] = {0, 1, 2, 3};

    template <class V> static void forward(V (&a)[4], const V (&before)[2], V (&after)[2]) {
        const auto i = sigmoid(a[0]), f = sigmoid(a[1]), o = sigmoid(a[3]);
        const auto g = tanh(a[2]);
        after[1] = f.value() * before[1] + i.value() * g.value;
        after[0] = o.value() * tanh(after[1]).value;
        a[0] = i.kept, a[1] = f.kept, a[2] = g.kept(), a[3] = o.kept;
    }

    template <class V>
    static void backward(V (&a)[4], const V (&before)[2], const V (&after)[2], V (&grad)[2]) {
        const Sigmoid<V> i{a[0]}, f{a[1]}, o{a[3]};
        const auto g = Tanh<V>::of(a[2]), bent = tanh(after[1]);
        const V d_cell = grad[0] * o.value() * bent.slope() + grad[1];
        a[0] = d_cell * g.value * i.slope();
        a[1] = d_cell * before[1] * f.slope();
        a[2] = d_cell * i.value() * g.slope();
        a[3] = grad[0] * bent.value * o.slope();
        grad[0] = V{};
        grad[1] = d_cell * f.value();
    }
};

} // namespace elman::ELMAN_ISA

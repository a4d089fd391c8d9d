// Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).
#pragma once

#include "../simd.h"

namespace elman::ELMAN_ISA {

struct Lstm {
    static constexpr int GATES = 4, STATES = 2, APART = 0;
    static constexpr int X_GATE[4] = {0, 1, 2, 3}; // slot -> torch's gate: i, f, g, o
    static constexpr int U_GATE[4] = {0, 1, 2, 3};

    template <class V> static void forward(V (&a)[4], const V (&before)[2], V (&after)[2]) {
        a[0] = sigmoid(a[0]);
        a[1] = sigmoid(a[1]);
        a[2] = tanh(a[2]);
        a[3] = sigmoid(a[3]);
        after[1] = a[1] * before[1] + a[0] * a[2];
        after[0] = a[3] * tanh(after[1]);
    }

    template <class V>
    static void backward(V (&a)[4], const V (&before)[2], const V (&after)[2], V (&grad)[2]) {
        V i = a[0], f = a[1], g = a[2], o = a[3], bent = tanh(after[1]);
        V d_cell = grad[0] * o * (1 - bent * bent) + grad[1];
        a[0] = d_cell * g * (i * (1 - i));
        a[1] = d_cell * before[1] * (f * (1 - f));
        a[2] = d_cell * i * (1 - g * g);
        a[3] = grad[0] * bent * (o * (1 - o));
        grad[0] = V{};
        grad[1] = d_cell * f;
    }
};

} // namespace elman::ELMAN_ISA

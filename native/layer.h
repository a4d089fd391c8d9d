// How a layer's weights and gates lie in memory, for one cell and one type of number.
//
// A row of gates holds, for each register of units, its slots one after another; a slot is one gate's
// product, or, where a cell wants a gate's two products apart, one of the two. The input's product fills
// slots 0 to GATES, the recurrent product slots APART to SLOTS; a slot of both is their sum.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>

#include "problem.h"
#include "threads.h"
#include "tile.h"

namespace elman::ELMAN_ISA {

// Memory for n numbers, on a cache line of its own, not filled.
template <class T> class Buffer {
  public:
    explicit Buffer(long n)
        : memory(static_cast<T*>(std::aligned_alloc(64, (n * sizeof(T) + 127) / 64 * 64))) {
        if (!memory) throw std::bad_alloc();
    }
    operator T*() const { return memory.get(); }

  private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> memory;
};

template <class T> constexpr int MOST_NARROW = LANES<T> / 4;

template <class T> constexpr long padded(long n) { // to whole cache lines
    constexpr long line = 64 / sizeof(T);
    return (n + line - 1) / line * line;
}

template <class T, class Cell> struct Layer {
    static constexpr int L = LANES<T>;
    static constexpr int GATES = Cell::GATES, APART = Cell::APART, SLOTS = GATES + APART;
    static_assert(GATES <= WIDEST, "a unit's gates are one panel");

    const long input, hidden;
    const long units; // hidden, padded
    const long
        row; // numbers in a row of gates: a line more than its slots, so that rows meet in no cache set
    const Panels panels; // of units, each with all its gates

    explicit Layer(const Problem& p)
        : input(p.input), hidden(p.hidden), units(padded<T>(hidden)),
          row(SLOTS * units + 64 / long(sizeof(T))), panels(units / L, SLOTS == 1 ? WIDEST : 1) {}

    // Where packed weights stand: the input's panels, the recurrent panels, one row of biases.
    long recurrent_at() const { return GATES * units * input; }
    long bias_at() const { return GATES * units * (input + hidden); }
    long packed_bias() const { return SLOTS * units; }
    long packed_size() const { return bias_at() + packed_bias(); }

    // So few inputs that a register of them would be padding for the most part.
    bool narrow() const { return input <= MOST_NARROW<T>; }

    // Packed for backward: panels of hidden units, panels of inputs; both have a row for each gate's unit.
    // Narrow inputs have a row each instead, which lies as the input's slots do in a row of gates.
    long back_inputs_at() const { return GATES * units * units; }
    long packed_back_size() const { return GATES * units * (units + (input + L - 1) / L * L); }

    // The slots that the two products meet in, as the left side of a product.
    Left<T> input_slots(const T* gates) const { return slots(gates); }
    Left<T> recurrent_slots(const T* gates) const { return slots(gates + APART * L); }

    // Numbers in a row of what forward keeps: gates, what enters the product if not the state, the states.
    long kept(bool entrance) const { return row + units * (entrance + Cell::STATES); }

    // Of a number of rows' products with x and with h.
    long multiplications(long rows) const { return rows * GATES * hidden * (input + hidden); }

    static int width(const Panels& panels, long panel) { return panels.width(panel) * GATES; }

  private:
    Left<T> slots(const T* gates) const {
        if (APART == 0) return {gates, row, 1, SLOTS * units};
        return {gates, row, 1, GATES * L, units / L, SLOTS * L};
    }
};

// w [gates * hidden, k] -> panels of units, for each k its gates, for each gate a register of units.
template <class T, class Cell>
void pack_panel(const Layer<T, Cell>& layer, long panel, const T* w, long k, const int (&gate)[Cell::GATES],
                T* to) {
    constexpr int L = LANES<T>, GATES = Cell::GATES;
    constexpr long STRETCH =
        64 / sizeof(T); // of k at a time, so that reads and writes stay in the first cache
    const long first = layer.panels.first(panel);
    const int width = layer.width(layer.panels, panel);
    to += first * GATES * L * k;
    for (long begin = 0; begin < k; begin += STRETCH) {
        const long end = begin + STRETCH < k ? begin + STRETCH : k;
        for (int c = 0; c < width; c++)
            for (int lane = 0; lane < L; lane++) {
                const long unit = (first + c / GATES) * L + lane;
                const T* from = w + (gate[c % GATES] * layer.hidden + unit) * k;
                T* column = to + c * L + lane;
                for (long i = begin; i < end; i++)
                    column[i * width * L] = unit < layer.hidden ? from[i] : T(0);
            }
    }
}

template <class T, class Cell> void pack_bias(const Layer<T, Cell>& layer, const T* b_ih, const T* b_hh,
                                              T* to) {
    constexpr int L = LANES<T>, SLOTS = Layer<T, Cell>::SLOTS;
    for (long unit = 0; unit < layer.units; unit += L)
        for (int slot = 0; slot < SLOTS; slot++, to += L) {
            const long there = layer.hidden - unit;
            Vec<T> bias{};
            if (there > 0 && b_ih && slot < Cell::GATES)
                bias += load(b_ih + Cell::X_GATE[slot] * layer.hidden + unit, there);
            if (there > 0 && b_hh && slot >= Cell::APART)
                bias += load(b_hh + Cell::U_GATE[slot - Cell::APART] * layer.hidden + unit, there);
            store(to, bias);
        }
}

template <class T, class Cell> void pack(const Problem& p, T* to) {
    const Layer<T, Cell> layer(p);
    const Matrices& m = p.weights;
    auto body = [&](Member& member) {
        member.share(layer.panels.count, [&](long panel) {
            pack_panel(layer, panel, (const T*)m.w_ih, layer.input, Cell::X_GATE, to);
            pack_panel(layer, panel, (const T*)m.w_hh, layer.hidden, Cell::U_GATE, to + layer.recurrent_at());
        });
    };
    run_team(layer.packed_size() > 100000 ? p.threads : 1, body);
    pack_bias(layer, (const T*)m.b_ih, (const T*)m.b_hh, to + layer.bias_at());
}

// One panel of the columns of w [gates * hidden, columns], with a row for each number of a row of gates'
// slots.
template <class T, class Cell>
void pack_back_panel(const Layer<T, Cell>& layer, const Panels& panels, long panel, const T* w, long columns,
                     const int (&gate)[Cell::GATES], T* to) {
    constexpr int L = LANES<T>;
    const long first = panels.first(panel), width = panels.width(panel) * L;
    to += first * L * Cell::GATES * layer.units;
    for (long group = 0; group < layer.units / L; group++)
        for (int slot = 0; slot < Cell::GATES; slot++)
            for (int lane = 0; lane < L; lane++, to += width) {
                const long unit = group * L + lane;
                const T* from = w + (gate[slot] * layer.hidden + unit) * columns + first * L;
                for (long c = 0; c < width; c += L) {
                    const long left = unit < layer.hidden ? columns - first * L - c : 0;
                    store(to + c, left > 0 ? load(from + c, left) : Vec<T>{});
                }
            }
}

template <class T, class Cell> void pack_narrow(const Layer<T, Cell>& layer, const T* w, T* to) {
    constexpr int L = LANES<T>;
    for (long i = 0; i < layer.input; i++)
        for (long unit = 0; unit < layer.units; unit++)
            for (int slot = 0; slot < Cell::GATES; slot++) {
                const long row = Cell::X_GATE[slot] * layer.hidden + unit;
                to[((i * layer.units / L + unit / L) * Cell::GATES + slot) * L + unit % L] =
                    unit < layer.hidden ? w[row * layer.input + i] : T(0);
            }
}

template <class T, class Cell> void pack_back(const Problem& p, T* to) {
    const Layer<T, Cell> layer(p);
    const Matrices& m = p.weights;
    const Panels units(layer.units / LANES<T>), inputs((layer.input + LANES<T> - 1) / LANES<T>);
    auto body = [&](Member& member) {
        member.share(units.count + (layer.narrow() ? 1 : inputs.count), [&](long i) {
            if (i >= units.count && layer.narrow())
                pack_narrow(layer, (const T*)m.w_ih, to + layer.back_inputs_at());
            else if (i < units.count)
                pack_back_panel(layer, units, i, (const T*)m.w_hh, layer.hidden, Cell::U_GATE, to);
            else
                pack_back_panel(layer, inputs, i - units.count, (const T*)m.w_ih, layer.input, Cell::X_GATE,
                                to + layer.back_inputs_at());
        });
    };
    run_team(layer.packed_back_size() > 100000 ? p.threads : 1, body);
}

} // namespace elman::ELMAN_ISA

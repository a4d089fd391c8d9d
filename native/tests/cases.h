// The cases that the kernels are tried in: sizes and layouts, the numbers that go in, and those that come
// out.
#pragma once

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "../problem.h"

namespace {

using namespace elman;

constexpr CellKind CELLS[] = {CellKind::LSTM, CellKind::GRU, CellKind::RNN, CellKind::RNN_RELU};

long gates_of(CellKind cell) { return BUILT_IN[int(cell)].gates; }
long states_of(CellKind cell) { return BUILT_IN[int(cell)].states; }

struct Sizes {
    long steps, batch, input, hidden;
};

enum class Lengths { WHOLE, RAGGED, ZERO };

// How x and dy lie in memory: dense, or as a part of something larger.
enum class Layout { DENSE, BATCH_FIRST, WIDE_ROWS, STEPS_APART };

struct Case {
    CellKind cell;
    Sizes size;
    Lengths lengths = Lengths::WHOLE;
    bool reverse = false, bias = true;
    bool mask = false, reset = false;
    Layout layout = Layout::DENSE;
    long groups = 1;
};

// What a call may do without; a set of them has a bit for each.
enum Part { DX, DW_IH, DW_HH, DB_IH, DB_HH, D_HIDDEN, D_CELL, DY, DLAST_HIDDEN, DLAST_CELL, INITIAL, PARTS };
constexpr unsigned OUTPUTS = (1 << DY) - 1;
constexpr unsigned WEIGHTS = 1 << DW_IH | 1 << DW_HH | 1 << DB_IH | 1 << DB_HH;
constexpr unsigned INPUTS = (1 << PARTS) - 1 - OUTPUTS;

template <class T> using Array = std::vector<T>;
template <class T> Array<T> unwritten(long n) { return Array<T>(n, std::numeric_limits<T>::quiet_NaN()); }
constexpr int PADDING = 77; // stands beyond the lengths, and has to stay

template <class T> auto address(T& array) { return array.empty() ? nullptr : array.data(); }

// [T, B, n]; what lies between its rows is no number.
template <class T> struct Sequence {
    Sequence(const Case& c, long n) {
        const auto& [steps, batch, input, hidden] = c.size;
        const bool gap = c.layout != Layout::DENSE;
        start = gap;
        if (c.layout == Layout::BATCH_FIRST) {
            time = n + 1, entry = steps * time;
        } else {
            entry = c.layout == Layout::WIDE_ROWS ? n + 3 : n;
            time = batch * entry + (c.layout == Layout::STEPS_APART ? 5 : 0);
        }
        const bool any = steps && batch;
        numbers = unwritten<T>(any ? start + (steps - 1) * time + (batch - 1) * entry + n : 0);
    }
    T* at(long t, long b) { return numbers.data() + start + t * time + b * entry; }
    const void* data() const { return numbers.empty() ? nullptr : numbers.data() + start; }

    long start, time, entry;
    Array<T> numbers;
};

// What a case reads, the same for whoever computes it and however it lies. Beyond the lengths there are no
// numbers.
template <class T> struct Inputs {
    explicit Inputs(const Case& c) : x(c, c.size.input), dy(c, c.size.hidden), steps(c.size.steps) {
        const auto& [steps, batch, input, hidden] = c.size;
        const long gates = gates_of(c.cell);
        draw_lengths(c);
        for (auto& state : initial) draw(state, batch * hidden);
        for (auto& state : dlast) draw(state, batch * hidden);
        draw(w_ih, gates * hidden * input);
        draw(w_hh, gates * hidden * hidden);
        for (auto bias : {&b_ih, &b_hh}) draw(*bias, c.bias ? gates * hidden : 0);
        for (long b = 0; b < batch; b++)
            for (long t = 0; t < length(b); t++) {
                std::generate_n(x.at(t, b), input, [&] { return number(); });
                std::generate_n(dy.at(t, b), hidden, [&] { return number(); });
            }
        draw(mask, c.mask ? batch * hidden : 0);
        reset.resize(c.reset ? steps * batch : 0);
        for (auto& begins : reset) begins = generator() % 3 == 0;
    }

    long length(long b) const { return lengths.empty() ? steps : lengths[b]; }

    Sequence<T> x, dy;
    Array<T> initial[MOST_STATES], dlast[MOST_STATES], w_ih, w_hh, b_ih, b_hh, mask;
    Array<long> lengths;
    Array<unsigned char> reset; // of bool, which std::vector has no addresses of

  private:
    T number() { return T(std::uniform_real_distribution<double>(-0.5, 0.5)(generator)); }
    void draw(Array<T>& to, long n) {
        to.resize(n);
        for (T& value : to) value = number();
    }
    void draw_lengths(const Case& c) {
        if (c.lengths == Lengths::WHOLE) return;
        lengths.resize(c.size.batch);
        if (c.lengths == Lengths::ZERO) return;
        for (long b = 0; b < c.size.batch; b++) // one of them zero, one all steps
            lengths[b] = b == 1 ? 0 : b == 2 ? steps : long(generator() % (steps + 1));
    }

    const long steps;
    std::mt19937 generator{1234};
};

// What a case computes; empty where it is not wanted.
template <class T> struct Outputs {
    Array<T> y, last[MOST_STATES], dx, dw_ih, dw_hh, db_ih, db_hh, dinitial[MOST_STATES];

    Array<const Array<T>*> all() const {
        return {&y, &last[0], &last[1], &dx, &dw_ih, &dw_hh, &db_ih, &db_hh, &dinitial[0], &dinitial[1]};
    }
};

} // namespace

// Products of a group of units, from weights that are laid out, or, of so few rows that to lay them out would
// take longer, from weights as they lie.
#pragma once

#include "layer.h"

namespace elman::ELMAN_ISA {

// Columns of a product, panel by panel; `to(first, width)` tells where each panel goes. `packed`: the
// group's, or null.
template <class T, class F>
void multiply_group(const Columns& columns, long n, const Left<T>& left, const T* packed, const Matrix<T>& w,
                    bool chained, F to) {
    constexpr int L = LANES<T>;
    for (long panel = 0; panel < columns.panels(); panel++) {
        const long first = columns.first(panel), width = columns.first(panel + 1) - first;
        const auto put = to(first, width);
        if (packed) {
            product(int(width), n, left, packed, chained, put);
            packed += width * L * left.k;
            continue;
        }
        for (int c = 0; c < width; c++) {
            const long unit = columns.unit_of(first + c) * L, there = w.high - unit;
            const T* from = w.numbers + (w.gates[columns.gate(first + c)] * w.high + unit) * left.k;
            for (long r = 0; r < n; r++)
                put(r, c, there > 0 ? dots(from, there, left.data + r * left.row, left.k) : Vec<T>{});
        }
    }
}

// What gates, from `begin` on as many as `left` has runs, send back to up to `width` registers of columns
// from `column` on.
template <class T, class Put>
void send_straight(int width, long n, const Left<T>& left, const Matrix<T>& w, long begin, long column,
                   const Put& put) {
    constexpr int L = LANES<T>;
    for (long r = 0; r < n; r++) {
        Vec<T> sums[WIDEST] = {};
        for (long run = 0; run < left.runs; run++) {
            const T* a = left.data + r * left.row + run * left.pitch;
            const T* from = w.numbers + w.gates[begin + run] * w.high * w.deep + column;
            for (long unit = 0; unit < w.high; unit++, from += w.deep)
                for (int c = 0; c < width && column + c * L < w.deep; c++)
                    sums[c] += broadcast(a[unit]) * load(from + c * L, w.deep - column - c * L);
        }
        for (int c = 0; c < width; c++) put(r, c, sums[c]);
    }
}

} // namespace elman::ELMAN_ISA

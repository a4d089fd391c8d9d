// Products of small blocks: the one inner loop that all the time is spent in, and how its operands are laid
// out.
//
// A tile is ROWS x COLUMNS registers of a product C = A B. B is packed: a panel of up to four registers of
// columns, row after row of it, so that a tile reads it in one stream. A is read as it lies, one number for
// each row. Each number of C is one chain of additions over k in order, whatever the tile's shape, so that
// the way in which rows are shared out among tiles and threads changes no bit. The exception is a product of
// a single row, which would wait for its own additions: it has several chains, always the same ones.
#pragma once

#include "simd.h"

namespace elman::ELMAN_ISA {

constexpr int WIDEST = 4; // registers of columns in a panel

constexpr int rows_of(int columns) { // the tallest tile of that width
    int rows = ACCUMULATORS / columns;
    return rows < 6 ? rows : 6;
}

// The columns of a product in panels of nearly equal width; an even number of them, so that two threads share
// evenly.
struct Panels {
    long registers, count;

    explicit Panels(long registers, int widest = WIDEST)
        : registers(registers), count((registers + widest - 1) / widest) {
        if (count > 1 && count % 2 && count < registers) count++;
        if (count == 1 && registers > 1) count = 2;
    }
    long first(long panel) const { return panel * registers / count; }
    int width(long panel) const { return int(first(panel + 1) - first(panel)); }
};

// A of a product: number (r, k) stands at data[r * row + k * step], in `runs` stretches of k, `pitch` apart.
template <class T> struct Left {
    const T* data;
    long row, step;
    long k, runs = 1, pitch = 0;
};

template <int CHAINS, int ROWS, int COLUMNS, class T>
inline void accumulate(Vec<T> (&sum)[CHAINS][ROWS][COLUMNS], const T* a, long row, long step, long k,
                       const T*& b) {
    long whole = k - k % CHAINS;
    for (long i = 0; i < whole; i += CHAINS) {
#pragma GCC unroll 8
        for (int chain = 0; chain < CHAINS; chain++) {
            Vec<T> right[COLUMNS];
#pragma GCC unroll 4
            for (int c = 0; c < COLUMNS; c++) right[c] = load(b + c * LANES<T>);
#pragma GCC unroll 6
            for (int r = 0; r < ROWS; r++) {
                Vec<T> left = broadcast(a[r * row]);
#pragma GCC unroll 4
                for (int c = 0; c < COLUMNS; c++) sum[chain][r][c] += left * right[c];
            }
            b += COLUMNS * LANES<T>;
            a += step;
        }
    }
    for (long i = whole; i < k; i++, a += step, b += COLUMNS * LANES<T>)
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLUMNS; c++) sum[0][r][c] += broadcast(a[r * row]) * load(b + c * LANES<T>);
}

// Where a product goes: added to `add`, which may be the place itself, one pointer for each register of
// columns.
template <class T> struct Sum {
    T* to;
    long row;
    const T* add[WIDEST];
    long add_row[WIDEST];

    void operator()(long r, int c, Vec<T> sum) const {
        store(to + r * row + c * LANES<T>, sum + load(add[c] + r * add_row[c]));
    }
};

template <class T> Sum<T> onto(T* to, long row, const T* add, long add_row) {
    Sum<T> sum{to, row, {}, {}};
    for (int c = 0; c < WIDEST; c++) {
        sum.add[c] = add + c * LANES<T>;
        sum.add_row[c] = add_row;
    }
    return sum;
}

// Where a product goes: from a column of rows that stand anywhere, with no padding; a row that is null is
// left out.
template <class T> struct Scatter {
    T* const* rows;
    long column, columns;
    bool fresh; // there is nothing yet to add to

    void operator()(long r, int c, Vec<T> sum) const {
        const long at = column + c * LANES<T>, left = columns - at;
        if (!rows[r] || left <= 0) return;
        store(rows[r] + at, fresh ? sum : sum + load(rows[r] + at, left), left);
    }
};

// One tile, from row `first` of the product on.
template <int CHAINS, int ROWS, int COLUMNS, class T, class Put>
inline void tile(const Left<T>& left, const T* b, const Put& put, long first) {
    Vec<T> sum[CHAINS][ROWS][COLUMNS] = {};
    const T* a = left.data;
    for (long run = 0; run < left.runs; run++, a += left.pitch)
        accumulate<CHAINS, ROWS, COLUMNS, T>(sum, a, left.row, left.step, left.k, b);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
        for (int c = 0; c < COLUMNS; c++) {
            Vec<T> total = sum[0][r][c];
#pragma GCC unroll 8
            for (int chain = 1; chain < CHAINS; chain++) total += sum[chain][r][c];
            put(first + r, c, total);
        }
    }
}

// One panel of a product, in tiles of nearly equal height.
template <int COLUMNS, class T, class Put>
[[gnu::noinline]] void panel(long rows, Left<T> left, const T* b, bool chained, const Put& put) {
    constexpr int TALL = rows_of(COLUMNS);
    if (rows == 1 && chained) return tile<8 / COLUMNS, 1, COLUMNS>(left, b, put, 0);
    long tiles = (rows + TALL - 1) / TALL;
    for (long i = 0, done = 0; i < tiles; i++) {
        long height = (rows - done + tiles - i - 1) / (tiles - i);
        switch (height) {
        case 1: tile<1, 1, COLUMNS>(left, b, put, done); break;
        case 2: tile<1, 2, COLUMNS>(left, b, put, done); break;
        case 3: tile<1, 3, COLUMNS>(left, b, put, done); break;
        case 4:
            if constexpr (TALL >= 4) tile<1, 4, COLUMNS>(left, b, put, done);
            break;
        case 5:
            if constexpr (TALL >= 5) tile<1, 5, COLUMNS>(left, b, put, done);
            break;
        case 6:
            if constexpr (TALL >= 6) tile<1, 6, COLUMNS>(left, b, put, done);
            break;
        }
        left.data += height * left.row;
        done += height;
    }
}

// a0 + a1, a2 + a3, ..., b0 + b1, ...
#ifdef __clang__
template <class V, int... I> inline V every_second(V a, V b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I)...) + __builtin_shufflevector(a, b, (2 * I + 1)...);
}
#endif
template <class V> inline V pairs(V a, V b) {
    constexpr int L = LANES<NumberOf<V>>;
#ifdef __clang__
    return every_second(a, b, std::make_integer_sequence<int, L>());
#else
    Bits<V> even;
    for (int i = 0; i < L; i++) even[i] = 2 * i;
    return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, even + 1);
#endif
}

// The products of `a` with n rows of w, up to a register of them, k numbers each and one row after another.
template <class T> inline Vec<T> dots(const T* w, long n, const T* a, long k) {
    constexpr int L = LANES<T>;
    const T* rows[L];
    for (int i = 0; i < L; i++) rows[i] = w + (i < n ? i : 0) * k;
    Vec<T> sums[L] = {};
    long at = 0;
    for (; at + L <= k; at += L) {
        const Vec<T> right = load(a + at);
#pragma GCC unroll 16
        for (int i = 0; i < L; i++) sums[i] += load(rows[i] + at) * right;
    }
    if (at < k) {
        const Vec<T> right = load(a + at, k - at);
        for (int i = 0; i < L; i++) sums[i] += load(rows[i] + at, k - at) * right;
    }
#pragma GCC unroll 4
    for (int left = L / 2; left; left /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < left; i++) sums[i] = pairs(sums[2 * i], sums[2 * i + 1]);
    return first_lanes(sums[0], n);
}

// `rows` rows of a product, for one panel of B, that many registers wide; `chained` as said above, of a
// single row.
template <class T, class Put>
inline void product(int columns, long rows, const Left<T>& left, const T* b, bool chained, const Put& put) {
    switch (columns) {
    case 1: return panel<1>(rows, left, b, chained, put);
    case 2: return panel<2>(rows, left, b, chained, put);
    case 3: return panel<3>(rows, left, b, chained, put);
    case 4: return panel<4>(rows, left, b, chained, put);
    }
}

} // namespace elman::ELMAN_ISA

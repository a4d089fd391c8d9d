// One call: the sizes and the memory of one layer in one direction, as the module hands it to the kernels.
#pragma once

#include <cstdint>

#include "cells/kinds.h"

namespace elman {

static_assert(sizeof(long) == 8, "sizes and strides are counted in 64 bits");

enum class Number { FLOAT, DOUBLE };

// The weights as torch lays them out.
struct Matrices {
    const void* w_ih; // [G * H, I] dense
    const void* w_hh; // [G * H, H] dense
    const void* b_ih; // [G * H]; null: zero
    const void* b_hh;
};

// Shapes: T steps, B batch, I input, H hidden; G gates. Strides in numbers; the last dimension of every array
// is dense. An array that is null is not there, or not wanted.
struct Problem {
    CellKind cell;
    Number number;
    long steps, batch, input, hidden;
    long threads;        // at most
    long groups;         // of rows that run through time on their own: 1, or as many as threads
    bool reverse;        // each sequence from its own end to its start
    const long* lengths; // [B], each from 0 to T; null: all are T

    const void* x; // [T, B, I]
    long x_time, x_batch;
    const void* initial[MOST_STATES]; // [B, H] dense; null: zero
    const void* mask;  // [B, H] dense, times the hidden state where it enters the product; null: one
    const bool* reset; // [T, B] dense, true where the state that enters is zero; null: nowhere
    Matrices weights;
    const void* packed;      // what pack() made of them; null: they are read as they lie
    const void* packed_back; // what pack_back() made of them, or null

    void* y;                 // [T, B, H] dense; zero beyond each length already
    void* last[MOST_STATES]; // [B, H] dense; where T is 1, the first may be y

    // What forward keeps for backward; in inference all of it is null.
    void* gates;               // [rows, gates_row()]; backward writes gradients over it
    void* states[MOST_STATES]; // [rows, padded H]; apart from y, which is the caller's to change

    void* entered; // [rows, padded H], what entered each product; null without mask and reset

    const void* dy; // [T, B, H]; null: zero
    long dy_time, dy_batch;
    const void* dlast[MOST_STATES]; // [B, H] dense; null: zero
    void* dx;                       // [T, B, I] dense; zero beyond each length already
    void* dinitial[MOST_STATES];    // [B, H] dense
    void* dw_ih;                    // [G * H, I]
    void* dw_hh;                    // [G * H, H]
    void* db_ih;                    // [G * H]
    void* db_hh;                    // [G * H]
};

// The kernels as compiled for one instruction set. Sizes are in numbers.
struct Kernels {
    const char* name;
    long (*packed_size)(const Problem&);
    long (*packed_back_size)(const Problem&);
    long (*gates_row)(const Problem&); // numbers in a row of gates
    long (*padded)(const Problem&);    // H, padded
    void (*pack)(const Problem&, void* to);
    void (*pack_back)(const Problem&, void* to);
    void (*forward)(const Problem&);
    void (*backward)(const Problem&);
    uint64_t (*digest)(const Problem&); // of its weights
};

} // namespace elman

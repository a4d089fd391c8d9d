// One call of a list of operations: what problem.h says of a cell, for up to four states, and what stands
// around a list: layer normalisation of the products, a projection, numbers that come with each step.
#pragma once

#include "../problem.h"
#include "program.h"

namespace elman {

// A gradient of a state at all steps; null: zero.
struct Sequence {
    const void* numbers; // [T, B, H]
    long time, batch;    // numbers from a step to the next, from an entry to the next
};

// Where a hidden state is projected, read P for H in what is said of the first state, of the mask and of the
// columns of U.
struct ListProblem : Problem { // `initial`, `last`, `y`, `gates`, `states`, `entered`, `dy`, `dlast`,
                               // `dinitial` are not read
    const Program* program;
    long inner;                           // P; H where nothing is projected
    bool normed;                          // each gate of each product is layer-normalised before its bias
    const void *w_hr, *gain_ih, *gain_hh; // [P, H]; [G * H]; as they lie
    void* kept;                           // planes and, normed, the deviations of their rows; null: inference
    const void* learnt;                   // [parameters, H] dense
    const void* given[MOST_LIST_STATES];  // [T, B, H] dense
    const void* before[MOST_LIST_STATES]; // [B, H] dense; null: zero
    void* ys[MOST_LIST_STATES];           // [T, B, H] dense, as `y`; null: not wanted
    void* after[MOST_LIST_STATES];
    Sequence dys[MOST_LIST_STATES];
    const void* dafter[MOST_LIST_STATES];
    void* dbefore[MOST_LIST_STATES];
    void *dgain_ih, *dgain_hh, *dw_hr;
    void* dlearnt; // [parameters, H]
};

struct ListKernels {
    long (*packed_size)(const ListProblem&);
    long (*packed_back_size)(const ListProblem&);
    long (*kept)(const ListProblem&); // numbers that a row keeps for backward
    void (*pack)(const ListProblem&, void* to);
    void (*pack_back)(const ListProblem&, void* to);
    void (*forward)(const ListProblem&);
    void (*backward)(const ListProblem&);
    uint64_t (*digest)(const ListProblem&);
};

} // namespace elman

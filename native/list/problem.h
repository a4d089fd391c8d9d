// One call of a list of operations: what problem.h says of a cell, for up to four states.
#pragma once

#include "../problem.h"
#include "program.h"

namespace elman {

struct ListProblem
    : Problem { // `initial`, `last`, `gates`, `states`, `entered`, `dlast`, `dinitial` are not read
    const Program* program;
    void* kept; // [planes + states, rows, row]; with reset, the states that entered, too. Null: inference
    const void* learnt;                   // [parameters, H] dense
    const void* before[MOST_LIST_STATES]; // [B, H] dense; null: zero
    void* after[MOST_LIST_STATES];
    const void* dafter[MOST_LIST_STATES];
    void* dbefore[MOST_LIST_STATES];
    void* dlearnt; // [parameters, H]
};

struct ListKernels {
    long (*packed_size)(const ListProblem&);
    long (*packed_back_size)(const ListProblem&);
    long (*row)(const ListProblem&); // numbers from a row of a plane to the next
    void (*pack)(const ListProblem&, void* to);
    void (*pack_back)(const ListProblem&, void* to);
    void (*forward)(const ListProblem&);
    void (*backward)(const ListProblem&);
    uint64_t (*digest)(const ListProblem&);
};

} // namespace elman

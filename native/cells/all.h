// Written by scripts/cells.py (make cells) from its table.
#pragma once

#include "gru.h"
#include "kinds.h"
#include "lstm.h"
#include "rnn.h"
#include "rnn_relu.h"

namespace elman::ELMAN_ISA {

// Calls f(number, cell) with the type of a cell.
template <class F, class T> auto with_cell(CellKind cell, F f, T) {
    switch (cell) {
    case CellKind::LSTM: return f(T{}, Lstm{});
    case CellKind::GRU: return f(T{}, Gru{});
    case CellKind::RNN: return f(T{}, Rnn{});
    case CellKind::RNN_RELU: return f(T{}, RnnRelu{});
    }
    __builtin_unreachable();
}

} // namespace elman::ELMAN_ISA

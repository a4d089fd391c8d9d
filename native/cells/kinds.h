// Written by scripts/cells.py (make cells) from its table.
#pragma once

namespace elman {

enum class CellKind { LSTM, GRU, RNN, RNN_RELU };

struct BuiltIn {
    const char* name; // as elman.cells has it
    long gates, states;
};

// In the order of CellKind.
constexpr BuiltIn BUILT_IN[] = {{"lstm", 4, 2}, {"gru", 3, 1}, {"rnn", 1, 1}, {"rnn_relu", 1, 1}};

constexpr int MOST_STATES = 2;

} // namespace elman

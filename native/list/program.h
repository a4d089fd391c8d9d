// A cell's step as a list of operations, as Python planned it: read from numbers, checked, and then run.
//
// Nothing here depends on the instruction set. What is not in bounds is refused before anything runs, so that
// a list that is damaged or made by hand reads and writes nothing but what is its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace elman {

constexpr int MOST_LIST_STATES = 4;
constexpr long MOST_OF_A_KIND = 1024; // gates, slots, planes, values of a stage

// In the order of schedule.KINDS.
enum class Kind { CONSTANT, UNIT, SCRATCH, PLANE, BEFORE, AFTER, TEMP, MASK, GRAD, SUM, GIVEN };

// In the order of plan.OPCODES.
enum class Code {
    MOVE,
    GATHER,
    ADD,
    SUB,
    MUL,
    DIV,
    NEG,
    MIN,
    MAX,
    ABS,
    RELU,
    CLAMP,
    GREATER,
    GREATER_EQUAL,
    EQUAL,
    SELECT,
    SQRT,
    EXP,
    LOG,
    SOFTPLUS,
    SIN,
    COS,
    SIGMOID,
    TANH,
    SIGMOID_REST,
    SIGMOID_KEPT,
    TANH_KEPT,
    SIGMOID_VALUE,
    TANH_VALUE,
    SIGMOID_SLOPE,
    TANH_SLOPE,
    MUL_SIGMOID_SLOPE,
    MUL_TANH_SLOPE,
    FMA,
    FNMA,
};

struct Home {
    Kind kind;
    long index;
};

// Operands are numbers of the phase's places.
struct Instruction {
    Code code;
    int to, also, args[3];
};

struct Phase {
    struct Made {
        long product;
        Home place; // that it reads, in forward; that it is added to or put in, in backward
    };
    std::vector<Made> products;
    std::vector<Home> places;
    std::vector<Instruction> code;
};

struct Slot {
    long x, u; // gates of W and of U; -1: none
};

struct Span {
    long first, last; // slots
    Home entering;
    long gates() const { return last - first; }
};

struct Program {
    long gates, recurrent_gates, states, learnt;
    bool masked;
    bool projected; // the last product is that of the projection, whose one gate stands after all of U
    std::vector<long> given; // numbers that come with each step, as wide as the state that they are for
    long planes, temps, scratch;
    std::vector<Slot> slots;
    std::vector<Span> products;
    std::vector<double> constants;
    std::vector<Phase> forward, backward;

    // Reads a plan. What is wrong with it; empty: nothing.
    std::string read(const int64_t* code, long count, const double* numbers, long numbers_count);
};

} // namespace elman

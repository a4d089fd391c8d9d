// Runs the instructions of a phase on blocks of registers.
#pragma once

#include "../layer.h"
#include "functions.h"
#include "program.h"

namespace elman::ELMAN_ISA {

constexpr long BLOCK = 16; // registers that an instruction takes at a time

// One number of each unit of some rows: where it stands, and how far apart its rows are (0: one for all
// rows).
template <class T> struct Plane {
    T* at;
    long row;
};

template <class T> class Interpreter {
    static constexpr int L = LANES<T>;

    struct Operand {
        T* at;
        long step; // from a register to the next
    };

  public:
    Interpreter(const Phase& phase, const T* constants, T* scratch)
        : phase(phase), operands(phase.places.size()) {
        for (size_t i = 0; i < operands.size(); i++) {
            const Home& place = phase.places[i];
            if (place.kind == Kind::CONSTANT)
                operands[i] = {const_cast<T*>(constants) + place.index * L, 0};
            else if (place.kind == Kind::SCRATCH)
                operands[i] = {scratch + place.index * BLOCK * L, L};
            else
                memory.push_back(i);
        }
        planes.resize(memory.size());
    }

    // For some rows and registers of units. `plane(place)` tells where a place's first row and unit stand.
    // `whole`: rows follow each other without a gap, and all are as one.
    template <class F> void run(F plane, long rows, long unit, long end, bool whole) {
        if (phase.code.empty() || rows == 0 || unit == end) return;
        for (size_t i = 0; i < memory.size(); i++) {
            const Plane<T> found = plane(phase.places[memory[i]]);
            planes[i].at = found.at; // each on its own: both at once would wait for them to be written
            planes[i].row = found.row;
        }
        if (whole) return along(0, unit * L, rows * (end - unit));
        if (rows < 8) {
            for (long r = 0; r < rows; r++) along(r, unit * L, end - unit);
            return;
        }
        for (; unit < end; unit++)
            for (long r = 0; r < rows; r += BLOCK) {
                for (size_t i = 0; i < memory.size(); i++)
                    operands[memory[i]] = {planes[i].at + r * planes[i].row + unit * L, planes[i].row};
                block(std::min(BLOCK, rows - r));
            }
    }

  private:
    void along(long row, long at, long count) {
        for (long done = 0; done < count; done += BLOCK) {
            for (size_t i = 0; i < memory.size(); i++)
                operands[memory[i]] = {planes[i].at + row * planes[i].row + at + done * L, L};
            block(std::min(BLOCK, count - done));
        }
    }

    void block(long n) {
        for (const Instruction& step : phase.code) execute(step, n);
    }

    template <class F> void one(const Instruction& step, long n, F f) {
        const Operand to = operands[step.to], a = operands[step.args[0]];
        for (long i = 0; i < n; i++) store(to.at + i * to.step, f(load(a.at + i * a.step)));
    }
    template <class F> void two(const Instruction& step, long n, F f) {
        const Operand to = operands[step.to], a = operands[step.args[0]], b = operands[step.args[1]];
        for (long i = 0; i < n; i++)
            store(to.at + i * to.step, f(load(a.at + i * a.step), load(b.at + i * b.step)));
    }
    template <class F> void three(const Instruction& step, long n, F f) {
        const Operand to = operands[step.to], a = operands[step.args[0]], b = operands[step.args[1]],
                      c = operands[step.args[2]];
        for (long i = 0; i < n; i++)
            store(to.at + i * to.step,
                  f(load(a.at + i * a.step), load(b.at + i * b.step), load(c.at + i * c.step)));
    }
    // A value, and what is kept of it.
    template <class F> void bent(const Instruction& step, long n, F f) {
        const Operand to = operands[step.to], a = operands[step.args[0]], also = operands[step.also];
        for (long i = 0; i < n; i++) {
            const auto [value, kept] = f(load(a.at + i * a.step));
            store(to.at + i * to.step, value);
            store(also.at + i * also.step, kept);
        }
    }

    // What few cells have, apart, so that its wide frame on the stack is no cost of all the others.
    [[gnu::noinline]] void execute_rare(const Instruction& step, long n) {
        using V = Vec<T>;
        switch (step.code) {
        case Code::SQRT: return one(step, n, [](V a) { return square_root(a); });
        case Code::EXP: return one(step, n, [](V a) { return exponential(a); });
        case Code::LOG: return one(step, n, [](V a) { return logarithm(a); });
        case Code::SOFTPLUS: return one(step, n, [](V a) { return softplus(a); });
        case Code::SIN: return one(step, n, [](V a) { return sine(a); });
        default: return one(step, n, [](V a) { return cosine(a); });
        }
    }

    void execute(const Instruction& step, long n) {
        using V = Vec<T>;
        const V one_ = broadcast(T(1)), zero{};
        switch (step.code) {
        case Code::MOVE: return one(step, n, [](V a) { return a; });
        case Code::GATHER: {
            const Operand to = operands[step.to], a = operands[step.args[0]];
            for (long i = 0; i < n; i++)
                store(to.at + i * to.step, load(to.at + i * to.step) + load(a.at + i * a.step));
            return;
        }
        case Code::ADD: return two(step, n, [](V a, V b) { return a + b; });
        case Code::SUB: return two(step, n, [](V a, V b) { return a - b; });
        case Code::MUL: return two(step, n, [](V a, V b) { return a * b; });
        case Code::DIV: return two(step, n, [](V a, V b) { return a / b; });
        case Code::NEG: return one(step, n, [](V a) { return -a; });
        case Code::MIN: return two(step, n, [](V a, V b) { return a != a ? a : a < b ? a : b; });
        case Code::MAX: return two(step, n, [](V a, V b) { return a != a ? a : a > b ? a : b; });
        case Code::ABS: return one(step, n, [](V a) { return magnitude(a); });
        case Code::RELU: return one(step, n, [](V a) { return relu(a); });
        case Code::CLAMP:
            return three(step, n, [](V a, V low, V high) {
                a = a < low ? low : a;
                return a > high ? high : a;
            });
        case Code::GREATER: return two(step, n, [=](V a, V b) { return a > b ? one_ : zero; });
        case Code::GREATER_EQUAL: return two(step, n, [=](V a, V b) { return a >= b ? one_ : zero; });
        case Code::EQUAL: return two(step, n, [=](V a, V b) { return a == b ? one_ : zero; });
        case Code::SELECT: return three(step, n, [=](V which, V a, V b) { return which != zero ? a : b; });
        case Code::SQRT:
        case Code::EXP:
        case Code::LOG:
        case Code::SOFTPLUS:
        case Code::SIN:
        case Code::COS: return execute_rare(step, n);
        case Code::SIGMOID:
            if (step.also < 0) return one(step, n, [](V a) { return sigmoid(a).value; });
            return bent(step, n, [](V a) { return sigmoid(a); });
        case Code::TANH:
            if (step.also < 0) return one(step, n, [](V a) { return tanh(a).value; });
            return bent(step, n, [](V a) {
                const auto t = tanh(a);
                return Bent<V>{t.value, t.kept()};
            });
        case Code::SIGMOID_REST: return one(step, n, [](V a) { return Sigmoid<V>{a}.rest(); });
        case Code::SIGMOID_KEPT: return one(step, n, [](V a) { return sigmoid(a).kept; });
        case Code::TANH_KEPT: return one(step, n, [](V a) { return tanh(a).kept(); });
        case Code::SIGMOID_VALUE: return one(step, n, [](V a) { return Sigmoid<V>{a}.value(); });
        case Code::TANH_VALUE: return one(step, n, [](V a) { return Tanh<V>::of(a).value; });
        case Code::SIGMOID_SLOPE: return one(step, n, [](V a) { return Sigmoid<V>{a}.slope(); });
        case Code::TANH_SLOPE: return one(step, n, [](V a) { return Tanh<V>::of(a).slope(); });
        case Code::MUL_SIGMOID_SLOPE:
            return two(step, n, [](V grad, V a) { return grad * Sigmoid<V>{a}.slope(); });
        case Code::MUL_TANH_SLOPE:
            return two(step, n, [](V grad, V a) { return grad * Tanh<V>::of(a).slope(); });
        case Code::FMA: return three(step, n, [](V a, V b, V c) { return a * b + c; });
        case Code::FNMA: return three(step, n, [](V a, V b, V c) { return c - a * b; });
        }
    }

    const Phase& phase;
    std::vector<Operand> operands;
    std::vector<size_t> memory;
    std::vector<Plane<T>> planes;
};

} // namespace elman::ELMAN_ISA

// How the weights and values of a list lie in memory.
//
// A value of all rows is a plane [rows, units]. The gates of a product are planes one after another. A
// product is made for a group of units at a time, with all its gates, so that what reads them finds them in
// cache.
#pragma once

#include "../scan.h"
#include "interpreter.h"
#include "problem.h"

namespace elman::ELMAN_ISA {

// Some gates of a group of units: the columns of a product, in panels.
struct Columns {
    long unit, units, gates; // registers

    long count() const { return units * gates; }
    long panels() const { return (count() + WIDEST - 1) / WIDEST; }
    long first(long panel) const { return divided(panel * count(), panels()); }
    long gate(long column) const { return column - divided(column, gates) * gates; }
    long unit_of(long column) const { return unit + divided(column, gates); }

  private:
    // Of small numbers: a step of one row asks more often than it computes, and 64 bits take longer.
    static long divided(long a, long b) { return uint32_t(a) / uint32_t(b); }
};

// Where a panel goes: each column to a place of its own.
template <class T> struct ToPlanes {
    T* to[WIDEST];
    const T* add[WIDEST];
    long add_row[WIDEST];
    long row;

    void operator()(long r, int c, Vec<T> sum) const {
        store(to[c] + r * row, sum + load(add[c] + r * add_row[c]));
    }
};

template <class T> struct ListLayer {
    static constexpr int L = LANES<T>;

    const Program& program;
    const long input, hidden, units, registers;
    const long row; // numbers from a row of a plane to the next; of many rows a line more, so that they meet
                    // in no cache set
    std::vector<long> of_x; // slots that the input's product is in
    const Panels groups, x_groups, back;

    explicit ListLayer(const ListProblem& p)
        : program(*p.program), input(p.input), hidden(p.hidden), units(padded<T>(hidden)),
          registers(units / L),
          row(units + (p.batch < 8 * std::max(1L, p.groups) ? 0 : 64 / long(sizeof(T)))),
          of_x(slots_of_x(program)), groups(registers, widest(program)),
          x_groups(registers, wide(long(of_x.size()))), back(registers) {}

    // Where packed weights stand: those of x, of each product, a row of biases for each slot.
    long product_at(long product) const {
        long at = long(of_x.size()) * units * input;
        for (long i = 0; i < product; i++) at += program.products[i].gates() * units * hidden;
        return at;
    }
    long bias_at() const { return product_at(long(program.products.size())); }
    long packed_size() const { return bias_at() + long(program.slots.size()) * units; }

    long back_at(long product) const {
        long at = 0;
        for (long i = 0; i < product; i++) at += program.products[i].gates() * hidden * units;
        return at;
    }
    long back_x_at() const { return back_at(long(program.products.size())); }
    long packed_back_size() const {
        return back_x_at() + long(of_x.size()) * hidden * ((input + L - 1) / L * L);
    }

    long recurrent(long rows) const {
        long gates = 0;
        for (const auto& product : program.products) gates += product.gates();
        return rows * hidden * gates * hidden;
    }
    long multiplications(long rows) const {
        return recurrent(rows) + rows * hidden * long(of_x.size()) * input;
    }

    std::vector<long> gates_of_x() const {
        std::vector<long> gates;
        for (long slot : of_x) gates.push_back(program.slots[slot].x);
        return gates;
    }
    std::vector<long> gates_of(long product) const {
        std::vector<long> gates;
        const Span& span = program.products[product];
        for (long slot = span.first; slot < span.last; slot++) gates.push_back(program.slots[slot].u);
        return gates;
    }

    static Columns columns(const Panels& groups, long group, long gates) {
        return {groups.first(group), groups.width(group), gates};
    }

  private:
    static int wide(long gates) { return gates ? int(std::max(1L, WIDEST / gates)) : WIDEST; }
    static int widest(const Program& program) {
        int found = WIDEST;
        for (const auto& product : program.products) found = std::min(found, wide(product.gates()));
        return found;
    }
    static std::vector<long> slots_of_x(const Program& program) {
        std::vector<long> found;
        for (size_t slot = 0; slot < program.slots.size(); slot++)
            if (program.slots[slot].x >= 0) found.push_back(long(slot));
        return found;
    }
};

// w [gates * hidden, k] -> groups of units, in panels of columns, for each k a row of a panel.
template <class T>
void pack_group(const Columns& columns, const std::vector<long>& gates, const T* w, long hidden, long k,
                T* to) {
    constexpr int L = LANES<T>;
    to += columns.unit * columns.gates * L * k;
    for (long panel = 0; panel < columns.panels(); panel++) {
        const long first = columns.first(panel), width = columns.first(panel + 1) - first;
        for (long c = 0; c < width; c++)
            for (int lane = 0; lane < L; lane++) {
                const long unit = columns.unit_of(first + c) * L + lane;
                const T* from = w + (gates[columns.gate(first + c)] * hidden + unit) * k;
                T* column = to + c * L + lane;
                for (long i = 0; i < k; i++) column[i * width * L] = unit < hidden ? from[i] : T(0);
            }
        to += width * L * k;
    }
}

template <class T> void pack_list(const ListProblem& p, T* to) {
    const ListLayer<T> layer(p);
    const Program& program = *p.program;
    auto body = [&](Member& member) {
        const auto of_x = layer.gates_of_x();
        member.share(layer.x_groups.count, [&](long group) {
            if (of_x.empty()) return;
            const Columns columns = layer.columns(layer.x_groups, group, long(of_x.size()));
            pack_group(columns, of_x, (const T*)p.weights.w_ih, p.hidden, p.input, to);
        });
        for (size_t i = 0; i < program.products.size(); i++) {
            const auto gates = layer.gates_of(long(i));
            member.share(layer.groups.count, [&](long group) {
                const Columns columns = layer.columns(layer.groups, group, long(gates.size()));
                pack_group(columns, gates, (const T*)p.weights.w_hh, p.hidden, p.hidden,
                           to + layer.product_at(long(i)));
            });
        }
    };
    run_team(layer.packed_size() > 100000 ? p.threads : 1, body);
    const T *b_ih = (const T*)p.weights.b_ih, *b_hh = (const T*)p.weights.b_hh;
    T* bias = to + layer.bias_at();
    for (const Slot& slot : program.slots)
        for (long unit = 0; unit < layer.units; unit++) {
            T sum = 0;
            if (unit < p.hidden && b_ih && slot.x >= 0) sum += b_ih[slot.x * p.hidden + unit];
            if (unit < p.hidden && b_hh && slot.u >= 0) sum += b_hh[slot.u * p.hidden + unit];
            *bias++ = sum;
        }
}

// A panel of the columns of w [gates * hidden, columns], with a row for each unit of each gate.
template <class T>
void pack_back_panel(const Panels& panels, long panel, const std::vector<long>& gates, const T* w,
                     long hidden, long columns, T* to) {
    constexpr int L = LANES<T>;
    const long first = panels.first(panel) * L, width = panels.width(panel) * L;
    to += first * long(gates.size()) * hidden;
    for (long gate : gates)
        for (long unit = 0; unit < hidden; unit++, to += width)
            for (long c = 0; c < width; c += L) {
                const long left = columns - first - c;
                store(to + c,
                      left > 0 ? load(w + (gate * hidden + unit) * columns + first + c, left) : Vec<T>{});
            }
}

template <class T> void pack_list_back(const ListProblem& p, T* to) {
    const ListLayer<T> layer(p);
    const Panels inputs((p.input + LANES<T> - 1) / LANES<T>);
    auto body = [&](Member& member) {
        for (size_t i = 0; i < p.program->products.size(); i++)
            member.share(layer.back.count, [&](long panel) {
                pack_back_panel(layer.back, panel, layer.gates_of(long(i)), (const T*)p.weights.w_hh,
                                p.hidden, p.hidden, to + layer.back_at(long(i)));
            });
        member.share(inputs.count, [&](long panel) {
            pack_back_panel(inputs, panel, layer.gates_of_x(), (const T*)p.weights.w_ih, p.hidden, p.input,
                            to + layer.back_x_at());
        });
    };
    run_team(layer.packed_back_size() > 100000 ? p.threads : 1, body);
}

// What forward and backward both have: rows, and where values of them stand.
template <class T> struct ListScan {
    static constexpr int L = LANES<T>;

    ListScan(const ListProblem& p)
        : p(p), program(*p.program), layer(p), rows(p), entrance(p),
          initial(program.states * p.batch * layer.row), mask(p.mask ? p.batch * layer.row : 0),
          learnt(program.learnt * layer.units), constants(long(program.constants.size()) * L),
          temps(program.temps * p.batch * layer.row), scratch(p.threads * program.scratch * BLOCK * L) {
        for (long s = 0; s < program.states; s++)
            place_rows((const T*)p.before[s], rows.who, p.hidden, layer.units, layer.row,
                       initial + s * p.batch * layer.row);
        if (p.mask) place_rows((const T*)p.mask, rows.who, p.hidden, layer.units, layer.row, (T*)mask);
        std::memset(learnt, 0, program.learnt * layer.units * sizeof(T));
        for (long i = 0; i < program.learnt; i++)
            std::memcpy(learnt + i * layer.units, (const T*)p.learnt + i * p.hidden, p.hidden * sizeof(T));
        for (size_t i = 0; i < program.constants.size(); i++)
            store(constants + i * L, broadcast(T(program.constants[i])));
        std::memset(scratch, 0, p.threads * program.scratch * BLOCK * L * sizeof(T));
    }

    // The interpreters of one thread.
    std::vector<Interpreter<T>> interpreters(const std::vector<Phase>& phases, int rank) const {
        std::vector<Interpreter<T>> found;
        for (const Phase& phase : phases)
            found.emplace_back(phase, constants, scratch + rank * program.scratch * BLOCK * L);
        return found;
    }

    // Places that each group of rows has once.
    Plane<T> of_group(const Home& place, long group) const {
        const long first = rows.first[group] * layer.row;
        switch (place.kind) {
        case Kind::UNIT: return {learnt + place.index * layer.units, 0};
        case Kind::MASK: return {mask + first, layer.row};
        default: return {temps + place.index * p.batch * layer.row + first, layer.row};
        }
    }

    // Whether all registers of all rows follow each other.
    bool whole(long unit, long end) const {
        return layer.row == layer.units && unit == 0 && end == layer.registers && !program.learnt;
    }

    const ListProblem& p;
    const Program& program;
    const ListLayer<T> layer;
    const Rows rows;
    const Entrance<T> entrance;
    const Buffer<T> initial; // [S, B, row]
    const Buffer<T> mask, learnt, constants, temps, scratch;
};

} // namespace elman::ELMAN_ISA

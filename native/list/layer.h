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

    // One column after another, without a division for each.
    struct Walk {
        long gate, unit, gates;
        void next() {
            if (++gate == gates) gate = 0, unit++;
        }
    };
    Walk walk(long column) const { return {gate(column), unit_of(column), gates}; }

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
    const long input, hidden, inner, units, registers;
    const bool normed;
    const long row; // numbers from a row of a plane to the next; of many rows a line more, so that they meet
                    // in no cache set
    const std::vector<long> of_x; // slots that the input's product is in
    const std::vector<long> gates_of_x;
    const std::vector<std::vector<long>> gates; // of each product, rows of whose weights are H together
    const Panels groups, x_groups, back;
    const long entered_at, given_at, normed_at, planes; // where planes of states, of what is given and of
                                                        // normed products begin, and how many there are

    explicit ListLayer(const ListProblem& p)
        : program(*p.program), input(p.input), hidden(p.hidden), inner(p.inner), units(padded<T>(hidden)),
          registers(units / L), normed(p.normed),
          row(units + (p.batch < 8 * std::max(1L, p.groups) ? 0 : 64 / long(sizeof(T)))),
          of_x(slots_of_x(program)), gates_of_x(gates_at(program, of_x)), gates(gates_of(program)),
          groups(registers, widest(program)), x_groups(registers, wide(long(of_x.size()))), back(registers),
          entered_at(program.planes + program.states), given_at(entered_at + (p.reset ? program.states : 0)),
          normed_at(given_at + long(program.given.size())), planes(normed_at + (normed ? 2 * slots() : 0)),
          ahead_at{long(of_x.size()) * units * input}, behind_at{0} {
        for (long i = 0; i < products(); i++) {
            ahead_at.push_back(ahead_at[i] + program.products[i].gates() * units * deep(i));
            behind_at.push_back(behind_at[i] + program.products[i].gates() * high(i) * units);
        }
    }

    long slots() const { return long(program.slots.size()); }
    long products() const { return long(program.products.size()); }
    long width(long state) const { return state ? hidden : inner; }

    // A product's matrix has `high` rows for each gate, of `deep` numbers.
    bool is_projection(long product) const { return program.projected && product + 1 == products(); }
    long high(long product) const { return is_projection(product) ? inner : hidden; }
    long deep(long product) const { return is_projection(product) ? hidden : inner; }

    // Where packed weights stand: those of x, of each product, a row of biases for each slot; where products
    // are normed, rows of gains, of x and then of U.
    long product_at(long product) const { return ahead_at[product]; }
    long bias_at() const { return product_at(products()); }
    long rows_of_units() const { return slots() * (normed ? 3 : 1); }
    long packed_size() const { return bias_at() + rows_of_units() * units; }

    long back_at(long product) const { return behind_at[product]; }
    long back_x_at() const { return back_at(products()); }
    long back_bias_at() const { return back_x_at() + long(of_x.size()) * hidden * ((input + L - 1) / L * L); }
    long packed_back_size() const { return back_bias_at() + rows_of_units() * units; }

    // Numbers that a row keeps for backward: its planes, and of each normed product 1 / its deviation.
    long kept() const { return planes * row + (normed ? 2 * slots() : 0); }

    long recurrent(long rows) const {
        long found = 0;
        for (long i = 0; i < products(); i++) found += program.products[i].gates() * high(i) * deep(i);
        return rows * found;
    }
    long multiplications(long rows) const {
        return recurrent(rows) + rows * hidden * long(of_x.size()) * input;
    }

    static Columns columns(const Panels& groups, long group, long gates) {
        return {groups.first(group), groups.width(group), gates};
    }

  private:
    std::vector<long> ahead_at, behind_at; // where each product's packed weights are, and where the last end

    static std::vector<long> gates_at(const Program& program, const std::vector<long>& slots) {
        std::vector<long> found;
        for (long slot : slots) found.push_back(program.slots[slot].x);
        return found;
    }
    // Of a projection, which is alone in its matrix, 0.
    static std::vector<std::vector<long>> gates_of(const Program& program) {
        std::vector<std::vector<long>> found(program.products.size());
        for (size_t i = 0; i < found.size(); i++)
            for (long slot = program.products[i].first; slot < program.products[i].last; slot++)
                found[i].push_back(program.slots[slot].u % std::max(1L, program.recurrent_gates));
        return found;
    }
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

// A matrix as torch lays it out: of each gate `high` rows of `deep` numbers.
template <class T> struct Matrix {
    const T* numbers;
    long high, deep;
    const std::vector<long>& gates; // that are wanted
};
template <class T> Matrix<T> matrix_of_x(const ListProblem& p, const ListLayer<T>& layer) {
    return {(const T*)p.weights.w_ih, p.hidden, p.input, layer.gates_of_x};
}
template <class T> Matrix<T> matrix_of(const ListProblem& p, const ListLayer<T>& layer, long product) {
    const void* w = layer.is_projection(product) ? p.w_hr : p.weights.w_hh;
    return {(const T*)w, layer.high(product), layer.deep(product), layer.gates[product]};
}

// A matrix -> groups of units, in panels of columns, for each k a row of a panel.
template <class T> void pack_group(const Columns& columns, const Matrix<T>& w, T* to) {
    constexpr int L = LANES<T>;
    const long k = w.deep;
    to += columns.unit * columns.gates * L * k;
    for (long panel = 0; panel < columns.panels(); panel++) {
        const long first = columns.first(panel), width = columns.first(panel + 1) - first;
        for (long c = 0; c < width; c++)
            for (int lane = 0; lane < L; lane++) {
                const long unit = columns.unit_of(first + c) * L + lane;
                const T* from = w.numbers + (w.gates[columns.gate(first + c)] * w.high + unit) * k;
                T* column = to + c * L + lane;
                for (long i = 0; i < k; i++) column[i * width * L] = unit < w.high ? from[i] : T(0);
            }
        to += width * L * k;
    }
}

// A row of biases for each slot, then, where products are normed, of gains.
template <class T> void pack_units(const ListProblem& p, const ListLayer<T>& layer, T* to) {
    const long of_u = p.program->recurrent_gates;
    std::memset(to, 0, layer.rows_of_units() * layer.units * sizeof(T));
    auto add = [&](const void* from, long gate) {
        for (long unit = 0; from && unit < p.hidden; unit++)
            to[unit] += ((const T*)from)[gate * p.hidden + unit];
    };
    for (const Slot& slot : p.program->slots) {
        if (slot.x >= 0) add(p.weights.b_ih, slot.x);
        if (slot.u >= 0 && slot.u < of_u) add(p.weights.b_hh, slot.u);
        to += layer.units;
    }
    for (bool recurrent : {false, true})
        for (size_t i = 0; layer.normed && i < p.program->slots.size(); i++, to += layer.units) {
            const long gate = recurrent ? p.program->slots[i].u : p.program->slots[i].x;
            if (gate >= 0 && !(recurrent && gate == of_u)) add(recurrent ? p.gain_hh : p.gain_ih, gate);
        }
}

template <class T> void pack_list(const ListProblem& p, T* to) {
    const ListLayer<T> layer(p);
    auto body = [&](Member& member) {
        member.share(layer.x_groups.count, [&](long group) {
            if (layer.of_x.empty()) return;
            pack_group(layer.columns(layer.x_groups, group, long(layer.of_x.size())), matrix_of_x(p, layer),
                       to);
        });
        for (long i = 0; i < layer.products(); i++)
            member.share(layer.groups.count, [&](long group) {
                pack_group(layer.columns(layer.groups, group, long(layer.gates[i].size())),
                           matrix_of(p, layer, i), to + layer.product_at(i));
            });
    };
    run_team(layer.packed_size() > 100000 ? p.threads : 1, body);
    pack_units(p, layer, to + layer.bias_at());
}

// A panel of the columns of a matrix, with a row for each unit of each gate.
template <class T> void pack_back_panel(const Panels& panels, long panel, const Matrix<T>& w, T* to) {
    constexpr int L = LANES<T>;
    const long first = panels.first(panel) * L, width = panels.width(panel) * L;
    to += first * long(w.gates.size()) * w.high;
    for (long gate : w.gates)
        for (long unit = 0; unit < w.high; unit++, to += width)
            for (long c = 0; c < width; c += L) {
                const long left = w.deep - first - c;
                const T* from = w.numbers + (gate * w.high + unit) * w.deep + first + c;
                store(to + c, left > 0 ? load(from, left) : Vec<T>{});
            }
}

template <class T> void pack_list_back(const ListProblem& p, T* to) {
    const ListLayer<T> layer(p);
    const Panels inputs((p.input + LANES<T> - 1) / LANES<T>);
    auto body = [&](Member& member) {
        for (long i = 0; i < layer.products(); i++)
            member.share(layer.back.count, [&](long panel) {
                pack_back_panel(layer.back, panel, matrix_of(p, layer, i), to + layer.back_at(i));
            });
        member.share(inputs.count, [&](long panel) {
            pack_back_panel(inputs, panel, matrix_of_x(p, layer), to + layer.back_x_at());
        });
    };
    run_team(layer.packed_back_size() > 100000 ? p.threads : 1, body);
    pack_units(p, layer, to + layer.back_bias_at());
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
            place_rows((const T*)p.before[s], rows.who, layer.width(s), layer.units, layer.row,
                       initial + s * p.batch * layer.row);
        if (p.mask) place_rows((const T*)p.mask, rows.who, p.inner, layer.units, layer.row, (T*)mask);
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

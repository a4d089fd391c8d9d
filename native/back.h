// The time loop, backward, and the gradients of the weights: once for every cell.
//
// Each step, from the last: the gradient that the next step's gates send back through the recurrent weights,
// then the derivative of the cell's formula, whose result takes the place of the gates. The gradients of
// inputs and weights are products over all steps afterwards.
#pragma once

#include "scan.h"

namespace elman::ELMAN_ISA {

constexpr long OUTER_ROWS = 256; // rows of a weight gradient's sum that are packed at a time

template <class T, class Cell> class Backward {
    static constexpr int L = LANES<T>, GATES = Cell::GATES, SLOTS = Layer<T, Cell>::SLOTS,
                         STATES = Cell::STATES;

  public:
    explicit Backward(const Problem& p)
        : p(p), layer(p), rows(p), units(layer.units / L), inputs((p.input + L - 1) / L),
          weights((const T*)p.packed_back), entrance(p), initial(initial_states(p, layer, rows)),
          grads(STATES * p.batch * layer.units), sent(entrance.open ? 0 : p.batch * layer.units),
          packed(OUTER_ROWS * (inputs.registers + units.registers) * L), bias_sums(layer.row),
          narrow_sums(layer.narrow() ? p.input * GATES * layer.units : 0) {}

    void run() {
        begin();
        auto body = [&](Member& member) { work(member); };
        run_team(threads(), body, 2 * double(layer.multiplications(rows.rows)) / RATE<T>);
        finish();
    }

  private:
    struct Step {
        long group, step, count, next_count;
        T* gates;
        const T* next_gates;
        const T *before[STATES], *after[STATES];
        T* grad[STATES];
    };

    long threads() const { return layer.multiplications(rows.rows) < 8 * shared_step<T>() ? 1 : p.threads; }

    void work(Member& member) {
        recur(member);
        member.barrier();
        if (p.dx) input_gradients(member);
        weight_gradients(member);
    }

    // The gradients that come in with the last states; what the time loop carries from step to step.
    void begin() {
        for (int s = 0; s < STATES; s++)
            place_rows((const T*)p.dlast[s], rows.who, p.hidden, layer.units, layer.units,
                       grads + s * p.batch * layer.units);
        std::memset(bias_sums, 0, layer.row * sizeof(T));
        if (layer.narrow()) std::memset(narrow_sums, 0, p.input * GATES * layer.units * sizeof(T));
    }

    void finish() {
        for (int s = 0; s < STATES; s++)
            for (long i = 0; p.dinitial[s] && i < p.batch; i++)
                std::memcpy((T*)p.dinitial[s] + rows.who[i] * p.hidden,
                            grads + (s * p.batch + i) * layer.units, p.hidden * sizeof(T));
        for (long unit = 0; unit < p.hidden; unit++)
            for (int slot = 0; slot < SLOTS; slot++) {
                const T sum = bias_sums[(unit / L * SLOTS + slot) * L + unit % L];
                if (p.db_ih && slot < GATES) ((T*)p.db_ih)[Cell::X_GATE[slot] * p.hidden + unit] = sum;
                if (p.db_hh && slot >= Cell::APART)
                    ((T*)p.db_hh)[Cell::U_GATE[slot - Cell::APART] * p.hidden + unit] = sum;
                for (long i = 0; narrow_wanted() && slot < GATES && i < p.input; i++)
                    ((T*)p.dw_ih)[(Cell::X_GATE[slot] * p.hidden + unit) * p.input + i] =
                        narrow_sums[narrow_at(i, unit / L, slot) + unit % L];
            }
    }

    bool narrow_wanted() const { return p.dw_ih && layer.narrow(); }
    // Where a narrow input has a slot of a register of units, in its weights and in the sum of their
    // gradient.
    long narrow_at(long i, long unit, int slot) const {
        return ((i * layer.units / L + unit) * GATES + slot) * L;
    }

    void recur(Member& member) {
        if (p.groups > 1) {
            member.share(p.groups, [&](long group) {
                for (long step = p.steps - 1; step >= -1; step--) retreat(at(step, group), 0, units.count);
            });
            return;
        }
        long sharers = elman::ELMAN_ISA::sharers<T>(member, p.batch * GATES * p.hidden * p.hidden);
        if (member.rank >= sharers) return;
        for (long step = p.steps - 1; step >= -1; step--) {
            if (step >= 0 && !rows.count(step, 0)) continue;
            retreat(at(step, 0), units.count * member.rank / sharers,
                    units.count * (member.rank + 1) / sharers);
            if (sharers == 1) continue;
            member.barrier();
            if (!member.leader_alone()) continue;
            if (member.rank) return;
            sharers = 1;
        }
    }

    const T* state(int s, long step, long group) const {
        if (step < 0) return initial + (s * p.batch + rows.first[group]) * layer.units;
        return (const T*)p.states[s] + rows.base(step, group) * layer.units;
    }

    // Step -1 stands before the first: there is nothing but the gradient that the first step sends back.
    Step at(long step, long group) const {
        const long next = step + 1 < p.steps ? rows.count(step + 1, group) : 0;
        Step now{group, step, step < 0 ? 0 : rows.count(step, group), next, nullptr, nullptr, {}, {}, {}};
        if (now.count) now.gates = (T*)p.gates + rows.base(step, group) * layer.row;
        if (next) now.next_gates = (const T*)p.gates + rows.base(step + 1, group) * layer.row;
        for (int s = 0; s < STATES; s++) {
            if (now.count) {
                now.before[s] = state(s, step - 1, group);
                now.after[s] = state(s, step, group);
            }
            now.grad[s] = grads + (s * p.batch + rows.first[group]) * layer.units;
        }
        return now;
    }

    // One step back for some panels of hidden units.
    void retreat(const Step& now, long panel, long end) {
        const bool chained = rows.dense ? p.batch == 1 : now.next_count == 1 && p.groups == 1;
        while (panel < end) {
            const long first = units.first(panel);
            for (const long stop = std::min(end, panel + at_once(std::max(1L, now.count))); panel < stop;
                 panel++)
                if (now.next_count) send_back(now, panel, chained);
            for (long unit = first; now.count && unit < units.first(panel); unit++) differentiate(now, unit);
        }
    }

    // What the next step's gates send back to one panel of hidden units.
    void send_back(const Step& now, long panel, bool chained) {
        const long first = units.first(panel), width = units.width(panel);
        T* grad = now.grad[0] + first * L;
        T* to = entrance.open ? grad : sent + rows.first[now.group] * layer.units + first * L;
        for (long r = 0; !entrance.open && r < now.next_count; r++)
            std::memset(to + r * layer.units, 0, width * L * sizeof(T));
        const Left<T> left = layer.recurrent_slots(now.next_gates);
        const Sum<T> sum = onto<T>(to, layer.units, to, layer.units);
        if (weights)
            product(int(width), now.next_count, left, weights + first * L * GATES * layer.units, chained,
                    sum);
        else
            straight(int(width), now.next_count, left, {(const T*)p.weights.w_hh, p.hidden, Cell::U_GATE},
                     first * L, sum);
        for (long r = 0; !entrance.open && r < now.next_count; r++)
            for (long c = 0; c < width; c++) {
                const long at = r * layer.units + c * L;
                store(grad + at, load(grad + at) + through_entrance(now, r, first + c, load(to + at)));
            }
    }

    // One of the two matrices as it lies, [GATES * H, columns]: where each slot of a row of gates has its
    // rows.
    struct Matrix {
        const T* numbers;
        long columns;
        const int (&gate)[GATES];
    };

    // The same product from weights as they lie: of so few rows that to lay them out would take longer.
    template <class Put>
    void straight(int width, long n, const Left<T>& left, const Matrix& w, long column,
                  const Put& put) const {
        for (long r = 0; r < n; r++) {
            Vec<T> sums[WIDEST] = {};
            for (long unit = 0; unit < p.hidden; unit += L)
                for (int slot = 0; slot < GATES; slot++) {
                    const T* a = left.data + r * left.row + unit / L * SLOTS * L + slot * L;
                    const T* from = w.numbers + (w.gate[slot] * p.hidden + unit) * w.columns + column;
                    const long there = std::min<long>(L, p.hidden - unit);
                    add_rows(width, a, there, from, w.columns, w.columns - column, sums);
                }
            for (int c = 0; c < width; c++) put(r, c, sums[c]);
        }
    }

    // Adds n rows of a matrix, each times its number, to `width` registers of which `left` numbers are there.
    static void add_rows(int width, const T* a, long n, const T* from, long columns, long left,
                         Vec<T> (&sums)[WIDEST]) {
        for (long i = 0; i < n; i++, from += columns)
            for (int c = 0; c < width; c++) {
                const long there = left - c * L;
                if (there >= L)
                    sums[c] += broadcast(a[i]) * load(from + c * L);
                else if (there > 0)
                    sums[c] += broadcast(a[i]) * load(from + c * L, there);
            }
    }

    // The derivative of the cell's formula for one register of units, all rows.
    void differentiate(const Step& now, long unit) {
        for (long r = 0; r < now.count; r++) {
            T* gate = now.gates + r * layer.row + unit * SLOTS * L;
            const long at = r * layer.units + unit * L;
            Vec<T> a[SLOTS], before[STATES], after[STATES], grad[STATES];
            for (int i = 0; i < SLOTS; i++) a[i] = load(gate + i * L);
            for (int s = 0; s < STATES; s++) {
                before[s] = load(now.before[s] + at);
                after[s] = load(now.after[s] + at);
                grad[s] = load(now.grad[s] + at);
            }
            const bool begins = entrance.reset && this->begins(now.step, now.group, r);
            for (int s = 0; begins && s < STATES; s++) before[s] = Vec<T>{};
            if (p.dy) grad[0] += output_gradient(now, r, unit);
            Cell::backward(a, before, after, grad);
            // Padding has zero weights, and zero times what is not finite is a NaN: nothing of it goes
            // further.
            for (int i = 0; i < SLOTS; i++) store(gate + i * L, first_lanes(a[i], p.hidden - unit * L));
            for (int s = 0; s < STATES; s++) store(now.grad[s] + at, begins ? Vec<T>{} : grad[s]);
        }
    }

    bool begins(long step, long group, long r) const {
        const long b = rows.who[rows.first[group] + r];
        return entrance.begins(rows.time(step, b), b);
    }

    // The gradient of what entered the next step -> of the state that it was made from.
    Vec<T> through_entrance(const Step& now, long r, long unit, Vec<T> grad) const {
        if (begins(now.step + 1, now.group, r)) return Vec<T>{};
        return entrance.masked(grad, rows.who[rows.first[now.group] + r], unit);
    }

    Vec<T> output_gradient(const Step& now, long r, long unit) const {
        const long b = rows.who[rows.first[now.group] + r];
        const T* dy = (const T*)p.dy + rows.time(now.step, b) * p.dy_time + b * p.dy_batch;
        const long left = p.hidden - unit * L;
        return left > 0 ? load(dy + unit * L, left) : Vec<T>{};
    }

    void input_gradients(Member& member) {
        const long pieces = (rows.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
        member.share(pieces, [&](long piece) {
            const long from = rows.rows * piece / pieces, n = rows.rows * (piece + 1) / pieces - from;
            if (layer.narrow() && weights) return narrow_gradients(from, n);
            const Left<T> left = layer.input_slots((const T*)p.gates + from * layer.row);
            T* to[BLOCK_ROWS];
            for (long r = 0; r < n; r++) to[r] = input_gradient(from + r);
            for (long panel = 0; panel < inputs.count; panel++) {
                const long first = inputs.first(panel) * L;
                const Scatter<T> put{to, first, p.input, true};
                if (weights)
                    product(inputs.width(panel), n, left,
                            weights + layer.back_inputs_at() + first * GATES * layer.units, false, put);
                else
                    straight(inputs.width(panel), n, left, {(const T*)p.weights.w_ih, p.input, Cell::X_GATE},
                             first, put);
            }
        });
    }

    void narrow_gradients(long from, long n) {
        const T* w = weights + layer.back_inputs_at();
        for (long r = from; r < from + n; r++)
            for (long i = 0; i < p.input; i++) {
                const T* gates = (const T*)p.gates + r * layer.row;
                Vec<T> sums[GATES] = {};
                for (long unit = 0; unit < layer.units / L; unit++, gates += SLOTS * L)
                    for (int slot = 0; slot < GATES; slot++)
                        sums[slot] += load(gates + slot * L) * load(w + narrow_at(i, unit, slot));
                for (int slot = 1; slot < GATES; slot++) sums[0] += sums[slot];
                input_gradient(r)[i] = total<T>(sums[0]);
            }
    }

    T* input_gradient(long row) const {
        if (rows.dense) return (T*)p.dx + row * p.input;
        Place place = rows.place(row);
        return (T*)p.dx + (place.time * p.batch + place.entry) * p.input;
    }

    // dW = sum over rows of gate gradients times what they came from, [x, h before]; and their sums, the
    // biases'.
    void weight_gradients(Member& member) {
        const bool first_wanted = p.dw_ih, second_wanted = p.dw_hh;
        if (!first_wanted && !second_wanted && !p.db_ih && !p.db_hh) return;
        const long groups = layer.units / L;
        if (!rows.rows) return zero(member);
        for (long from = 0; from < rows.rows; from += OUTER_ROWS) {
            const long n = std::min(OUTER_ROWS, rows.rows - from);
            const long parts = inputs.count + units.count;
            member.share(parts, [&](long part) { pack_rows(part, from, n); });
            member.share(groups, [&](long unit) {
                const T* gates = (const T*)p.gates + from * layer.row + unit * SLOTS * L;
                if (first_wanted && !layer.narrow())
                    outer(gates, n, unit, Cell::X_GATE, inputs, 0, p.input, (T*)p.dw_ih, from == 0);
                if (second_wanted)
                    outer(gates + Cell::APART * L, n, unit, Cell::U_GATE, units, inputs.registers, p.hidden,
                          (T*)p.dw_hh, from == 0);
                add_biases(gates, n, unit);
                for (long i = 0; narrow_wanted() && i < p.input; i++) add_narrow(gates, n, unit, i);
            });
        }
    }

    void zero(Member& member) {
        if (member.rank) return;
        if (p.dw_ih) std::memset(p.dw_ih, 0, GATES * p.hidden * p.input * sizeof(T));
        if (p.dw_hh) std::memset(p.dw_hh, 0, GATES * p.hidden * p.hidden * sizeof(T));
    }

    // One panel of columns of [x, h before], for n rows.
    void pack_rows(long part, long from, long n) {
        const bool of_x = part < inputs.count;
        const Panels& panels = of_x ? inputs : units;
        const long panel = of_x ? part : part - inputs.count;
        const long first = panels.first(panel), width = panels.width(panel) * L;
        const long columns = of_x ? p.input : layer.units;
        T* to = packed + (first + (of_x ? 0 : inputs.registers)) * L * OUTER_ROWS;
        for (long r = 0; of_x && layer.narrow() && r < n; r++)
            for (long i = 0; i < p.input; i++) to[i * OUTER_ROWS + r] = input_row(from + r)[i];
        if (of_x && layer.narrow()) return;
        for (long r = 0; r < n; r++, to += width) {
            const T* row = (of_x ? input_row(from + r) : before_row(from + r)) + first * L;
            for (long c = 0; c < width; c += L) store(to + c, load(row + c, columns - first * L - c));
        }
    }

    const T* input_row(long row) const {
        Place place = rows.place(row);
        return (const T*)p.x + place.time * p.x_time + place.entry * p.x_batch;
    }

    const T* before_row(long row) const {
        if (!entrance.open) return (const T*)p.entered + row * layer.units;
        if (rows.dense) {
            const long step = p.reverse ? p.steps - 1 - row / p.batch : row / p.batch;
            return state(0, step - 1, 0) + row % p.batch * layer.units;
        }
        return before_rows[row];
    }

    // Some gates' gradients [n, GATES * L], transposed, times packed columns.
    void outer(const T* gates, long n, long unit, const int (&gate)[GATES], const Panels& panels, long at,
               long columns, T* to, bool fresh) {
        constexpr int STRIDE = GATES * L;
        T* into[STRIDE]; // where each gate's unit has its row; null where the unit is padding
        for (int i = 0; i < STRIDE; i++) {
            const long u = unit * L + i % L;
            into[i] = u < p.hidden ? to + (gate[i / L] * p.hidden + u) * columns : nullptr;
        }
        const Left<T> left{gates, 1, layer.row, n};
        for (long panel = 0; panel < panels.count; panel++) {
            const long first = panels.first(panel) * L;
            product(panels.width(panel), STRIDE, left, packed + (at * L + first) * OUTER_ROWS, false,
                    Scatter<T>{into, first, columns, fresh});
        }
    }

    void add_biases(const T* gates, long n, long unit) {
        T* to = bias_sums + unit * SLOTS * L;
        Vec<T> sums[SLOTS];
        for (int slot = 0; slot < SLOTS; slot++) sums[slot] = load(to + slot * L);
        for (long r = 0; r < n; r++)
            for (int slot = 0; slot < SLOTS; slot++) sums[slot] += load(gates + r * layer.row + slot * L);
        for (int slot = 0; slot < SLOTS; slot++) store(to + slot * L, sums[slot]);
    }

    // The gradient of a narrow input's weights: the same, each row times that input.
    void add_narrow(const T* gates, long n, long unit, long i) {
        const T* x = packed + i * OUTER_ROWS;
        T* to = narrow_sums + narrow_at(i, unit, 0);
        Vec<T> sums[GATES];
        for (int slot = 0; slot < GATES; slot++) sums[slot] = load(to + slot * L);
        for (long r = 0; r < n; r++)
            for (int slot = 0; slot < GATES; slot++)
                sums[slot] += broadcast(x[r]) * load(gates + r * layer.row + slot * L);
        for (int slot = 0; slot < GATES; slot++) store(to + slot * L, sums[slot]);
    }

    // A ragged batch's rows of the hidden state before each row.
    std::vector<const T*> rows_before() const {
        std::vector<const T*> all;
        if (rows.dense || !entrance.open) return all;
        all.resize(rows.rows);
        for (long step = 0; step < p.steps; step++)
            for (long group = 0; group < p.groups; group++)
                for (long r = 0; r < rows.count(step, group); r++)
                    all[rows.base(step, group) + r] = state(0, step - 1, group) + r * layer.units;
        return all;
    }

    const Problem& p;
    const Layer<T, Cell> layer;
    const Rows rows;
    const Panels units, inputs; // the columns of the two products
    const T* const weights;     // null: as they lie
    const Entrance<T> entrance;
    const Buffer<T> initial;
    const Buffer<T> grads;       // [S, B, units]: of the states, carried from step to step
    const Buffer<T> sent;        // [B, units]: what gates send back, before it passes the entrance
    const Buffer<T> packed;      // OUTER_ROWS rows of [x, h before]
    const Buffer<T> bias_sums;   // a row of gates
    const Buffer<T> narrow_sums; // for each narrow input, a row of gates that it has
    const std::vector<const T*> before_rows = rows_before();
};

} // namespace elman::ELMAN_ISA

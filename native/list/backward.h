// The time loop of a list, backward, and the gradients of the weights.
#pragma once

#include "../back.h"
#include "norm.h"
#include "products.h"

namespace elman::ELMAN_ISA {

template <class T> class ListBackward : ListScan<T> {
    using Base = ListScan<T>;
    using Base::entrance, Base::initial, Base::layer, Base::p, Base::program, Base::rows;
    static constexpr int L = LANES<T>;

  public:
    explicit ListBackward(const ListProblem& p)
        : Base(p), weights((const T*)p.packed_back),
          biases_there(weights || !layer.normed ? 0 : layer.rows_of_units() * layer.units),
          bias(weights ? weights + layer.back_bias_at() : biases_there), pitch(rows.rows * layer.row),
          memory((T*)p.kept), rests(memory + layer.planes * pitch), inputs((p.input + L - 1) / L),
          units(layer.registers), stages(backward_phases()), grads(program.states * p.batch * layer.row),
          sums(p.groups * program.learnt * layer.units), biases(long(program.slots.size()) * layer.units),
          packed(OUTER_ROWS * (inputs.registers + long(program.products.size()) * units.registers) * L),
          gains_x(layer.normed ? pieces() * layer.slots() * layer.units : 0),
          gains_u(layer.normed ? p.batch * layer.slots() * layer.units : 0) {
        if (!weights && layer.normed) pack_units(p, layer, (T*)biases_there);
    }

    void run() {
        for (long s = 0; s < program.states; s++)
            place_rows((const T*)p.dafter[s], rows.who, layer.width(s), layer.units, layer.row,
                       grads + s * p.batch * layer.row);
        std::memset(sums, 0, p.groups * program.learnt * layer.units * sizeof(T));
        std::memset(biases, 0, program.slots.size() * layer.units * sizeof(T));
        if (layer.normed) {
            std::memset(gains_x, 0, pieces() * layer.slots() * layer.units * sizeof(T));
            std::memset(gains_u, 0, p.batch * layer.slots() * layer.units * sizeof(T));
        }
        auto body = [&](Member& member) { work(member); };
        const long all = layer.multiplications(rows.rows);
        run_team(all < 8 * shared_step<T>() ? 1 : p.threads, body, 2 * double(all) / RATE<T>);
        finish();
    }

  private:
    using Interpreters = std::vector<Interpreter<T>>;

    // One at least, for products of the step after stand before the first.
    const std::vector<Phase>& backward_phases() const { return program.backward; }

    void work(Member& member) {
        recur(member);
        member.barrier();
        if (layer.normed) input_norms(member);
        if (p.dx) input_gradients(member);
        weight_gradients(member);
    }

    void finish() {
        for (long s = 0; s < program.states; s++)
            for (long i = 0; p.dbefore[s] && i < p.batch; i++)
                std::memcpy((T*)p.dbefore[s] + rows.who[i] * layer.width(s),
                            grads + (s * p.batch + i) * layer.row, layer.width(s) * sizeof(T));
        for (size_t i = 0; i < program.slots.size(); i++) {
            const Slot& slot = program.slots[i];
            const T* sum = biases + i * layer.units;
            if (p.db_ih && slot.x >= 0)
                std::memcpy((T*)p.db_ih + slot.x * p.hidden, sum, p.hidden * sizeof(T));
            if (p.db_hh && slot.u >= 0 && slot.u < program.recurrent_gates)
                std::memcpy((T*)p.db_hh + slot.u * p.hidden, sum, p.hidden * sizeof(T));
            if (p.dgain_ih && slot.x >= 0) add_up(gains_x, pieces(), i, (T*)p.dgain_ih + slot.x * p.hidden);
            if (p.dgain_hh && slot.u >= 0 && slot.u < program.recurrent_gates)
                add_up(gains_u, p.batch, i, (T*)p.dgain_hh + slot.u * p.hidden);
        }
        for (long i = 0; p.dlearnt && i < program.learnt; i++)
            for (long unit = 0; unit < p.hidden; unit++) {
                T sum = 0;
                for (long group = 0; group < p.groups; group++)
                    sum += sums[(group * program.learnt + i) * layer.units + unit];
                ((T*)p.dlearnt)[i * p.hidden + unit] = sum;
            }
    }

    // A slot's gradient of a gain, from parts of it.
    void add_up(const T* parts, long count, size_t slot, T* to) const {
        std::memset(to, 0, p.hidden * sizeof(T));
        for (long i = 0; i < count; i++)
            for (long unit = 0; unit < p.hidden; unit++)
                to[unit] += parts[(i * layer.slots() + long(slot)) * layer.units + unit];
    }

    long pieces() const { return (rows.rows + BLOCK_ROWS - 1) / BLOCK_ROWS; }

    // Back through the normalisation of gates of one row, whose gradients take the place of what was kept.
    // `slot(i)`: of each.
    template <class F> void denormalise(long row, bool recurrent, long count, T* sums, F slot) {
        const long from = recurrent ? layer.slots() : 0;
        auto gate = [&](long i) {
            const long mine = slot(i), which = from + mine;
            return NormedGate<T>{plane(layer.normed_at + which, row),
                                 bias + (layer.slots() + which) * layer.units,
                                 nullptr,
                                 nullptr,
                                 plane(mine, row),
                                 sums + mine * layer.units,
                                 rests[row * 2 * layer.slots() + which]};
        };
        normalise_gates<true, T>(p.hidden, count, gate, [](long, const NormedGate<T>&) {});
    }

    // Where the gates' gradients of a product are, or, without one, of the input's.
    T* gates(long slot, long row, bool recurrent, bool normed) const {
        return plane(normed ? layer.normed_at + (recurrent ? layer.slots() : 0) + slot : slot, row);
    }
    bool is_normed(long product) const { return layer.normed && !layer.is_projection(product); }

    void input_norms(Member& member) {
        member.share(pieces(), [&](long piece) {
            const long end = std::min(rows.rows, (piece + 1) * BLOCK_ROWS);
            for (long row = piece * BLOCK_ROWS; row < end; row++)
                denormalise(row, false, long(layer.of_x.size()),
                            gains_x + piece * layer.slots() * layer.units,
                            [&](long i) { return layer.of_x[i]; });
        });
    }

    void recur(Member& member) {
        Interpreters code = Base::interpreters(stages, member.rank);
        const long groups = layer.back.count;
        if (p.groups > 1) {
            member.share(p.groups, [&](long group) {
                for (long step = p.steps - 1; step >= -1; step--)
                    for (size_t phase = 0; phase < code.size(); phase++)
                        retreat(step, group, phase, code[phase], 0, groups);
            });
            return;
        }
        long sharers =
            p.reset || layer.normed ? 1 : elman::ELMAN_ISA::sharers<T>(member, layer.recurrent(p.batch));
        if (member.rank >= sharers) return;
        for (long step = p.steps - 1; step >= -1; step--) {
            if (step >= 0 && !rows.count(step, 0)) continue;
            for (size_t phase = 0; phase < code.size(); phase++) {
                if (sharers > 1 && !stages[phase].products.empty() && (step < p.steps - 1 || phase)) {
                    member.barrier();
                    if (member.leader_alone()) {
                        if (member.rank) return;
                        sharers = 1;
                    }
                }
                retreat(step, 0, phase, code[phase], groups * member.rank / sharers,
                        groups * (member.rank + 1) / sharers);
            }
        }
    }

    T* plane(long index, long row) const { return memory + index * pitch + row * layer.row; }

    const T* before(long s, long step, long group) const {
        if (p.reset) return plane(layer.entered_at + s, rows.base(step, group));
        if (step == 0) return initial + (s * p.batch + rows.first[group]) * layer.row;
        return plane(program.planes + s, rows.base(step - 1, group));
    }

    T* grad(long s, long group) const { return grads + (s * p.batch + rows.first[group]) * layer.row; }

    Plane<T> place(const Home& place, long step, long group) const {
        switch (place.kind) {
        case Kind::PLANE: return {plane(place.index, rows.base(step, group)), layer.row};
        case Kind::BEFORE: return {const_cast<T*>(before(place.index, step, group)), layer.row};
        case Kind::AFTER: return {plane(program.planes + place.index, rows.base(step, group)), layer.row};
        case Kind::GIVEN: return {plane(layer.given_at + place.index, rows.base(step, group)), layer.row};
        case Kind::GRAD: return {grad(place.index, group), layer.row};
        case Kind::SUM: return {sums + (group * program.learnt + place.index) * layer.units, 0};
        default: return Base::of_group(place, group);
        }
    }

    // One phase of one step, for some groups of units. The first phase begins with the products of the step
    // after; before the first step there is nothing but these.
    void retreat(long step, long group, size_t number, Interpreter<T>& code, long panel, long end) {
        const Phase& phase = stages[number];
        if (step < 0 && number) return;
        const long n = step < 0 ? 0 : rows.count(step, group), of = number ? step : step + 1;
        const long made = of < p.steps ? rows.count(of, group) : 0;
        const bool chained = rows.dense ? p.batch == 1 : made == 1 && p.groups == 1, tall = n >= 8;
        const long first = units.first(panel), last = units.first(end);
        auto planes = [&](const Home& at) { return place(at, step, group); };
        for (const auto& one : phase.products)
            if (is_normed(one.product)) denormalise_step(program.products[one.product], of, group, made);
        for (; panel < end; panel++) {
            const long unit = units.first(panel), stop = units.first(panel + 1);
            for (const auto& one : phase.products)
                if (made) send_back(one, of, group, made, panel, chained);
            if (number == 0) begin(step, group, n, made, unit, stop);
            if (tall) code.run(planes, n, unit, stop, false);
        }
        if (!tall) code.run(planes, n, first, last, Base::whole(first, last));
    }

    void denormalise_step(const Span& span, long step, long group, long n) {
        for (long r = 0; r < n; r++) {
            T* sums = gains_u + rows.who[rows.first[group] + r] * layer.slots() * layer.units;
            denormalise(rows.base(step, group) + r, true, span.gates(), sums,
                        [&](long i) { return span.first + i; });
        }
    }

    // What a product's gates send back to some units of what entered it.
    void send_back(const Phase::Made& one, long step, long group, long n, long panel, bool chained) {
        const Span& span = program.products[one.product];
        const long first = units.first(panel), width = units.width(panel);
        const Plane<T> to = one.place.kind == Kind::GRAD ? Plane<T>{grad(one.place.index, group), layer.row}
                                                         : Base::of_group(one.place, group);
        T* at = to.at + first * L;
        if (one.place.kind == Kind::TEMP)
            for (long r = 0; r < n; r++) std::memset(at + r * to.row, 0, width * L * sizeof(T));
        const long high = layer.high(one.product);
        const T* from = gates(span.first, rows.base(step, group), true, is_normed(one.product));
        const Left<T> left{from, layer.row, 1, high, span.gates(), pitch};
        const Sum<T> sum = onto<T>(at, to.row, at, to.row);
        if (weights)
            product(int(width), n, left,
                    weights + layer.back_at(one.product) + first * L * span.gates() * high, chained, sum);
        else
            send_straight(int(width), n, left, matrix_of(p, layer, one.product), 0, first * L, sum);
    }

    // Where an episode begins the gradient ends; then the gradient of the step's own output.
    void begin(long step, long group, long n, long after, long unit, long end) {
        for (long r = 0; p.reset && r < after; r++) {
            const long b = rows.who[rows.first[group] + r];
            if (!entrance.begins(rows.time(step + 1, b), b)) continue;
            for (long s = 0; s < program.states; s++)
                std::memset(grad(s, group) + r * layer.row + unit * L, 0, (end - unit) * L * sizeof(T));
        }
        for (long s = 0; s < program.states; s++) {
            const auto& [numbers, time, batch] = p.dys[s];
            for (long r = 0; numbers && r < n; r++) {
                const long b = rows.who[rows.first[group] + r];
                const T* dy = (const T*)numbers + rows.time(step, b) * time + b * batch;
                T* to = grad(s, group) + r * layer.row;
                for (long u = unit; u < end; u++) {
                    const long left = layer.width(s) - u * L;
                    if (left > 0) store(to + u * L, load(to + u * L) + load(dy + u * L, left));
                }
            }
        }
    }

    // Stretches of slots that the input's product is in: the first slot, how many, and of which gate it
    // begins.
    struct Stretch {
        long slot, count, at;
    };
    std::vector<Stretch> stretches() const {
        std::vector<Stretch> found;
        for (size_t i = 0; i < layer.of_x.size(); i++) {
            const long slot = layer.of_x[i];
            if (!found.empty() && found.back().slot + found.back().count == slot)
                found.back().count++;
            else
                found.push_back({slot, 1, long(i)});
        }
        return found;
    }

    void input_gradients(Member& member) {
        const long pieces = this->pieces();
        const auto parts = stretches();
        member.share(pieces, [&](long piece) {
            const long from = rows.rows * piece / pieces, n = rows.rows * (piece + 1) / pieces - from;
            T* to[BLOCK_ROWS];
            for (long r = 0; r < n; r++) to[r] = input_gradient(from + r);
            for (long panel = 0; panel < inputs.count; panel++) {
                const long first = inputs.first(panel) * L, width = inputs.width(panel);
                const long of_panel = layer.back_x_at() + first * long(layer.of_x.size()) * p.hidden;
                for (const Stretch& part : parts) {
                    const T* at = gates(part.slot, from, false, layer.normed);
                    const Left<T> left{at, layer.row, 1, p.hidden, part.count, pitch};
                    const Scatter<T> put{to, first, p.input, part.at == 0};
                    if (weights)
                        product(int(width), n, left, weights + of_panel + part.at * p.hidden * width * L,
                                false, put);
                    else
                        send_straight(int(width), n, left, matrix_of_x(p, layer), part.at, first, put);
                }
            }
        });
    }

    T* input_gradient(long row) const {
        if (rows.dense) return (T*)p.dx + row * p.input;
        const auto at = rows.place(row);
        return (T*)p.dx + (at.time * p.batch + at.entry) * p.input;
    }

    // dW = sum over rows of gate gradients times what they came from: x, or what entered a product. And their
    // sums, the biases'.
    void weight_gradients(Member& member) {
        if (!p.dw_ih && !p.dw_hh && !p.db_ih && !p.db_hh && !p.dw_hr) return;
        const long products = long(program.products.size()), slots = long(program.slots.size());
        const long blocks = (units.registers + 3) / 4;
        for (long from = 0; from < rows.rows; from += OUTER_ROWS) {
            const long n = std::min(OUTER_ROWS, rows.rows - from);
            member.share(inputs.count + products * units.count, [&](long part) { pack_rows(part, from, n); });
            member.share(slots * blocks, [&](long piece) {
                const long slot = piece / blocks, unit = piece % blocks * 4;
                const long count = std::min(4L, units.registers - unit);
                const Slot& own = program.slots[slot];
                if (p.dw_ih && own.x >= 0)
                    outer(gates(slot, from, false, layer.normed) + unit * L, n, unit, count, own.x * p.hidden,
                          p.hidden, inputs, 0, p.input, (T*)p.dw_ih, from == 0);
                for (long i = 0; own.u >= 0 && i < products; i++)
                    if (program.products[i].first <= slot && slot < program.products[i].last)
                        recurrent_gradient(i, slot, from, n, unit, count);
                add_biases(plane(slot, from) + unit * L, n, biases + slot * layer.units + unit * L, count);
            });
        }
    }

    void recurrent_gradient(long i, long slot, long from, long n, long unit, long count) {
        const bool projection = layer.is_projection(i);
        void* to = projection ? p.dw_hr : p.dw_hh;
        if (!to) return;
        const long row = projection ? 0 : program.slots[slot].u * p.hidden;
        outer(gates(slot, from, true, is_normed(i)) + unit * L, n, unit, count, row, layer.high(i), units,
              inputs.registers + i * units.registers, layer.deep(i), (T*)to, from == 0);
    }

    // One panel of columns of x or of what entered a product, for n rows.
    void pack_rows(long part, long from, long n) {
        const bool of_x = part < inputs.count;
        const long number = of_x ? 0 : (part - inputs.count) / units.count;
        const Panels& panels = of_x ? inputs : units;
        const long panel = of_x ? part : (part - inputs.count) % units.count;
        const long first = panels.first(panel), width = panels.width(panel) * L;
        const long columns = of_x ? p.input : layer.units;
        T* to = packed + (first + (of_x ? 0 : inputs.registers + number * units.registers)) * L * OUTER_ROWS;
        for (long r = 0; r < n; r++, to += width) {
            const T* row = (of_x ? input_row(from + r) : entering_row(number, from + r)) + first * L;
            for (long c = 0; c < width; c += L) store(to + c, load(row + c, columns - first * L - c));
        }
    }

    const T* input_row(long row) const {
        const auto at = rows.place(row);
        return (const T*)p.x + at.time * p.x_time + at.entry * p.x_batch;
    }

    const T* entering_row(long product, long row) const {
        const Home& place = program.products[product].entering;
        if (place.kind == Kind::PLANE) return plane(place.index, row);
        if (p.reset) return plane(layer.entered_at + place.index, row);
        if (!rows.dense) return earlier[place.index][row];
        const long step = p.reverse ? p.steps - 1 - row / p.batch : row / p.batch;
        return before(place.index, step, 0) + row % p.batch * layer.row;
    }

    // A ragged batch's rows of each state before each row.
    std::vector<std::vector<const T*>> earlier_rows() const {
        std::vector<std::vector<const T*>> all(program.states);
        if (rows.dense || p.reset) return all;
        for (long s = 0; s < program.states; s++) {
            all[s].resize(rows.rows);
            for (long step = 0; step < p.steps; step++)
                for (long group = 0; group < p.groups; group++)
                    for (long r = 0; r < rows.count(step, group); r++)
                        all[s][rows.base(step, group) + r] = before(s, step, group) + r * layer.row;
        }
        return all;
    }

    // A gate's gradients [n, count * L], transposed, times packed columns: for its units, up to `high`, rows
    // of `to` from `row` on.
    void outer(const T* gates, long n, long unit, long count, long row, long high, const Panels& panels,
               long at, long columns, T* to, bool fresh) {
        T* into[4 * L]; // where each unit has its row; null where the unit is padding
        for (long i = 0; i < count * L; i++) {
            const long u = unit * L + i;
            into[i] = u < high ? to + (row + u) * columns : nullptr;
        }
        const Left<T> left{gates, 1, layer.row, n};
        for (long panel = 0; panel < panels.count; panel++) {
            const long first = panels.first(panel) * L;
            if (first >= columns) continue;
            product(panels.width(panel), count * L, left, packed + (at * L + first) * OUTER_ROWS, false,
                    Scatter<T>{into, first, columns, fresh});
        }
    }

    void add_biases(const T* gates, long n, T* to, long count) {
        for (long c = 0; c < count; c++) {
            Vec<T> sum = load(to + c * L);
            for (long r = 0; r < n; r++) sum += load(gates + r * layer.row + c * L);
            store(to + c * L, sum);
        }
    }

    const T* const weights;       // null: as they lie
    const Buffer<T> biases_there; // where the weights have none laid out
    const T* const bias;
    const long pitch; // numbers of a plane
    T* const memory;
    const T* const rests;
    const Panels inputs, units; // the columns of the products
    const std::vector<Phase>& stages;
    const Buffer<T> grads;            // [S, B, row]: of the states, carried from step to step
    const Buffer<T> sums;             // [groups, parameters, units]
    const Buffer<T> biases;           // [slots, units]
    const Buffer<T> packed;           // OUTER_ROWS rows of x and of what entered each product
    const Buffer<T> gains_x, gains_u; // gradients of gains: of each piece of rows, of each sequence
    const std::vector<std::vector<const T*>> earlier = earlier_rows();
};

} // namespace elman::ELMAN_ISA

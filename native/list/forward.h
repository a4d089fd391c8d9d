// The time loop of a list, forward: each step phase by phase, each phase group of units by group of units.
#pragma once

#include "norm.h"
#include "products.h"

namespace elman::ELMAN_ISA {

template <class T> class ListForward : ListScan<T> {
    using Base = ListScan<T>;
    using Base::entrance, Base::initial, Base::layer, Base::p, Base::program, Base::rows;
    static constexpr int L = LANES<T>;

  public:
    explicit ListForward(const ListProblem& p)
        : Base(p), training(p.kept), weights((const T*)p.packed),
          biases(weights ? 0 : layer.rows_of_units() * layer.units),
          bias(weights ? weights + layer.bias_at() : biases), ahead(steps_ahead()),
          pitch((training ? rows.rows : ahead * p.batch) * layer.row),
          own(training ? 0 : layer.planes * pitch), memory(training ? (T*)p.kept : (T*)own),
          rests(training ? memory + layer.planes * pitch : nullptr), inputs(p, rows) {
        if (!weights) pack_units(p, layer, (T*)biases);
        std::memset(nothing, 0, layer.units * sizeof(T));
    }

    void run() {
        finish_empty();
        auto body = [&](Member& member) { work(member); };
        const long all = layer.multiplications(rows.rows);
        run_team(all < 60 * shared_step<T>() ? 1 : p.threads, body, double(all) / RATE<T>);
    }

  private:
    // Some steps of a group, and the row of a plane that each begins with.
    struct Chunk {
        long group, begin, end;
        std::vector<long> at;
        long row(long step) const { return at[step - begin]; }
    };
    using Interpreters = std::vector<Interpreter<T>>;

    long steps_ahead() const {
        const long together = std::max(1L, p.batch / p.groups),
                   bytes =
                       together * layer.row * (layer.slots() * (layer.normed ? 3 : 1) + 1) * long(sizeof(T));
        return std::clamp(std::max(GATES_IN_CACHE / bytes, 24 / together), 1L, std::max(1L, p.steps));
    }

    void work(Member& member) {
        if (p.groups > 1) return member.share(p.groups, [&](long group) { run_alone(member, group); });
        const long together = p.reset || layer.normed ? 1 : sharers<T>(member, layer.recurrent(p.batch));
        Interpreters code = Base::interpreters(program.forward, member.rank);
        for (long begin = 0; begin < p.steps; begin += ahead) {
            const Chunk chunk = chunk_of(0, begin);
            project_shared(member, chunk);
            recur(member, chunk, code, together);
            if (chunk.end < p.steps) member.barrier();
        }
    }

    void run_alone(Member& member, long group) {
        Interpreters code = Base::interpreters(program.forward, member.rank);
        for (long begin = 0; begin < p.steps && rows.count(begin, group); begin += ahead) {
            const Chunk chunk = chunk_of(group, begin);
            for (long step = begin; step < chunk.end; step++)
                for (long r = 0, n = rows.count(step, group); r < n; r += BLOCK_ROWS)
                    project_rows(member, rows.base(step, group) + r, std::min(BLOCK_ROWS, n - r),
                                 chunk.row(step) + r, 0, layer.x_groups.count);
            for (long step = begin; step < chunk.end && rows.count(step, group); step++)
                for (size_t phase = 0; phase < code.size(); phase++)
                    advance(chunk, step, phase, code[phase], 0, layer.groups.count);
            carry(chunk, 0, layer.registers);
        }
    }

    Chunk chunk_of(long group, long begin) const {
        Chunk chunk{group, begin, std::min(p.steps, begin + ahead), {}};
        const long lowest = std::min(rows.base(begin, 0), rows.base(chunk.end - 1, 0));
        long next = rows.first[group] * ahead;
        for (long step = begin; step < chunk.end; step++) {
            const long base = rows.base(step, group);
            chunk.at.push_back(training ? base : p.groups > 1 ? next : base - lowest);
            next += rows.count(step, group);
        }
        return chunk;
    }

    void recur(Member& member, const Chunk& chunk, Interpreters& code, long sharers) {
        if (member.rank >= sharers) return;
        // Waits for the others; false where this one has no more to do.
        auto meet = [&] {
            if (sharers > 1 && member.leader_alone()) {
                if (member.rank) return false;
                sharers = 1;
            }
            return true;
        };
        if (!meet()) return;
        const long groups = layer.groups.count;
        for (long step = chunk.begin; step < chunk.end && rows.count(step, 0); step++)
            for (size_t phase = 0; phase < code.size(); phase++) {
                if (sharers > 1 && !program.forward[phase].products.empty() &&
                    (step > chunk.begin || phase)) {
                    member.barrier();
                    if (!meet()) return;
                }
                advance(chunk, step, phase, code[phase], groups * member.rank / sharers,
                        groups * (member.rank + 1) / sharers);
            }
        if (training || chunk.end == p.steps) return;
        if (sharers > 1) { // the others may still read what the chunk began with
            member.barrier();
            if (!meet()) return;
        }
        carry(chunk, layer.groups.first(groups * member.rank / sharers),
              layer.groups.first(groups * (member.rank + 1) / sharers));
    }

    T* plane(long index, long row) const { return memory + index * pitch + row * layer.row; }

    // A state before a step: that after the one before, or what entered where it is set to zero.
    const T* before(long s, const Chunk& chunk, long step) const {
        if (p.reset) return plane(layer.entered_at + s, chunk.row(step));
        return stood(s, chunk, step);
    }
    const T* stood(long s, const Chunk& chunk, long step) const {
        if (step > chunk.begin) return plane(program.planes + s, chunk.row(step - 1));
        if (step && training) return plane(program.planes + s, rows.base(step - 1, chunk.group));
        return initial + (s * p.batch + rows.first[chunk.group]) * layer.row;
    }

    Plane<T> place(const Home& place, const Chunk& chunk, long step) const {
        switch (place.kind) {
        case Kind::PLANE: return {plane(place.index, chunk.row(step)), layer.row};
        case Kind::BEFORE: return {const_cast<T*>(before(place.index, chunk, step)), layer.row};
        case Kind::AFTER: return {plane(program.planes + place.index, chunk.row(step)), layer.row};
        case Kind::GIVEN: return {plane(layer.given_at + place.index, chunk.row(step)), layer.row};
        default: return Base::of_group(place, chunk.group);
        }
    }

    // One phase of one step, for some groups of units.
    void advance(const Chunk& chunk, long step, size_t number, Interpreter<T>& code, long group, long end) {
        const Phase& phase = program.forward[number];
        const long n = rows.count(step, chunk.group), first = layer.groups.first(group),
                   last = layer.groups.first(end);
        if (p.reset && number == 0) enter(chunk, step);
        if (number == 0) take(chunk, step, first, last);
        const bool chained = rows.dense ? p.batch == 1 : n == 1 && p.groups == 1;
        auto planes = [&](const Home& at) { return place(at, chunk, step); };
        const bool tall = n >= 8;
        if (layer.normed) multiply_whole(phase, chunk, step, n, chained);
        for (; group < end; group++) {
            for (const auto& made : phase.products)
                if (!layer.normed) multiply(made, chunk, step, n, group, chained);
            if (tall) code.run(planes, n, layer.groups.first(group), layer.groups.first(group + 1), false);
        }
        if (!tall) code.run(planes, n, first, last, Base::whole(first, last));
        if (number + 1 == program.forward.size()) leave(chunk, step, first, last);
    }

    void multiply(const Phase::Made& made, const Chunk& chunk, long step, long n, long group, bool chained) {
        const Span& span = program.products[made.product];
        const Columns columns = layer.columns(layer.groups, group, span.gates());
        const Plane<T> entering = place(span.entering, chunk, step);
        const long deep = layer.deep(made.product), row = chunk.row(step);
        const bool normed = layer.normed && !layer.is_projection(made.product);
        const long at = layer.product_at(made.product) + columns.unit * columns.gates * L * deep;
        multiply_group(columns, n, Left<T>{entering.at, entering.row, 1, deep},
                       weights ? weights + at : nullptr, matrix_of(p, layer, made.product), chained,
                       [&](long first, long width) {
                           return normed ? to_normed(columns, first, width, row, layer.slots() + span.first)
                                         : to_slots(columns, first, width, row, span.first);
                       });
    }

    // The products of a phase with all their units, each gate normalised.
    void multiply_whole(const Phase& phase, const Chunk& chunk, long step, long n, bool chained) {
        for (const auto& made : phase.products) {
            for (long group = 0; group < layer.groups.count; group++)
                multiply(made, chunk, step, n, group, chained);
            if (layer.is_projection(made.product)) continue;
            const Span& span = program.products[made.product];
            for (long r = 0; r < n; r++)
                normalise(chunk.row(step) + r, true, span.gates(), [&](long i) { return span.first + i; });
        }
    }

    // Gates of one row of the input's product, which come first, or of a recurrent one, which is added to
    // them. `slot(i)`: of each.
    template <class F> void normalise(long row, bool recurrent, long count, F slot) {
        const long from = recurrent ? layer.slots() : 0;
        auto gate = [&](long i) {
            const long mine = slot(i), which = from + mine;
            const bool summed = recurrent && program.slots[mine].x >= 0;
            T* to = plane(mine, row);
            const T* add = summed ? to : bias + mine * layer.units;
            return NormedGate<T>{plane(layer.normed_at + which, row), gain(which), add, to, nullptr, nullptr};
        };
        normalise_gates<false, T>(p.hidden, count, gate, [&](long i, const NormedGate<T>& done) {
            if (training) rests[row * 2 * layer.slots() + from + slot(i)] = done.rest;
        });
    }

    const T* gain(long which) const { return bias + (layer.slots() + which) * layer.units; }

    ToPlanes<T> to_slots(const Columns& columns, long first, long width, long row, long slot) const {
        ToPlanes<T> to{{}, {}, {}, layer.row};
        Columns::Walk walk = columns.walk(first);
        for (long c = 0; c < width; c++, walk.next()) {
            const long mine = slot + walk.gate, at = walk.unit * L;
            to.to[c] = plane(mine, row) + at;
            const bool summed = program.slots[mine].x >= 0;
            to.add[c] = summed ? to.to[c] : bias + mine * layer.units + at;
            to.add_row[c] = summed ? layer.row : 0;
        }
        return to;
    }

    // The same of a product as it is, before it is normalised.
    ToPlanes<T> to_normed(const Columns& columns, long first, long width, long row, long which) const {
        ToPlanes<T> to{{}, {}, {}, layer.row};
        Columns::Walk walk = columns.walk(first);
        for (long c = 0; c < width; c++, walk.next()) {
            const long at = walk.unit * L;
            to.to[c] = plane(layer.normed_at + which + walk.gate, row) + at;
            to.add[c] = nothing + at;
        }
        return to;
    }

    // The input's product for the steps of a chunk.
    void project_shared(Member& member, const Chunk& chunk) {
        const long from = std::min(rows.base(chunk.begin, 0), rows.base(chunk.end - 1, 0));
        const long to = std::min(chunk.row(chunk.begin), chunk.row(chunk.end - 1));
        long n = 0;
        for (long step = chunk.begin; step < chunk.end; step++) n += rows.count(step, 0);
        const long pieces = std::max((n + BLOCK_ROWS - 1) / BLOCK_ROWS, std::min<long>(n, member.size));
        const long across = pieces >= member.size || layer.normed ? 1 : member.size,
                   groups = layer.x_groups.count;
        member.share(pieces * across, [&](long i) {
            const long piece = i / across, first = n * piece / pieces, last = n * (piece + 1) / pieces;
            project_rows(member, from + first, last - first, to + first, groups * (i % across) / across,
                         groups * (i % across + 1) / across);
        });
    }

    void project_rows(Member& member, long row, long n, long to, long group, long end) {
        if (layer.of_x.empty()) return;
        const Left<T> left = inputs(member, row, n);
        for (; group < end; group++) {
            const Columns columns = layer.columns(layer.x_groups, group, long(layer.of_x.size()));
            const long at = columns.unit * columns.gates * L * layer.input;
            multiply_group(columns, n, left, weights ? weights + at : nullptr, matrix_of_x(p, layer), false,
                           [&](long first, long width) { return to_slots_of_x(columns, first, width, to); });
        }
        for (long r = 0; layer.normed && r < n; r++)
            normalise(to + r, false, long(layer.of_x.size()), [&](long i) { return layer.of_x[i]; });
    }

    ToPlanes<T> to_slots_of_x(const Columns& columns, long first, long width, long row) const {
        ToPlanes<T> to{{}, {}, {}, layer.row};
        Columns::Walk walk = columns.walk(first);
        for (long c = 0; c < width; c++, walk.next()) {
            const long slot = layer.of_x[walk.gate], at = walk.unit * L;
            to.to[c] = plane((layer.normed ? layer.normed_at : 0) + slot, row) + at;
            to.add[c] = (layer.normed ? nothing : bias + slot * layer.units) + at;
        }
        return to;
    }

    bool begins(long step, long group, long r) const {
        const long b = rows.who[rows.first[group] + r];
        return entrance.begins(rows.time(step, b), b);
    }

    // The states that enter a step, zero where an episode begins.
    void enter(const Chunk& chunk, long step) {
        for (long s = 0; s < program.states; s++) {
            const T* from = stood(s, chunk, step);
            T* to = plane(layer.entered_at + s, chunk.row(step));
            for (long r = 0; r < rows.count(step, chunk.group); r++, from += layer.row, to += layer.row)
                if (begins(step, chunk.group, r))
                    std::memset(to, 0, layer.units * sizeof(T));
                else
                    std::memcpy(to, from, layer.units * sizeof(T));
        }
    }

    // What comes with a step, for some registers of units.
    void take(const Chunk& chunk, long step, long unit, long end) {
        const long begin = unit * L, full = (end - unit) * L;
        for (size_t i = 0; i < program.given.size(); i++) {
            const long wide = layer.width(program.given[i]), width = std::clamp(wide - begin, 0L, full);
            for (long r = 0; r < rows.count(step, chunk.group); r++) {
                T* to = plane(layer.given_at + long(i), chunk.row(step) + r) + begin;
                if (width)
                    std::memcpy(to, (const T*)p.given[i] + at(step, chunk, r) * wide + begin,
                                width * sizeof(T));
                std::memset(to + width, 0, (full - width) * sizeof(T));
            }
        }
    }

    // Where a row of a step stands in an array [T, B].
    long at(long step, const Chunk& chunk, long r) const {
        const long b = rows.who[rows.first[chunk.group] + r];
        return rows.time(step, b) * p.batch + b;
    }

    // What goes out after a step: y, and the states of the sequences that end with it.
    void leave(const Chunk& chunk, long step, long unit, long end) {
        const long begin = unit * L, n = rows.count(step, chunk.group);
        const long next = step + 1 < p.steps ? rows.count(step + 1, chunk.group) : 0;
        for (long s = 0; s < program.states; s++) {
            const long wide = layer.width(s), width = std::min(end * L, wide) - begin;
            if (width <= 0) continue;
            for (long r = p.ys[s] ? 0 : next; r < n; r++) {
                const T* from = plane(program.planes + s, chunk.row(step) + r) + begin;
                const long b = rows.who[rows.first[chunk.group] + r];
                if (p.ys[s])
                    std::memcpy((T*)p.ys[s] + at(step, chunk, r) * wide + begin, from, width * sizeof(T));
                if (r >= next) std::memcpy((T*)p.after[s] + b * wide + begin, from, width * sizeof(T));
            }
        }
    }

    // The states after a chunk are those before the next one, which takes its memory.
    void carry(const Chunk& chunk, long unit, long end) {
        const long n = rows.count(chunk.end - 1, chunk.group), begin = unit * L;
        if (training || !n) return;
        for (long s = 0; s < program.states; s++)
            for (long r = 0; r < n; r++)
                std::memcpy(initial + (s * p.batch + rows.first[chunk.group] + r) * layer.row + begin,
                            plane(program.planes + s, chunk.row(chunk.end - 1) + r) + begin,
                            (end - unit) * L * sizeof(T));
    }

    // Sequences of no step keep the states that they came with.
    void finish_empty() {
        for (long i = 0; i < p.batch; i++) {
            const long b = rows.who[i];
            for (long s = 0; !rows.length(b) && s < program.states; s++)
                std::memcpy((T*)p.after[s] + b * layer.width(s), initial + (s * p.batch + i) * layer.row,
                            layer.width(s) * sizeof(T));
        }
    }

    const bool training;
    const T* const weights; // null: as they lie
    const Buffer<T> biases; // where the weights have none laid out
    const T* const bias;
    const long ahead; // steps whose input's product is made at once
    const long pitch; // numbers of a plane
    const Buffer<T> own;
    T* const memory;
    T* const rests;                                   // of each row, 1 / deviation of each normed product
    const Buffer<T> nothing = Buffer<T>(layer.units); // a row of zeros
    const InputRows<T> inputs;
};

} // namespace elman::ELMAN_ISA

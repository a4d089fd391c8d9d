// The time loop of a list, forward: each step phase by phase, each phase group of units by group of units.
#pragma once

#include "layer.h"

namespace elman::ELMAN_ISA {

template <class T> class ListForward : ListScan<T> {
    using Base = ListScan<T>;
    using Base::entrance, Base::initial, Base::layer, Base::p, Base::program, Base::rows;
    static constexpr int L = LANES<T>;

  public:
    explicit ListForward(const ListProblem& p)
        : Base(p), training(p.kept), weights((const T*)p.packed), ahead(steps_ahead()),
          pitch((training ? rows.rows : ahead * p.batch) * layer.row), own(training ? 0 : planes() * pitch),
          memory(training ? (T*)p.kept : (T*)own), inputs(p, rows) {}

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

    long planes() const { return program.planes + program.states * (p.reset ? 2 : 1); }
    long steps_ahead() const {
        const long together = std::max(1L, p.batch / p.groups),
                   bytes = together * layer.row * long(program.slots.size() + 1) * long(sizeof(T));
        return std::clamp(std::max(GATES_IN_CACHE / bytes, 24 / together), 1L, std::max(1L, p.steps));
    }

    void work(Member& member) {
        if (p.groups > 1) return member.share(p.groups, [&](long group) { run_alone(member, group); });
        const long together = p.reset ? 1 : sharers<T>(member, layer.recurrent(p.batch));
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
        if (p.reset) return plane(program.planes + program.states + s, chunk.row(step));
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
        default: return Base::of_group(place, chunk.group);
        }
    }

    // One phase of one step, for some groups of units.
    void advance(const Chunk& chunk, long step, size_t number, Interpreter<T>& code, long group, long end) {
        const Phase& phase = program.forward[number];
        const long n = rows.count(step, chunk.group), first = layer.groups.first(group),
                   last = layer.groups.first(end);
        if (p.reset && number == 0) enter(chunk, step);
        const bool chained = rows.dense ? p.batch == 1 : n == 1 && p.groups == 1;
        auto planes = [&](const Home& at) { return place(at, chunk, step); };
        const bool tall = n >= 8;
        for (; group < end; group++) {
            for (const auto& made : phase.products) multiply(made, chunk, step, n, group, chained);
            if (tall) code.run(planes, n, layer.groups.first(group), layer.groups.first(group + 1), false);
        }
        if (!tall) code.run(planes, n, first, last, Base::whole(first, last));
        if (number + 1 == program.forward.size()) leave(chunk, step, first, last);
    }

    void multiply(const Phase::Made& made, const Chunk& chunk, long step, long n, long group, bool chained) {
        const Span& span = program.products[made.product];
        const Columns columns = layer.columns(layer.groups, group, span.gates());
        const Plane<T> entering = place(span.entering, chunk, step);
        const Left<T> left{entering.at, entering.row, 1, p.hidden};
        const T* w = weights + layer.product_at(made.product) + columns.unit * columns.gates * L * p.hidden;
        for (long panel = 0; panel < columns.panels(); panel++) {
            const long first = columns.first(panel), width = columns.first(panel + 1) - first;
            product(int(width), n, left, w, chained,
                    to_slots(columns, first, width, chunk.row(step), span.first));
            w += width * L * p.hidden;
        }
    }

    ToPlanes<T> to_slots(const Columns& columns, long first, long width, long row, long slot) const {
        ToPlanes<T> to{{}, {}, {}, layer.row};
        for (long c = 0; c < width; c++) {
            const long mine = slot + columns.gate(first + c), at = columns.unit_of(first + c) * L;
            to.to[c] = plane(mine, row) + at;
            const bool summed = program.slots[mine].x >= 0;
            to.add[c] = summed ? to.to[c] : weights + layer.bias_at() + mine * layer.units + at;
            to.add_row[c] = summed ? layer.row : 0;
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
        const long across = pieces >= member.size ? 1 : member.size, groups = layer.x_groups.count;
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
            const T* w = weights + columns.unit * columns.gates * L * layer.input;
            for (long panel = 0; panel < columns.panels(); panel++) {
                const long first = columns.first(panel), width = columns.first(panel + 1) - first;
                ToPlanes<T> sum{{}, {}, {}, layer.row};
                for (long c = 0; c < width; c++) {
                    const long slot = layer.of_x[columns.gate(first + c)],
                               at = columns.unit_of(first + c) * L;
                    sum.to[c] = plane(slot, to) + at;
                    sum.add[c] = weights + layer.bias_at() + slot * layer.units + at;
                }
                product(int(width), n, left, w, false, sum);
                w += width * L * layer.input;
            }
        }
    }

    bool begins(long step, long group, long r) const {
        const long b = rows.who[rows.first[group] + r];
        return entrance.begins(rows.time(step, b), b);
    }

    // The states that enter a step, zero where an episode begins.
    void enter(const Chunk& chunk, long step) {
        for (long s = 0; s < program.states; s++) {
            const T* from = stood(s, chunk, step);
            T* to = plane(program.planes + program.states + s, chunk.row(step));
            for (long r = 0; r < rows.count(step, chunk.group); r++, from += layer.row, to += layer.row)
                if (begins(step, chunk.group, r))
                    std::memset(to, 0, layer.units * sizeof(T));
                else
                    std::memcpy(to, from, layer.units * sizeof(T));
        }
    }

    // What goes out after a step: y, and the states of the sequences that end with it.
    void leave(const Chunk& chunk, long step, long unit, long end) {
        const long begin = unit * L, width = std::min(end * L, p.hidden) - begin;
        if (width <= 0) return;
        const long n = rows.count(step, chunk.group);
        const long next = step + 1 < p.steps ? rows.count(step + 1, chunk.group) : 0;
        for (long r = 0; r < n; r++) {
            const long b = rows.who[rows.first[chunk.group] + r], row = rows.time(step, b) * p.batch + b;
            const T* h = plane(program.planes, chunk.row(step) + r) + begin;
            std::memcpy((T*)p.y + row * p.hidden + begin, h, width * sizeof(T));
            for (long s = 0; r >= next && s < program.states; s++)
                std::memcpy((T*)p.after[s] + b * p.hidden + begin,
                            plane(program.planes + s, chunk.row(step) + r) + begin, width * sizeof(T));
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
                std::memcpy((T*)p.after[s] + b * p.hidden, initial + (s * p.batch + i) * layer.row,
                            p.hidden * sizeof(T));
        }
    }

    const bool training;
    const T* const weights;
    const long ahead; // steps whose input's product is made at once
    const long pitch; // numbers of a plane
    const Buffer<T> own;
    T* const memory;
    const InputRows<T> inputs;
};

} // namespace elman::ELMAN_ISA

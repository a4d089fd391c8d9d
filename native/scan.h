// The time loop, forward: once for every cell.
//
// Each step, for one panel of units after another: the recurrent product onto the input's, then, while it is
// in cache, the cell's formula. Threads share a step's panels and meet at a barrier after it, or, where the
// weights fit each core's cache, share the batch and never meet.
#pragma once

#include <algorithm>
#include <vector>

#include "layer.h"
#include "plan.h"

namespace elman::ELMAN_ISA {

constexpr long BLOCK_ROWS = 96;    // rows of a product over all steps that one thread takes at a time
constexpr long SHARED_STEP = 8000; // multiplications of a step, from which sharing them is worth a barrier
constexpr double MEETING = 2.5;    // what a step's sharers lose to each other, in barriers
constexpr long GATES_IN_CACHE = 256 << 10; // bytes of gates that inference computes ahead

template <class T> constexpr long shared_step() { return SHARED_STEP / (sizeof(T) / sizeof(float)); }

// Multiplications a second of one thread, roughly: in a product of many rows, and in one of few.
template <class T> constexpr double RATE = LANES<T> * 3e9;
template <class T> constexpr double SLOW_RATE = LANES<T> * 1.6e9;

// How many members share a step by its units: all, where that saves more than to meet after it takes.
template <class T> long sharers(Member& member, long multiplications) {
    if (member.size == 1 || multiplications < shared_step<T>()) return 1;
    if (multiplications > 16 * shared_step<T>()) return member.size;
    const double saved = multiplications * (1 - 1.0 / member.size) / SLOW_RATE<T>;
    return saved > MEETING * member.barrier_cost() ? member.size : 1;
}

// Panels whose products are made before their formulas: enough of both that one row's wait for none.
inline long at_once(long rows) { return std::max(1L, 8 / rows); }

// Where a row of the plan stands in an array [T, B, ...]: its entry of the batch and its time.
struct Place {
    long time, entry;
};

// The plan of a call, and the rows of its arrays.
struct Rows : Plan {
    explicit Rows(const Problem& p)
        : Plan(p.steps, p.batch, p.lengths, p.reverse, p.groups), dense(!p.lengths) {
        if (dense) return;
        places.resize(rows);
        for (long step = 0; step < steps; step++)
            for (long group = 0; group < groups; group++)
                for (long r = 0; r < count(step, group); r++) {
                    long b = who[first[group] + r];
                    places[Plan::base(step, group) + r] = {time(step, b), b};
                }
    }

    // The first row of a step's group. A dense batch is kept in the order of time, whichever way it runs.
    long base(long step, long group) const {
        if (!dense) return Plan::base(step, group);
        return (reverse ? steps - 1 - step : step) * batch + first[group];
    }
    Place place(long row) const {
        if (!dense) return places[row];
        return {row / batch, row % batch};
    }

    const bool dense;

  private:
    std::vector<Place> places;
};

// Rows of x as the left side of a product: as they lie where they lie well, else copied together.
template <class T> class InputRows {
  public:
    InputRows(const Problem& p, const Rows& rows)
        : x((const T*)p.x), input(p.input), time(p.x_time), batch(p.x_batch), rows(rows),
          block(std::min(BLOCK_ROWS, rows.rows)), row(padded<T>(p.input) + 64 / sizeof(T)),
          copies(p.threads * block * row) {}

    Left<T> operator()(Member& member, long begin, long n) const {
        const Place first = rows.place(begin);
        const bool one_step = first.entry + n <= rows.batch;
        const bool even = rows.dense && (one_step || time == rows.batch * batch || rows.batch == 1);
        const long stride = rows.batch == 1 ? time : batch;
        if (even && (n <= 12 || stride * sizeof(T) % 1024)) return {at(first), stride, 1, input};
        T* copy = copies + member.rank * block * row;
        for (long r = 0; r < n; r++)
            std::memcpy(copy + r * row, at(rows.place(begin + r)), input * sizeof(T));
        return {copy, row, 1, input};
    }

  private:
    const T* at(Place place) const { return x + place.time * time + place.entry * batch; }

    const T* const x;
    const long input, time, batch; // numbers in a row; from a step to the next; from an entry to the next
    const Rows& rows;
    const long block, row; // rows that a thread copies, numbers from one to the next
    const Buffer<T> copies;
};

// What stands between a state and the step that it enters: a mask, and zero where an episode begins.
template <class T> struct Entrance {
    explicit Entrance(const Problem& p)
        : batch(p.batch), hidden(p.hidden), mask((const T*)p.mask), reset(p.reset), open(!mask && !reset) {}

    bool begins(long time, long b) const { return reset && reset[time * batch + b]; }
    Vec<T> masked(Vec<T> h, long b, long unit) const {
        const long left = hidden - unit * LANES<T>;
        if (!mask || left <= 0) return h;
        return h * load(mask + b * hidden + unit * LANES<T>, left);
    }

    const long batch, hidden;
    const T* const mask;
    const bool* const reset;
    const bool open; // nothing stands there
};

// States [B, H] of a caller, padded and in the plan's order; zero where there are none.
template <class T>
void place_rows(const T* from, const std::vector<long>& who, long hidden, long units, long row, T* to) {
    for (size_t i = 0; i < who.size(); i++, to += row) {
        if (from) std::memcpy(to, from + who[i] * hidden, hidden * sizeof(T));
        std::memset(to + (from ? hidden : 0), 0, (units - (from ? hidden : 0)) * sizeof(T));
    }
}

// All initial states so: [S, B, units].
template <class T, class Cell> Buffer<T> initial_states(const Problem& p, const Layer<T, Cell>& layer,
                                                        const Rows& rows) {
    Buffer<T> states(Cell::STATES * p.batch * layer.units);
    for (int s = 0; s < Cell::STATES; s++)
        place_rows((const T*)p.initial[s], rows.who, p.hidden, layer.units, layer.units,
                   states + s * p.batch * layer.units);
    return states;
}

template <class T, class Cell> class Forward {
    static constexpr int L = LANES<T>, GATES = Cell::GATES, SLOTS = Layer<T, Cell>::SLOTS,
                         STATES = Cell::STATES;

  public:
    explicit Forward(const Problem& p)
        : p(p), layer(p), rows(p), training(p.gates), weights((const T*)p.packed),
          biases(weights ? 0 : layer.packed_bias()), bias(weights ? weights + layer.bias_at() : biases),
          entrance(p), initial(initial_states(p, layer, rows)), ahead(steps_ahead()),
          gates(training ? 0 : ahead * p.batch * layer.row),
          states(training ? 0 : (STATES - 1) * 2 * p.batch * layer.units),
          hidden(training || !separate_y() ? 0 : rows.rows * layer.units),
          entered(training || entrance.open ? 0 : 2 * p.batch * layer.units), inputs(p, rows) {
        if (!weights) pack_bias(layer, (const T*)p.weights.b_ih, (const T*)p.weights.b_hh, (T*)biases);
        if (!entrance.open && p.steps) enter_first();
    }

    void run() {
        auto body = [&](Member& member) { work(member); };
        run_team(layer_threads(), body, double(layer.multiplications(rows.rows)) / RATE<T>);
        finish();
    }

  private:
    // A step's rows of one group, and where what they read and write begins.
    struct Step {
        long group, step, count;
        T* gates;
        const T* before[STATES];
        T* after[STATES];
    };

    // Whether the hidden state of all steps stands elsewhere than in y.
    bool separate_y() const { return training || !rows.dense || layer.units != p.hidden; }
    long steps_ahead() const {
        const long together = std::max(1L, p.batch / p.groups),
                   bytes = together * layer.row * long(sizeof(T));
        return std::clamp(std::max(GATES_IN_CACHE / bytes, 24 / together), 1L, std::max(1L, p.steps));
    }
    long layer_threads() const {
        return layer.multiplications(rows.rows) < 60 * shared_step<T>() ? 1 : p.threads;
    }

    void work(Member& member) {
        if (p.groups > 1) return member.share(p.groups, [&](long group) { run_alone(member, group); });
        const long together = sharers<T>(member, p.batch * GATES * p.hidden * p.hidden);
        for (long begin = 0; begin < p.steps; begin += ahead) {
            const long end = std::min(p.steps, begin + ahead);
            project(member, begin, end);
            recur(member, begin, end, together);
            if (end < p.steps) member.barrier();
        }
    }

    // A group of rows that meets no other.
    void run_alone(Member& member, long group) {
        const long panels = layer.panels.count;
        T* const memory = gates + rows.first[group] * ahead * layer.row; // of this group, in inference
        auto chunk = [&](long begin, auto f) {
            T* at = memory;
            for (long step = begin; step < std::min(p.steps, begin + ahead); step++) {
                const long row = rows.base(step, group), n = rows.count(step, group);
                f(step, row, n, training ? (T*)p.gates + row * layer.row : at);
                at += n * layer.row;
            }
        };
        for (long begin = 0; begin < p.steps && rows.count(begin, group); begin += ahead) {
            chunk(begin, [&](long, long row, long n, T* to) {
                for (long r = 0; r < n; r += BLOCK_ROWS)
                    project_rows(member, row + r, std::min(BLOCK_ROWS, n - r), to + r * layer.row, 0, panels);
            });
            chunk(begin, [&](long step, long, long n, T* to) {
                if (n) advance(at(step, group, to), 0, panels);
            });
        }
    }

    // The rows of steps begin to end stand together; the first of them.
    long lowest(long begin, long end) const { return std::min(rows.base(begin, 0), rows.base(end - 1, 0)); }
    T* gates_of(long row, long begin, long end) const {
        if (training) return (T*)p.gates + row * layer.row;
        return gates + (row - lowest(begin, end)) * layer.row;
    }

    // The input's product for the steps from begin to end.
    void project(Member& member, long begin, long end) {
        const long from = lowest(begin, end);
        long n = 0;
        for (long step = begin; step < end; step++) n += rows.count(step, 0);
        const long pieces = std::max((n + BLOCK_ROWS - 1) / BLOCK_ROWS, std::min<long>(n, member.size));
        const long across = pieces >= member.size ? 1 : member.size;
        member.share(pieces * across, [&](long i) {
            long piece = i / across, first = n * piece / pieces, last = n * (piece + 1) / pieces;
            const long panels = layer.panels.count;
            project_rows(member, from + first, last - first, gates_of(from + first, begin, end),
                         panels * (i % across) / across, panels * (i % across + 1) / across);
        });
    }

    void project_rows(Member& member, long row, long n, T* to, long panel, long panels_end) {
        Left<T> left = inputs(member, row, n);
        for (; panel < panels_end; panel++) {
            const long at = layer.panels.first(panel) * SLOTS * L;
            const Sum<T> sum = onto(to + at, layer.row, bias + at, 0);
            if (!weights) {
                straight(panel, n, left, (const T*)p.weights.w_ih, Cell::X_GATE, sum);
                continue;
            }
            const T* w = weights + layer.panels.first(panel) * GATES * L * layer.input;
            product(layer.width(layer.panels, panel), n, left, w, false, sum);
        }
    }

    void recur(Member& member, long begin, long end, long sharers) {
        if (member.rank >= sharers) return;
        for (long step = begin; step < end && rows.count(step, 0); step++) {
            const long panels = layer.panels.count;
            advance(at(step, 0, gates_of(rows.base(step, 0), begin, end)), panels * member.rank / sharers,
                    panels * (member.rank + 1) / sharers);
            if (sharers == 1) continue;
            member.barrier();
            if (!member.leader_alone()) continue;
            if (member.rank) return;
            sharers = 1;
        }
    }

    T* state(int s, long step, long group) const {
        if (step < 0) return initial + (s * p.batch + rows.first[group]) * layer.units;
        const long row = rows.base(step, group);
        if (s == 0)
            return (training ? (T*)p.states[0] : separate_y() ? (T*)hidden : (T*)p.y) + row * layer.units;
        if (training) return (T*)p.states[s] + row * layer.units;
        return states + (((s - 1) * 2 + step % 2) * p.batch + rows.first[group]) * layer.units;
    }

    Step at(long step, long group, T* gates) const {
        Step now{group, step, rows.count(step, group), gates, {}, {}};
        for (int s = 0; s < STATES; s++) {
            now.before[s] = state(s, step - 1, group);
            now.after[s] = state(s, step, group);
        }
        return now;
    }

    // One step of one group's rows, for some panels of units.
    void advance(const Step& now, long panel, long end) {
        const bool chained = rows.dense ? p.batch == 1 : now.count == 1 && p.groups == 1;
        const T* h = entrance.open ? now.before[0] : entering(now.step, now.group);
        const Left<T> left{h, layer.units, 1, p.hidden};
        while (panel < end) {
            const long first = layer.panels.first(panel);
            for (const long stop = std::min(end, panel + at_once(now.count)); panel < stop; panel++)
                multiply(now, left, panel, chained);
            for (long unit = first; unit < layer.panels.first(panel); unit++)
                training ? bend<true>(now, unit) : bend<false>(now, unit);
        }
    }

    // The recurrent product of one panel of units.
    void multiply(const Step& now, const Left<T>& left, long panel, bool chained) {
        const long first = layer.panels.first(panel), at = (first * SLOTS + Cell::APART) * L;
        Sum<T> sum = onto<T>(now.gates + at, layer.row, now.gates + at, layer.row);
        for (int c = GATES - Cell::APART; c < GATES; c++) { // slots that the input's product is not in
            sum.add[c] = bias + at + c * L;
            sum.add_row[c] = 0;
        }
        if (!weights) return straight(panel, now.count, left, (const T*)p.weights.w_hh, Cell::U_GATE, sum);
        const T* w = weights + layer.recurrent_at() + first * GATES * L * layer.hidden;
        product(layer.width(layer.panels, panel), now.count, left, w, chained, sum);
    }

    // The same product from weights as they lie: of so few rows that to lay them out would take longer.
    void straight(long panel, long n, const Left<T>& left, const T* w, const int (&gate)[GATES],
                  const Sum<T>& sum) {
        const long first = layer.panels.first(panel);
        for (int c = 0; c < layer.width(layer.panels, panel); c++) {
            const long unit = (first + c / GATES) * L, there = p.hidden - unit;
            const T* of_units = w + (gate[c % GATES] * p.hidden + unit) * left.k;
            for (long r = 0; r < n; r++)
                sum(r, c, there > 0 ? dots(of_units, there, left.data + r * left.row, left.k) : Vec<T>{});
        }
    }

    // The cell's formula for one register of units, all rows.
    template <bool KEEP> void bend(const Step& now, long unit) {
        const bool apart = separate_y();
        for (long r = 0; r < now.count; r++) {
            T* gate = now.gates + r * layer.row + unit * SLOTS * L;
            const long at = r * layer.units + unit * L;
            Vec<T> a[SLOTS], before[STATES], after[STATES];
            for (int i = 0; i < SLOTS; i++) a[i] = load(gate + i * L);
            for (int s = 0; s < STATES; s++) before[s] = load(now.before[s] + at);
            if (entrance.reset && begins(now, r))
                for (auto& state : before) state = Vec<T>{};
            Cell::forward(a, before, after);
            for (int i = 0; KEEP && i < SLOTS; i++) store(gate + i * L, a[i]);
            for (int s = 0; s < STATES; s++) store(now.after[s] + at, after[s]);
            if (apart) output(now, r, unit, after[0]);
            if (!entrance.open) enter(now.step + 1, now.group, r, unit, after[0]);
        }
    }

    bool begins(const Step& now, long r) const {
        const long b = rows.who[rows.first[now.group] + r];
        return entrance.begins(rows.time(now.step, b), b);
    }

    // What enters a step's product, where something stands between it and the state.
    T* entering(long step, long group) const {
        if (training) return (T*)p.entered + rows.base(step, group) * layer.units;
        return entered + (step % 2 * p.batch + rows.first[group]) * layer.units;
    }

    // Lets one register of a row's hidden state enter a step, if the row has one.
    void enter(long step, long group, long r, long unit, Vec<T> h) {
        if (step == p.steps || r >= rows.count(step, group)) return;
        const long b = rows.who[rows.first[group] + r];
        const bool begins = entrance.begins(rows.time(step, b), b);
        store(entering(step, group) + r * layer.units + unit * L,
              begins ? Vec<T>{} : entrance.masked(h, b, unit));
    }

    void enter_first() {
        for (long group = 0; group < p.groups; group++)
            for (long r = 0; r < rows.count(0, group); r++)
                for (long unit = 0; unit < layer.units / L; unit++)
                    enter(0, group, r, unit, load(state(0, -1, group) + r * layer.units + unit * L));
    }

    void output(const Step& now, long r, long unit, Vec<T> h) {
        const long b = rows.who[rows.first[now.group] + r], row = rows.time(now.step, b) * p.batch + b;
        if (unit * L < p.hidden) store((T*)p.y + row * p.hidden + unit * L, h, p.hidden - unit * L);
    }

    // Each sequence's state after its last step.
    void finish() {
        for (int s = 0; s < STATES; s++)
            for (long group = 0; group < p.groups; group++)
                for (long i = rows.first[group]; i < rows.first[group + 1]; i++) {
                    const long b = rows.who[i];
                    const T* from =
                        state(s, rows.length(b) - 1, group) + (i - rows.first[group]) * layer.units;
                    T* to = (T*)p.last[s] + b * p.hidden;
                    if (to != from) std::memcpy(to, from, p.hidden * sizeof(T)); // one step's y may be it
                }
    }

    const Problem& p;
    const Layer<T, Cell> layer;
    const Rows rows;
    const bool training;
    const T* const weights; // null: as they lie
    const Buffer<T> biases; // where the weights have none laid out
    const T* const bias;
    const Entrance<T> entrance;
    const Buffer<T> initial;
    const long ahead;        // steps whose input's product is made at once
    const Buffer<T> gates;   // of those steps, in inference
    const Buffer<T> states;  // of two steps, in inference: all but the hidden state
    const Buffer<T> hidden;  // of all steps, where neither y nor the caller's memory can hold it
    const Buffer<T> entered; // of two steps, in inference: what entered the product
    const InputRows<T> inputs;
};

} // namespace elman::ELMAN_ISA

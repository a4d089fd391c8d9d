// Every cell's kernels, forward and backward, on memory of just the size that each array has: under the
// sanitizers a read or a write beyond it, a leak and a race end the program. Besides: threads change no bit,
// nor does the way in which the input lies; nothing is read that was not written, nothing beyond a length is
// touched, and each instruction set has the numbers of the portable one. That those are right is
// tests/nn/test_kernels.py's to say.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "../instruction_sets.h"
#include "cases.h"

// Memory of the kernels' own begins as NaN too, under the address sanitizer.
extern "C" [[gnu::visibility("default")]] const char* __asan_default_options() {
    return "malloc_fill_byte=255:max_malloc_fill_size=1000000000";
}

namespace {

using namespace elman;

int failures = 0;

void fail(const char* what, const char* isa, const Case& c, long threads, unsigned missing, int bits) {
    failures++;
    std::fprintf(stderr,
                 "%s: %s cell %d T %ld B %ld I %ld H %ld lengths %d%s%s%s%s layout %d groups %ld threads "
                 "%ld without %x float%d\n",
                 what, isa, int(c.cell), c.size.steps, c.size.batch, c.size.input, c.size.hidden,
                 int(c.lengths), c.reverse ? " reverse" : "", c.bias ? " bias" : "", c.mask ? " mask" : "",
                 c.reset ? " reset" : "", int(c.layout), c.groups, threads, missing, bits);
}

// Whether f(a, b) for each pair of arrays that both have.
template <class T, class F> bool alike(const Outputs<T>& one, const Outputs<T>& other, F f) {
    const auto left = one.all(), right = other.all();
    for (size_t i = 0; i < left.size(); i++)
        if (!left[i]->empty() && !right[i]->empty() && !f(*left[i], *right[i])) return false;
    return true;
}

template <class T> bool same_bits(const Outputs<T>& one, const Outputs<T>& other) {
    return alike(one, other, [](const Array<T>& a, const Array<T>& b) {
        return a.size() == b.size() && !std::memcmp(a.data(), b.data(), a.size() * sizeof(T));
    });
}

// As numbers: zero has two signs, and a sum may lose one of them.
template <class T> bool same_numbers(const Outputs<T>& one, const Outputs<T>& other) {
    return alike(one, other, [](const Array<T>& a, const Array<T>& b) { return a == b; });
}

template <class T> bool close(const Outputs<T>& one, const Outputs<T>& other) {
    const double tolerance = sizeof(T) == 4 ? 2e-5 : 1e-13;
    return alike(one, other, [&](const Array<T>& a, const Array<T>& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](double x, double y) {
            return std::abs(x - y) <= tolerance * (1 + std::abs(y));
        });
    });
}

// One problem, all the memory that it wants, and what is true of it whoever computes it.
template <class T> class Run {
  public:
    Run(const Kernels& kernels, const Case& c, const Inputs<T>& in, long threads, unsigned missing)
        : kernels(kernels), c(c), in(in), threads(threads), missing(missing) {
        p.cell = c.cell;
        p.number = sizeof(T) == 4 ? Number::FLOAT : Number::DOUBLE;
        p.steps = c.size.steps, p.batch = c.size.batch, p.input = c.size.input, p.hidden = c.size.hidden;
        p.threads = threads, p.groups = c.groups, p.reverse = c.reverse;
        give_inputs();
        give_weights();
        give_outputs();
        give_kept();
    }

    Outputs<T> compute() {
        kernels.forward(p);
        kernels.backward(p);
        check_written();
        check_inference();
        // Gates gave place to their gradients; a second forward has them anew.
        const Outputs<T> once = out;
        kernels.forward(p);
        kernels.backward(p);
        if (!same_bits(out, once)) complain("the second time differs");
        check_straight();
        return out;
    }

  private:
    bool lacks(int part) const { return missing >> part & 1; }
    void complain(const char* what) const { fail(what, kernels.name, c, threads, missing, 8 * sizeof(T)); }

    void give_inputs() {
        p.lengths = address(in.lengths);
        p.x = in.x.data(), p.x_time = in.x.time, p.x_batch = in.x.entry;
        p.mask = address(in.mask), p.reset = reinterpret_cast<const bool*>(address(in.reset));
        if (!lacks(DY)) p.dy = in.dy.data(), p.dy_time = in.dy.time, p.dy_batch = in.dy.entry;
        for (long s = 0; s < states_of(c.cell); s++) {
            p.initial[s] = lacks(INITIAL) ? nullptr : address(in.initial[s]);
            p.dlast[s] = lacks(DLAST_HIDDEN + s) ? nullptr : address(in.dlast[s]);
        }
    }

    Matrices as_they_lie() const {
        return {in.w_ih.data(), in.w_hh.data(), address(in.b_ih), address(in.b_hh)};
    }

    void give_weights() {
        packed = unwritten<T>(kernels.packed_size(p)),
        packed_back = unwritten<T>(kernels.packed_back_size(p));
        p.weights = as_they_lie();
        kernels.pack(p, packed.data());
        kernels.pack_back(p, packed_back.data());
        p.weights = {};
        p.packed = packed.data(), p.packed_back = packed_back.data();
    }

    // [T, B, n] to be written up to each length.
    Array<T> sequence(long n) const {
        Array<T> values = unwritten<T>(p.steps * p.batch * n);
        for (long b = 0; b < p.batch; b++)
            for (long t = in.length(b); t < p.steps; t++)
                std::fill_n(values.begin() + (t * p.batch + b) * n, n, T(PADDING));
        return values;
    }

    void* give(Array<T>& to, int part, long n) const {
        to = unwritten<T>(lacks(part) ? 0 : n);
        return address(to);
    }

    void give_outputs() {
        out.y = sequence(p.hidden), p.y = address(out.y);
        if (!lacks(DX)) out.dx = sequence(p.input), p.dx = address(out.dx);
        p.dw_ih = give(out.dw_ih, DW_IH, in.w_ih.size()), p.dw_hh = give(out.dw_hh, DW_HH, in.w_hh.size());
        p.db_ih = give(out.db_ih, DB_IH, in.b_ih.size()), p.db_hh = give(out.db_hh, DB_HH, in.b_hh.size());
        for (long s = 0; s < states_of(c.cell); s++) {
            out.last[s] = unwritten<T>(p.batch * p.hidden), p.last[s] = address(out.last[s]);
            p.dinitial[s] = give(out.dinitial[s], D_HIDDEN + s, p.batch * p.hidden);
        }
    }

    // What forward leaves for backward, as src/elman/kernels/native has it.
    void give_kept() {
        long rows = 0;
        for (long b = 0; b < p.batch; b++) rows += in.length(b);
        const long width = kernels.padded(p);
        gates = unwritten<T>(rows * kernels.gates_row(p)), p.gates = address(gates);
        if (c.mask || c.reset) entered = unwritten<T>(rows * width), p.entered = address(entered);
        for (long s = 0; s < states_of(c.cell); s++) {
            after[s] = unwritten<T>(rows * width);
            p.states[s] = address(after[s]);
        }
    }

    bool stays(const Array<T>& values, long row, long n) const {
        return values.empty() || std::all_of(values.begin() + row * n, values.begin() + (row + 1) * n,
                                             [](T value) { return value == PADDING; });
    }

    void check_written() const {
        for (const Array<T>* part : out.all())
            if (std::any_of(part->begin(), part->end(), [](T value) { return value != value; }))
                complain("read or left what nobody wrote");
        for (long b = 0; b < p.batch; b++)
            for (long t = in.length(b); t < p.steps; t++)
                if (!stays(out.y, t * p.batch + b, p.hidden) || !stays(out.dx, t * p.batch + b, p.input))
                    complain("wrote beyond a length");
    }

    // Inference keeps nothing, and has the same outputs; from weights as they lie, the same numbers.
    void check_inference() const {
        if (!same_bits(infer(true), out)) complain("inference differs from training");
        if (!close(infer(false), out)) complain("weights as they lie give other numbers");
    }

    // From weights as they lie, the same gradients.
    void check_straight() {
        const Outputs<T> once = out;
        kernels.forward(p);
        give_outputs();
        p.weights = as_they_lie();
        p.packed_back = nullptr;
        kernels.backward(p);
        p.weights = {}, p.packed_back = packed_back.data();
        out.y = once.y;
        for (int s = 0; s < MOST_STATES; s++) out.last[s] = once.last[s];
        check_written();
        if (!close(out, once)) complain("weights as they lie give other gradients");
        out = once;
    }

    Outputs<T> infer(bool laid_out) const {
        Outputs<T> inferred;
        inferred.y = sequence(p.hidden);
        Problem q = p;
        q.y = address(inferred.y), q.gates = q.entered = nullptr;
        for (long s = 0; s < states_of(c.cell); s++) {
            inferred.last[s] = unwritten<T>(p.batch * p.hidden);
            q.last[s] = address(inferred.last[s]), q.states[s] = nullptr;
        }
        if (!laid_out) {
            q.weights = as_they_lie();
            q.packed = nullptr;
        }
        kernels.forward(q);
        return inferred;
    }

    const Kernels& kernels;
    const Case& c;
    const Inputs<T>& in;
    const long threads;
    const unsigned missing;
    Problem p{};
    Outputs<T> out;
    Array<T> packed, packed_back, gates, entered, after[MOST_STATES];
};

template <class T>
Outputs<T> compute(const Kernels& kernels, const Case& c, const Inputs<T>& in, long threads,
                   unsigned missing = 0) {
    return Run<T>(kernels, c, in, threads, missing).compute();
}

// The same numbers for every instruction set; the same bits however many threads, in whatever groups of
// equally long rows, and however the input lies.
template <class T> void check(const Case& c, long threads) {
    const Inputs<T> in(c);
    const int bits = 8 * sizeof(T);
    Outputs<T> portable;
    for (const Kernels* kernels : available()) {
        const Outputs<T> one = compute(*kernels, c, in, 1);
        auto expect = [&](bool truth, const char* what, long threads) {
            if (!truth) fail(what, kernels->name, c, threads, 0, bits);
        };
        if (kernels == &kernels_base) portable = one;
        expect(close(one, portable), "other numbers than the portable kernels", 1);
        if (threads > 1)
            expect(same_bits(compute(*kernels, c, in, threads), one), "other bits than on one thread",
                   threads);
        Case plain = c;
        plain.layout = Layout::DENSE;
        if (c.lengths == Lengths::WHOLE) plain.groups = 1;
        if (plain.layout == c.layout && plain.groups == c.groups) continue;
        expect(same_bits(compute(*kernels, plain, Inputs<T>(plain), 1), one),
               "other bits than of a dense input in one group", 1);
    }
}

// The case's inputs with zeros for some of them.
template <class T> Inputs<T> without(Inputs<T> in, unsigned missing) {
    auto zero = [&](int part, Array<T>& values) {
        for (T& value : values)
            if ((missing >> part & 1) && value == value) value = 0;
    };
    zero(DY, in.dy.numbers);
    for (int s = 0; s < MOST_STATES; s++) {
        zero(DLAST_HIDDEN + s, in.dlast[s]);
        zero(INITIAL, in.initial[s]);
    }
    return in;
}

// What is not wanted changes nothing of the rest; what is not there is zero.
template <class T> void check_missing(const Case& c, long threads) {
    const Inputs<T> in(c);
    std::vector<unsigned> sets{WEIGHTS, 1 << DW_IH | 1 << DW_HH, 1 << D_HIDDEN | 1 << D_CELL, OUTPUTS,
                               INPUTS};
    for (int part = 0; part < PARTS; part++) sets.push_back(1u << part);
    for (const Kernels* kernels : available()) {
        const Outputs<T> all = compute(*kernels, c, in, threads);
        for (unsigned missing : sets) {
            const Outputs<T> rest = compute(*kernels, c, in, threads, missing);
            const bool right = missing & INPUTS
                                   ? same_numbers(rest, compute(*kernels, c, without(in, missing), threads))
                                   : same_bits(rest, all);
            if (!right)
                fail("what is missing changes the rest", kernels->name, c, threads, missing, 8 * sizeof(T));
        }
    }
}

// A mask of ones and no reset are none; where all is reset, no step knows of another.
template <class T> void check_entrance(Case c) {
    c.mask = c.reset = true;
    Case open = c;
    open.mask = open.reset = false;
    Inputs<T> in(c);
    const Inputs<T> plain(open);
    auto zero = [](T value) { return value == 0; };
    for (const Kernels* kernels : available()) {
        std::fill(in.mask.begin(), in.mask.end(), T(1));
        std::fill(in.reset.begin(), in.reset.end(), 0);
        if (!same_numbers(compute(*kernels, c, in, 2), compute(*kernels, open, plain, 2)))
            fail("an open entrance changes something", kernels->name, c, 2, 0, 8 * sizeof(T));
        std::fill(in.reset.begin(), in.reset.end(), 1);
        const Outputs<T> apart = compute(*kernels, c, in, 2);
        bool none = std::all_of(apart.dw_hh.begin(), apart.dw_hh.end(), zero);
        for (long b = 0; b < c.size.batch; b++)
            for (long i = b * c.size.hidden; in.length(b) && i < (b + 1) * c.size.hidden; i++)
                for (const auto& state : apart.dinitial) none = none && (state.empty() || zero(state[i]));
        if (!none) fail("a gradient through a reset", kernels->name, c, 2, 0, 8 * sizeof(T));
    }
}

template <class T> Array<T> weight_gradients(const Outputs<T>& out) {
    Array<T> all;
    for (const Array<T>* part : {&out.dw_ih, &out.dw_hh, &out.db_ih, &out.db_hh})
        all.insert(all.end(), part->begin(), part->end());
    return all;
}

// A batch's gradients of the weights are the sums of its entries'. Together these have more rows than are
// summed at once, alone they have not: only so is a wrong sum seen, which all the other calls would share.
template <class T> void check_sums(CellKind cell, const Sizes& size) {
    const Case c{cell, size, Lengths::RAGGED};
    Inputs<T> in({cell, size}); // with numbers at all steps
    for (const Kernels* kernels : available()) {
        in.lengths.assign(size.batch, size.steps);
        const Array<T> whole = weight_gradients(compute(*kernels, c, in, 2));
        Array<T> sum(whole.size());
        for (long b = 0; b < size.batch; b++) {
            in.lengths.assign(size.batch, 0);
            in.lengths[b] = size.steps;
            const Array<T> part = weight_gradients(compute(*kernels, c, in, 1));
            std::transform(sum.begin(), sum.end(), part.begin(), sum.begin(), std::plus<T>());
        }
        const T most = *std::max_element(whole.begin(), whole.end());
        for (size_t i = 0; i < sum.size(); i++)
            if (!(std::abs(sum[i] - whole[i]) <= most * (sizeof(T) == 4 ? 1e-5 : 1e-14)))
                return fail("not the sum of its entries'", kernels->name, c, 2, 0, 8 * sizeof(T));
    }
}

// Each `every`th of all kinds of calls of that size, others for other cells; on one thread, and where it says
// so on two or three.
void check_kinds(const Sizes& size, int every, bool shared) {
    for (CellKind cell : CELLS)
        for (int kind = (int(cell) * 5 + int(size.hidden)) % every, i = 0; kind < 256; kind += every, i++) {
            auto bit = [&](int i) { return bool(kind >> i & 1); };
            const Case c{cell,
                         size,
                         bit(0) ? Lengths::RAGGED : Lengths::WHOLE,
                         bit(1),
                         bit(2),
                         bit(3),
                         bit(4),
                         Layout(kind >> 6),
                         bit(5) ? 2 : 1};
            const long threads = shared ? 2 + i % 2 : 1;
            check<float>(c, threads);
            check<double>(c, threads);
        }
}

void check_parts(CellKind cell, Lengths lengths, bool entrance, long groups) {
    const bool reverse = int(cell) % 2;
    Case c{cell, {4, 5, 3, 18}, lengths, reverse, true, entrance, entrance, Layout::DENSE, groups};
    check_missing<float>(c, 1);
    check_entrance<double>(c);
    c.size = {8, 4, 16, 33};
    if (lengths == Lengths::WHOLE) check_missing<double>(c, 2);
}

} // namespace

int main() {
    // Little of everything, on one thread: lanes beyond hidden, panels that are not whole, no step, no row.
    check_kinds({5, 3, 2, 3}, 3, false);
    const Sizes small[] = {{1, 1, 1, 1},  {7, 1, 1, 1}, {5, 1, 3, 17}, {4, 2, 5, 8},
                           {3, 5, 1, 16}, {0, 3, 2, 5}, {3, 0, 2, 5}};
    for (const Sizes& size : small) check_kinds(size, 11, false);
    check_kinds({2, 14, 256, 9}, 23, false); // a stride of x at which it is copied
    // From here on there is enough of it for the threads to share: the rows, and of most cells the steps. The
    // last has more rows and more steps than are worked on at once.
    const Sizes large[] = {{10, 9, 16, 33}, {6, 12, 7, 64}, {5, 2, 40, 101}, {2, 2, 70, 130}, {90, 3, 5, 31}};
    for (const Sizes& size : large) check_kinds(size, 101, true);
    for (CellKind cell : CELLS)
        for (Lengths lengths : {Lengths::WHOLE, Lengths::RAGGED, Lengths::ZERO})
            for (bool entrance : {false, true})
                check_parts(cell, lengths, entrance, 1 + (int(cell) + int(lengths) + entrance) % 2);
    for (CellKind cell : CELLS) {
        check_sums<float>(cell, {90, 3, 5, 17});
        check_sums<double>(cell, {90, 6, 5, 17});
    }
    return failures != 0;
}

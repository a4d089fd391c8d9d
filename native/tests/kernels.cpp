// Every cell's kernels, forward and backward, on memory of just the size that each array has: under the
// sanitizers a read or a write beyond it, a leak and a race end the program. Besides: threads change no bit,
// and each instruction set has the numbers of the portable one. That those are right is
// tests/test_kernels.py's to say.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "../problem.h"

namespace elman {
extern const Kernels kernels_base;
#ifdef ELMAN_HAS_AVX2
extern const Kernels kernels_avx2;
#endif
#ifdef ELMAN_HAS_AVX512
extern const Kernels kernels_avx512;
#endif
} // namespace elman

namespace {

using namespace elman;

std::vector<const Kernels*> available() {
    std::vector<const Kernels*> found{&kernels_base};
#ifdef ELMAN_HAS_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&kernels_avx2);
#endif
#ifdef ELMAN_HAS_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        found.push_back(&kernels_avx512);
#endif
    return found;
}

struct Sizes {
    long steps, batch, input, hidden;
};

struct Case {
    CellKind cell;
    Sizes size;
    bool ragged, reverse, bias;
    long groups;
};

template <class T> using Array = std::vector<T>;

// What a case reads, the same for whoever computes it.
template <class T> struct Inputs {
    Inputs(const Case& c, long gates) : sizes(c.size) {
        auto [steps, batch, input, hidden] = c.size;
        std::mt19937 generator(1234);
        auto draw = [&](long n) {
            Array<T> values(n);
            for (T& value : values) value = T(std::uniform_real_distribution<double>(-0.5, 0.5)(generator));
            return values;
        };
        x = draw(steps * batch * input);
        dy = draw(steps * batch * hidden);
        for (auto& state : initial) state = draw(batch * hidden);
        for (auto& state : dlast) state = draw(batch * hidden);
        w_ih = draw(gates * hidden * input);
        w_hh = draw(gates * hidden * hidden);
        if (c.bias) b_ih = draw(gates * hidden), b_hh = draw(gates * hidden);
        for (long b = 0; c.ragged && b < batch; b++) lengths.push_back(1 + (b * 7 + 3) % steps);
        if (c.ragged) lengths[0] = 0;
    }
    Sizes sizes;
    Array<T> x, dy, initial[MOST_STATES], dlast[MOST_STATES], w_ih, w_hh, b_ih, b_hh;
    Array<long> lengths;
};

// All that a case computes, one array after another.
template <class T> Array<T> compute(const Kernels& kernels, const Case& c, const Inputs<T>& in,
                                    long threads) {
    auto [steps, batch, input, hidden] = c.size;
    const long states = c.cell == CellKind::LSTM ? 2 : 1;
    auto address = [](auto& array) { return array.empty() ? nullptr : array.data(); };
    Problem p{};
    p.cell = c.cell;
    p.number = sizeof(T) == 4 ? Number::FLOAT : Number::DOUBLE;
    p.steps = steps, p.batch = batch, p.input = input, p.hidden = hidden;
    p.threads = threads, p.groups = c.groups, p.reverse = c.reverse;
    p.lengths = address(in.lengths);
    p.x = in.x.data(), p.x_time = batch * input, p.x_batch = input;

    Array<T> packed(kernels.packed_size(p)), packed_back(kernels.packed_back_size(p));
    const Matrices matrices{in.w_ih.data(), in.w_hh.data(), address(in.b_ih), address(in.b_hh)};
    kernels.pack(p, matrices, packed.data());
    kernels.pack_back(p, matrices, packed_back.data());
    p.packed = packed.data(), p.packed_back = packed_back.data();

    long rows = steps * batch;
    if (c.ragged) {
        rows = 0;
        for (long length : in.lengths) rows += length;
    }
    Array<T> y(steps * batch * hidden), kept(rows * kernels.gates_row(p)), after[MOST_STATES],
        last[MOST_STATES];
    Array<T> dx(steps * batch * input), dw_ih(in.w_ih.size()), dw_hh(in.w_hh.size()), db_ih(in.b_ih.size()),
        db_hh(in.b_hh.size()), dinitial[MOST_STATES];
    p.y = y.data(), p.gates = kept.data();
    for (long s = 0; s < states; s++) {
        if (s || c.ragged || kernels.padded(p) != hidden) after[s].resize(rows * kernels.padded(p));
        last[s].resize(batch * hidden), dinitial[s].resize(batch * hidden);
        p.initial[s] = in.initial[s].data(), p.last[s] = last[s].data(), p.states[s] = address(after[s]);
        p.dlast[s] = in.dlast[s].data(), p.dinitial[s] = dinitial[s].data();
    }
    kernels.forward(p);
    const Array<T> trained = y;
    p.dy = in.dy.data(), p.dy_time = batch * hidden, p.dy_batch = hidden;
    p.dx = dx.data(), p.dw_ih = dw_ih.data(), p.dw_hh = dw_hh.data();
    p.db_ih = address(db_ih), p.db_hh = address(db_hh);
    kernels.backward(p);

    // Inference keeps nothing, and has the same outputs.
    Problem q = p;
    Array<T> z(y.size());
    q.y = z.data(), q.gates = nullptr, q.states[0] = q.states[1] = nullptr;
    kernels.forward(q);
    Array<T> all;
    for (const Array<T>* part :
         std::initializer_list<const Array<T>*>{&trained, &z, &last[0], &last[1], &dx, &dw_ih, &dw_hh, &db_ih,
                                                &db_hh, &dinitial[0], &dinitial[1]})
        all.insert(all.end(), part->begin(), part->end());
    return all;
}

int failures = 0;

void fail(const char* what, const char* isa, const Case& c, long threads, int bits) {
    failures++;
    std::fprintf(stderr, "%s: %s cell %d T %ld B %ld I %ld H %ld%s%s groups %ld threads %ld float%d\n", what,
                 isa, int(c.cell), c.size.steps, c.size.batch, c.size.input, c.size.hidden,
                 c.ragged ? " ragged" : "", c.reverse ? " reverse" : "", c.groups, threads, bits);
}

template <class T> void check(const Case& c) {
    const long gates = c.cell == CellKind::LSTM ? 4 : c.cell == CellKind::GRU ? 3 : 1;
    const Inputs<T> in(c, gates);
    const double tolerance = sizeof(T) == 4 ? 2e-4 : 1e-10;
    const int bits = 8 * sizeof(T);
    const Array<T> truth = compute(kernels_base, c, in, 1);
    for (const Kernels* kernels : available()) {
        const Array<T> one = compute(*kernels, c, in, 1);
        for (size_t i = 0; i < one.size(); i++)
            if (!(std::abs(double(one[i]) - double(truth[i])) <=
                  tolerance * (1 + std::abs(double(truth[i]))))) {
                fail("other numbers than the portable kernels", kernels->name, c, 1, bits);
                break;
            }
        for (long threads : {2L, 3L}) {
            const Array<T> many = compute(*kernels, c, in, threads);
            if (std::memcmp(many.data(), one.data(), one.size() * sizeof(T)))
                fail("other bits than on one thread", kernels->name, c, threads, bits);
        }
    }
}

} // namespace

int main() {
    const Sizes sizes[] = {{1, 1, 1, 1},   {5, 1, 3, 17},  {4, 3, 5, 8},
                           {7, 9, 16, 33}, {6, 14, 7, 64}, {3, 2, 40, 100}};
    for (CellKind cell : {CellKind::LSTM, CellKind::GRU, CellKind::RNN, CellKind::RNN_RELU})
        for (const Sizes& size : sizes)
            for (int kind = 0; kind < 8; kind++) {
                const Case c{cell,           size,        bool(kind & 1),
                             bool(kind & 2), !(kind & 4), size.batch > 3 ? 2L : 1L};
                check<float>(c);
                check<double>(c);
            }
    return failures != 0;
}

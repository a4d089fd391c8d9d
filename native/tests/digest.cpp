// The digest of weights: by it a change of them behind their owner's back is seen.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "../instruction_sets.h"

namespace {

using namespace elman;

int failures = 0;

struct Weights {
    Weights(CellKind cell, long input, long hidden, bool bias) {
        const long gates = BUILT_IN[int(cell)].gates;
        p.cell = cell, p.number = Number::FLOAT, p.input = input, p.hidden = hidden, p.threads = 1;
        sizes = {gates * hidden * input, gates * hidden * hidden, bias * gates * hidden,
                 bias * gates * hidden};
        for (long size : sizes) all.emplace_back(size);
        std::mt19937 generator(5);
        for (auto& part : all)
            for (float& w : part) w = std::uniform_real_distribution<float>(-1, 1)(generator);
    }
    uint64_t digest(const Kernels& kernels, long threads = 1) {
        const void* at[4];
        for (int i = 0; i < 4; i++) at[i] = all[i].empty() ? nullptr : all[i].data();
        p.weights = {at[0], at[1], at[2], at[3]};
        p.threads = threads;
        return kernels.digest(p);
    }
    Problem p{};
    std::vector<long> sizes;
    std::vector<std::vector<float>> all; // w_ih, w_hh, b_ih, b_hh
};

void expect(bool truth, const char* what, const Weights& w, const Kernels& kernels) {
    if (truth) return;
    failures++;
    std::fprintf(stderr, "%s: cell %d I %ld H %ld, %s\n", what, int(w.p.cell), w.p.input, w.p.hidden,
                 kernels.name);
}

// Each number alone, by its least and its highest bit; the sign of all, of some rows; two rows that change
// places.
void changes(Weights& w, const Kernels& kernels) {
    const uint64_t before = w.digest(kernels);
    auto differs = [&](const char* what) { expect(w.digest(kernels) != before, what, w, kernels); };
    for (auto& part : w.all) {
        for (size_t i = 0; i < part.size(); i += 1 + part.size() / 200) {
            const float was = part[i];
            part[i] = std::nextafter(was, 9.0f);
            differs("one bit");
            part[i] = -was;
            differs("one sign");
            part[i] = was;
        }
        for (size_t n :
             {size_t(1), size_t(2), size_t(32), size_t(64), size_t(128), part.size() / 2, part.size()}) {
            n = std::min(n, part.size());
            for (size_t i = 0; i < n; i++) part[i] = -part[i];
            if (n) differs("signs");
            for (size_t i = 0; i < n; i++) part[i] = -part[i];
        }
        const std::vector<float> was = part;
        for (size_t row = 1; row + 1 <= part.size() / w.p.hidden; row *= 2) {
            std::swap_ranges(part.begin(), part.begin() + w.p.hidden, part.begin() + row * w.p.hidden);
            differs("rows that changed places");
            part = was;
        }
    }
    expect(w.digest(kernels) == before, "the same weights", w, kernels);
    expect(w.digest(kernels, 2) == before, "two threads", w, kernels);
}

} // namespace

int main() {
    for (const Kernels* kernels : available())
        for (CellKind cell : {CellKind::LSTM, CellKind::GRU, CellKind::RNN})
            for (auto [input, hidden] :
                 {std::pair<long, long>{1, 1}, {3, 5}, {64, 64}, {40, 100}, {300, 330}})
                for (bool bias : {false, true}) {
                    Weights weights(cell, input, hidden, bias);
                    changes(weights, *kernels);
                }
    return failures != 0;
}

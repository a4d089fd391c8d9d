// The digest of packed weights: by it a change of them behind their owner's back is seen.
#include <cstdio>
#include <vector>

#include "../instruction_sets.h"

namespace {

using namespace elman;

// Any byte that changes shows where all are read, wherever the memory lies; a sample has the first and the
// last.
bool digest_is_right(const Kernels& kernels, long bytes) {
    std::vector<char> memory(bytes, 'a'), elsewhere(bytes + 1, 'a');
    for (bool all : {false, true})
        if (kernels.digest(memory.data(), bytes, all) != kernels.digest(elsewhere.data() + 1, bytes, all))
            return false;
    const unsigned long before[] = {kernels.digest(memory.data(), bytes, false),
                                    kernels.digest(memory.data(), bytes, true)};
    for (long i = 0; i < bytes; i += 1 + bytes / 300) {
        memory[i] = 'b';
        if (kernels.digest(memory.data(), bytes, true) == before[true]) return false;
        memory[i] = 'a';
    }
    for (long i : {0L, bytes - 1}) {
        const bool sampled = i == 0 || bytes % 64; // whole registers at the end are left to chance
        memory[i] = 'b';
        if (sampled && kernels.digest(memory.data(), bytes, false) == before[false]) return false;
        memory[i] = 'a';
    }
    return true;
}

} // namespace

int main() {
    int failures = 0;
    for (const Kernels* kernels : available())
        for (long bytes : {1, 3, 16, 64, 100, 255, 256, 1000, 20001}) {
            if (digest_is_right(*kernels, bytes)) continue;
            failures++;
            std::fprintf(stderr, "digest of %ld bytes: %s\n", bytes, kernels->name);
        }
    return failures != 0;
}

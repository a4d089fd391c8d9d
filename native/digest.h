// Whether memory still holds what it held: weights are packed once, and may be changed behind their owner's
// back.
#pragma once

#include "simd.h"

namespace elman::ELMAN_ISA {

// A number that changes with any one word of the memory, when `all` is read; else with any of some 64
// registers spread over it.
inline unsigned long digest(const void* memory, long bytes, bool all) {
    typedef uint32_t Words __attribute__((vector_size(WIDTH)));
    constexpr int CHAINS = 4;
    const char* at = static_cast<const char*>(memory);
    const long registers = bytes / WIDTH, stride = all ? 1 : registers / 64 + 1;
    Words sums[CHAINS] = {};
    auto mix = [&](Words& sum, const char* from, long n) {
        Words words{};
        std::memcpy(&words, from, n);
        sum = (sum ^ words) * 0x9E3779B1u; // odd: two sums that differ stay different
    };
    long i = 0;
    for (; i + (CHAINS - 1) * stride < registers; i += CHAINS * stride)
        for (int chain = 0; chain < CHAINS; chain++)
            mix(sums[chain], at + (i + chain * stride) * WIDTH, WIDTH);
    for (; i < registers; i += stride) mix(sums[0], at + i * WIDTH, WIDTH);
    mix(sums[1], at + registers * WIDTH, bytes % WIDTH);
    unsigned long result = 0;
    for (auto& sum : sums)
        for (unsigned word = 0; word < WIDTH / sizeof(uint32_t); word++)
            result = (result ^ sum[word]) * 0x9E3779B97F4A7C15ul;
    return result;
}

} // namespace elman::ELMAN_ISA

// Whether weights are still what they were when they were laid out, whoever may have changed them.
#pragma once

#include <algorithm>
#include <vector>

#include "layer.h"

namespace elman::ELMAN_ISA {

constexpr long DIGEST_PIECE = 128 << 10; // bytes that one thread takes at a time

// A number that changes with any one word of the memory, and with several but for a chance of 2^-32.
inline uint64_t digest(const char* at, long bytes) {
    typedef uint32_t Words __attribute__((vector_size(WIDTH)));
    constexpr int CHAINS = 8;
    const long registers = bytes / WIDTH;
    Words sums[CHAINS];
    for (int chain = 0; chain < CHAINS; chain++) sums[chain] = Words{} + uint32_t(chain);
    // Both are invertible, so that two sums that differ stay different; the product carries a difference up,
    // the rotation down: without it two changes of sign in one lane would make up for each other.
    auto mix = [](Words& sum, const char* from, long n) {
        Words words{};
        std::memcpy(&words, from, n);
        words = (sum ^ words) * 0x9E3779B1u;
        sum = words << 15 | words >> 17;
    };
    long i = 0;
    for (; i + CHAINS <= registers; i += CHAINS)
#pragma GCC unroll 8
        for (int chain = 0; chain < CHAINS; chain++) mix(sums[chain], at + (i + chain) * WIDTH, WIDTH);
    for (int chain = 0; i < registers; i++, chain++) mix(sums[chain], at + i * WIDTH, WIDTH);
    if (bytes % WIDTH) mix(sums[CHAINS - 1], at + registers * WIDTH, bytes % WIDTH);
    for (int chain = 1; chain < CHAINS; chain++) mix(sums[0], (const char*)&sums[chain], WIDTH);
    uint64_t result = bytes;
    for (unsigned word = 0; word < WIDTH / sizeof(uint32_t); word++) {
        result = (result ^ sums[0][word]) * 0x9E3779B97F4A7C15u;
        result ^= result >> 32;
    }
    return result;
}

// Of all weights of a problem: the same on any number of threads.
template <class T, class Cell> uint64_t digest(const Problem& p) {
    const Layer<T, Cell> layer(p);
    const long wide = Cell::GATES * p.hidden * long(sizeof(T));
    const struct {
        const void* memory;
        long bytes;
    } all[] = {{p.weights.w_ih, wide * p.input},
               {p.weights.w_hh, wide * p.hidden},
               {p.weights.b_ih, p.weights.b_ih ? wide : 0},
               {p.weights.b_hh, p.weights.b_hh ? wide : 0}};
    uint64_t result = 0;
    for (const auto& [memory, bytes] : all) {
        const long pieces = (bytes + DIGEST_PIECE - 1) / DIGEST_PIECE;
        std::vector<uint64_t> found(pieces);
        auto body = [&, memory = static_cast<const char*>(memory), bytes = bytes](Member& member) {
            member.share(pieces, [&](long piece) {
                const long from = piece * DIGEST_PIECE;
                found[piece] = digest(memory + from, std::min(DIGEST_PIECE, bytes - from));
            });
        };
        run_team(pieces < 8 ? 1 : p.threads, body);
        for (uint64_t one : found) result = (result ^ one) * 0x9E3779B97F4A7C15u, result ^= result >> 29;
        result += 0x9E3779B97F4A7C15u; // so that weights that are not there count, too
    }
    return result;
}

} // namespace elman::ELMAN_ISA

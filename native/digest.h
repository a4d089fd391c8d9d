// Whether weights are still what they were when they were laid out, whoever may have changed them.
#pragma once

#include <algorithm>
#include <initializer_list>
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
    // Changes of sign in two chains end as the same one bit in both, until carries make numbers of their own
    // of them.
    for (auto& sum : sums)
        sum = (sum ^ sum >> 16) * 0x85EBCA6Bu, sum = (sum ^ sum >> 13) * 0xC2B2AE35u, sum ^= sum >> 16;
    for (int chain = 1; chain < CHAINS; chain++) mix(sums[0], (const char*)&sums[chain], WIDTH);
    uint64_t result = bytes;
    for (unsigned word = 0; word < WIDTH / sizeof(uint32_t); word++) {
        result = (result ^ sums[0][word]) * 0x9E3779B97F4A7C15u;
        result ^= result >> 32;
    }
    return result;
}

struct Piece {
    const void* memory; // null: there is none
    long bytes;
};

// Of several pieces of memory: the same on any number of threads.
inline uint64_t digest(std::initializer_list<Piece> all, long threads) {
    uint64_t result = 0;
    for (const auto& [start, length] : all) {
        const char* const memory = static_cast<const char*>(start);
        const long bytes = start ? length : 0, pieces = (bytes + DIGEST_PIECE - 1) / DIGEST_PIECE;
        std::vector<uint64_t> found(pieces);
        auto body = [&](Member& member) {
            member.share(pieces, [&](long piece) {
                const long from = piece * DIGEST_PIECE;
                found[piece] = digest(memory + from, std::min(DIGEST_PIECE, bytes - from));
            });
        };
        run_team(pieces < 8 ? 1 : threads, body);
        for (uint64_t one : found) result = (result ^ one) * 0x9E3779B97F4A7C15u, result ^= result >> 29;
        result += 0x9E3779B97F4A7C15u; // so that weights that are not there count, too
    }
    return result;
}

// Of all weights of a problem.
template <class T, class Cell> uint64_t digest(const Problem& p) {
    const long wide = Cell::GATES * p.hidden * long(sizeof(T));
    return digest({{p.weights.w_ih, wide * p.input},
                   {p.weights.w_hh, wide * p.hidden},
                   {p.weights.b_ih, wide},
                   {p.weights.b_hh, wide}},
                  p.threads);
}

} // namespace elman::ELMAN_ISA

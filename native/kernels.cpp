// All cells' kernels, compiled once for each instruction set.
#include "back.h"
#include "cells/all.h"
#include "digest.h"

#define ELMAN_TEXT(name) #name
#define ELMAN_NAME(name) ELMAN_TEXT(name)
#define ELMAN_JOIN(a, b) a##b
#define ELMAN_TABLE(name) ELMAN_JOIN(kernels_, name)

namespace elman {
namespace ELMAN_ISA {

// Calls f(number, cell) with the types of the problem.
template <class F> auto with_types(const Problem& p, F f) {
    return p.number == Number::FLOAT ? with_cell(p.cell, f, float{}) : with_cell(p.cell, f, double{});
}

} // namespace ELMAN_ISA

using namespace ELMAN_ISA;

extern const Kernels ELMAN_TABLE(ELMAN_ISA);
const Kernels ELMAN_TABLE(ELMAN_ISA) = {
    ELMAN_NAME(ELMAN_ISA),
    [](const Problem& p) {
        return with_types(p,
                          [&](auto t, auto c) { return Layer<decltype(t), decltype(c)>(p).packed_size(); });
    },
    [](const Problem& p) {
        return with_types(
            p, [&](auto t, auto c) { return Layer<decltype(t), decltype(c)>(p).packed_back_size(); });
    },
    [](const Problem& p) {
        return with_types(p, [&](auto t, auto c) { return Layer<decltype(t), decltype(c)>(p).row; });
    },
    [](const Problem& p) {
        return with_types(p, [&](auto t, auto c) { return Layer<decltype(t), decltype(c)>(p).units; });
    },
    [](const Problem& p, void* to) {
        with_types(p, [&](auto t, auto c) { pack<decltype(t), decltype(c)>(p, (decltype(t)*)to); });
    },
    [](const Problem& p, void* to) {
        with_types(p, [&](auto t, auto c) { pack_back<decltype(t), decltype(c)>(p, (decltype(t)*)to); });
    },
    [](const Problem& p) {
        with_types(p, [&](auto t, auto c) { Forward<decltype(t), decltype(c)>(p).run(); });
    },
    [](const Problem& p) {
        with_types(p, [&](auto t, auto c) { Backward<decltype(t), decltype(c)>(p).run(); });
    },
    [](const Problem& p) {
        return with_types(p, [&](auto t, auto c) { return digest<decltype(t), decltype(c)>(p); });
    },
};

} // namespace elman

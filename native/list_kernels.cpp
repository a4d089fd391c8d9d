// Lists of operations, compiled once for each instruction set.
#include "digest.h"
#include "list/backward.h"
#include "list/forward.h"

#define ELMAN_JOIN(a, b) a##b
#define ELMAN_TABLE(name) ELMAN_JOIN(list_kernels_, name)

namespace elman {
namespace ELMAN_ISA {

template <class F> auto with_number(const ListProblem& p, F f) {
    return p.number == Number::FLOAT ? f(float{}) : f(double{});
}

// Of all weights, on one thread or more.
inline uint64_t list_digest(const ListProblem& p) {
    const long size = p.number == Number::FLOAT ? sizeof(float) : sizeof(double);
    const long x = p.program->gates * p.hidden * size, u = p.program->recurrent_gates * p.hidden * size;
    return digest({{p.weights.w_ih, x * p.input},
                   {p.weights.w_hh, u * p.inner},
                   {p.weights.b_ih, x},
                   {p.weights.b_hh, u},
                   {p.gain_ih, x},
                   {p.gain_hh, u},
                   {p.w_hr, p.inner * p.hidden * size}},
                  p.threads);
}

} // namespace ELMAN_ISA

using namespace ELMAN_ISA;

extern const ListKernels ELMAN_TABLE(ELMAN_ISA);
const ListKernels ELMAN_TABLE(ELMAN_ISA) = {
    [](const ListProblem& p) {
        return with_number(p, [&](auto t) { return ListLayer<decltype(t)>(p).packed_size(); });
    },
    [](const ListProblem& p) {
        return with_number(p, [&](auto t) { return ListLayer<decltype(t)>(p).packed_back_size(); });
    },
    [](const ListProblem& p) {
        return with_number(p, [&](auto t) { return ListLayer<decltype(t)>(p).kept(); });
    },
    [](const ListProblem& p, void* to) {
        with_number(p, [&](auto t) { pack_list<decltype(t)>(p, (decltype(t)*)to); });
    },
    [](const ListProblem& p, void* to) {
        with_number(p, [&](auto t) { pack_list_back<decltype(t)>(p, (decltype(t)*)to); });
    },
    [](const ListProblem& p) { with_number(p, [&](auto t) { ListForward<decltype(t)>(p).run(); }); },
    [](const ListProblem& p) { with_number(p, [&](auto t) { ListBackward<decltype(t)>(p).run(); }); },
    list_digest,
};

} // namespace elman

// The kernels that this build has, and of these the ones that this processor can run.
#pragma once

#include <vector>

#include "list/problem.h"

namespace elman {

extern const Kernels kernels_base;
extern const ListKernels list_kernels_base;
#ifdef ELMAN_HAS_AVX2
extern const Kernels kernels_avx2;
extern const ListKernels list_kernels_avx2;
#endif
#ifdef ELMAN_HAS_AVX512
extern const Kernels kernels_avx512;
extern const ListKernels list_kernels_avx512;
#endif

// The kernels of lists that are compiled for the same instruction set.
inline const ListKernels& lists_of(const Kernels* kernels) {
#ifdef ELMAN_HAS_AVX512
    if (kernels == &kernels_avx512) return list_kernels_avx512;
#endif
#ifdef ELMAN_HAS_AVX2
    if (kernels == &kernels_avx2) return list_kernels_avx2;
#endif
    return list_kernels_base;
}

// The best first.
inline std::vector<const Kernels*> available() {
    std::vector<const Kernels*> found;
#ifdef ELMAN_HAS_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        found.push_back(&kernels_avx512);
#endif
#ifdef ELMAN_HAS_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&kernels_avx2);
#endif
    found.push_back(&kernels_base);
    return found;
}

} // namespace elman

// The functions of simd.h, compiled for one instruction set, over numbers of all magnitudes: value and
// derivative are right to some units in the last place of what they are, not of one, also as backward has
// them from what was kept; where no normal number is left they are zero. Zero, infinity and NaN come out as
// from the C library.
#include <cfloat>
#include <cstdio>
#include <vector>

#include "../tile.h"

namespace {

using namespace elman::ELMAN_ISA;

int failures = 0;

template <class T> void expect(bool truth, const char* what, T x, double got, double wanted) {
    if (truth || ++failures > 20) return;
    std::fprintf(stderr, "%s of %.9g: %.9g, not %.9g\n", what, double(x), got, wanted);
}

template <class T> constexpr T LEAST = sizeof(T) == 4 ? FLT_MIN : DBL_MIN;
template <class T> constexpr double TOLERANCE = sizeof(T) == 4 ? 9e-6 : 4e-15;

template <class T> void check(const char* what, T x, T got, long double wanted) {
    if (x != x) return expect(got != got, what, x, got, wanted);
    const long double most = std::fabs(wanted) * TOLERANCE<T> + LEAST<T> * 4.001L;
    expect(got == wanted || std::fabs(got - wanted) <= most, what, x, got, wanted);
}

template <class T> void check(Vec<T> x) {
    const auto s = sigmoid(x);
    const Sigmoid<Vec<T>> again{s.kept};
    const auto t = tanh(x), back = Tanh<Vec<T>>::of(t.kept());
    const Vec<T> bent = relu(x), slope_s = again.slope(), rest_s = again.rest(), value_s = s.value;
    const Vec<T> slope_t = t.slope(), slope_back = back.slope();
    for (int i = 0; i < LANES<T>; i++) {
        const long double v = x[i], e = std::exp(-std::fabs(v)), e2 = e * e, far = 1 / (1 + e),
                          near = e / (1 + e);
        check("sigmoid", x[i], value_s[i], v < 0 ? near : far);
        check("1 - sigmoid", x[i], rest_s[i], v < 0 ? far : near);
        check("sigmoid's derivative", x[i], slope_s[i], near * far);
        check("tanh", x[i], t.value[i], std::tanh(v));
        check("tanh, as kept", x[i], back.value[i], std::tanh(v));
        check("tanh's derivative", x[i], slope_t[i], 4 * e2 / ((1 + e2) * (1 + e2)));
        check("tanh's derivative, as kept", x[i], slope_back[i], 4 * e2 / ((1 + e2) * (1 + e2)));
        check("relu", x[i], bent[i], v < 0 ? 0 : v);
        expect(x[i] != x[i] || std::signbit(t.value[i]) == std::signbit(x[i]), "sign of tanh", x[i],
               t.value[i], v);
    }
}

// What saturates is there where the number's own rounding is, and its derivative is zero where none is left.
template <class T> void check_ends() {
    const T one = sizeof(T) == 4 ? 17.4 : 37.5, none = sizeof(T) == 4 ? 88 : 709,
            whole = sizeof(T) == 4 ? 9.1 : 19.1;
    for (T x : {one, none, T(1e4), T(1e30), T(INFINITY)}) {
        const auto up = sigmoid(broadcast(x)), down = sigmoid(broadcast(-x));
        const auto t = tanh(broadcast(std::max(x, whole)));
        expect(up.value[0] == 1, "sigmoid", x, up.value[0], 1);
        expect(t.value[0] == 1 && Tanh<Vec<T>>::of(t.kept()).value[0] == 1, "tanh", x, t.value[0], 1);
        if (x < none) continue;
        expect(down.value[0] == 0 && Sigmoid<Vec<T>>{up.kept}.slope()[0] == 0, "sigmoid at its end", -x,
               down.value[0], 0);
        expect(t.slope()[0] == 0 && Tanh<Vec<T>>::of(t.kept()).slope()[0] == 0, "tanh' at its end", x,
               t.slope()[0], 0);
    }
}

// Numbers of all bit patterns, spread evenly: NaNs, infinities, denormals and both zeros among them.
template <class T, class Word> void sweep(Word stride) {
    const T ends[] = {0,        -T(0),        T(INFINITY),   -T(INFINITY), T(NAN),
                      LEAST<T>, LEAST<T> / 8, -LEAST<T> / 8, T(0.549306),  T(-0.5493062)};
    for (T end : ends) check<T>(broadcast(end));
    Word word = 0;
    for (long turn = 0; turn < 70000; turn++) {
        Vec<T> x;
        for (int i = 0; i < LANES<T>; i++, word += stride) {
            T value;
            std::memcpy(&value, &word, sizeof value);
            x[i] = value;
        }
        check<T>(x);
    }
    for (T x = -120; x < 120; x += T(1) / 64) check<T>(broadcast(x)); // where most weights and gates are
}

template <class T> void check_dots() {
    for (long k : {0, 1, 3, 16, 17, 64, 100})
        for (long n = 1; n <= LANES<T>; n++) {
            std::vector<T> w(n * k), a(k);
            for (long i = 0; i < n * k; i++) w[i] = T(i * 7 % 11 - 5);
            for (long i = 0; i < k; i++) a[i] = T(i * 5 % 13 - 6);
            const Vec<T> got = dots(w.data(), n, a.data(), k);
            for (long r = 0; r < LANES<T>; r++) {
                T sum = 0;
                for (long i = 0; r < n && i < k; i++) sum += w[r * k + i] * a[i];
                expect(got[r] == sum, "product of a row", T(r), got[r], sum);
            }
        }
}

bool can_run() {
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

} // namespace

int main() {
    if (!can_run()) return 0;
    sweep<float, uint32_t>(4099);
    sweep<double, uint64_t>(0x0000123456789ABDu);
    check_ends<float>();
    check_ends<double>();
    check_dots<float>();
    check_dots<double>();
    return failures != 0;
}

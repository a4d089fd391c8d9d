#include "threads.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#endif

namespace elman {
namespace {

constexpr uint32_t CLOSED = 1u << 31;
constexpr int SPINS = 2000; // some 20 us, before a wait is timed and yields its core
#ifdef ELMAN_PATIENT        // under a sanitizer threads are slow to start, and the tests want them all
constexpr double LATE = 1;
constexpr double LONGEST_REST = 0;
#else
constexpr double LATE = 30e-6;        // seconds the leader waits for the others to come, at least
constexpr double LONGEST_REST = 0.05; // seconds
#endif
constexpr double LATE_SHARE = 0.1; // of what a call takes on one thread, that it waits for them
constexpr double HELD_UP = 100e-6; // seconds at one barrier after which it goes on alone
constexpr double LOST_SHARE = 0.2; // of a call, above which the next calls stay on one thread
constexpr double REST = 10;        // times what was lost, that they stay so

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

typedef void (*Parallel)(void (*)(void*), void*, unsigned, unsigned);
std::atomic<Parallel> openmp{nullptr};
std::atomic<bool> forked{false};    // a forked child has none of its parent's threads
std::atomic<double> alone_until{0}; // after a call that lost much of its time to waiting

struct Call {
    Body body;
    void* data;
    int wanted;
    double patience; // seconds
    Team team;
    std::atomic<int> entered{0};
    double ended = 0;
};

// Rank 0 waits a moment for the others, then closes the team; returns its size.
int assemble(Call& call) {
    auto& members = call.team.members.value;
    double begun = 0;
    for (int spins = 0; int(members.load(std::memory_order_acquire)) < call.wanted; spins++) {
        if (spins < 200) {
            relax();
        } else if (begun == 0) {
            begun = now();
        } else if (now() - begun > call.patience) {
            break;
        }
    }
    return int(members.fetch_or(CLOSED, std::memory_order_acq_rel) & ~CLOSED);
}

// Any other thread: its rank, or 0 where it comes too late; `size` is then known.
int join(Call& call, int& size) {
    auto& members = call.team.members.value;
    uint32_t seen = members.load(std::memory_order_relaxed);
    do {
        if (seen & CLOSED) return 0;
    } while (!members.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel));
    uint32_t all;
    for (int spins = 0; !((all = members.load(std::memory_order_acquire)) & CLOSED); spins++) {
        spins < SPINS ? relax() : std::this_thread::yield();
    }
    size = int(all & ~CLOSED);
    return int(seen);
}

void enter(void* data) {
    Call& call = *static_cast<Call*>(data);
    // Whoever is first leads; which thread does what changes no result.
    if (call.entered.fetch_add(1, std::memory_order_acq_rel) == 0) {
        Member member(call.team, 0, assemble(call));
        call.body(member, call.data);
        call.ended = now();
        return;
    }
    int size = 0;
    int rank = join(call, size);
    if (rank == 0) return;
    Member member(call.team, rank, size);
    call.body(member, call.data);
}

void run_alone(Body body, void* data) {
    Team team;
    Member member(team, 0, 1);
    body(member, data);
}

// Without an OpenMP runtime: threads of the call's own.
void own_threads(void (*function)(void*), void* data, unsigned threads) {
    std::vector<std::thread> others;
    try {
        for (unsigned i = 1; i < threads; i++) others.emplace_back(function, data);
    } catch (const std::system_error&) { // no more to be had: the team does without
    }
    function(data);
    for (auto& other : others) other.join();
}

} // namespace

void Member::barrier() {
    if (size == 1) return;
    phase++;
    team.phases[rank].value.store(phase, std::memory_order_release);
    for (int other = 0; other < size; other++)
        if (other != rank) wait_for(other);
}

void Member::wait_for(int other) {
    auto& theirs = team.phases[other].value;
    double begun = 0;
    for (int spins = 0; int32_t(theirs.load(std::memory_order_acquire) - phase) < 0; spins++) {
        if (spins < SPINS) {
            relax();
            continue;
        }
        if (begun == 0) begun = now();
        std::this_thread::yield();
    }
    if (begun == 0 || rank != 0) return;
    double waited = now() - begun;
    team.waited += waited;
    // Stored before this member reaches the next barrier, and so seen by all behind it.
    if (waited > HELD_UP && team.alone_from.value.load(std::memory_order_relaxed) == UINT32_MAX)
        team.alone_from.value.store(phase + 1, std::memory_order_relaxed);
}

double Member::barrier_cost() {
    constexpr int SAMPLES = 4;
    barrier();
    const double begun = rank ? 0 : now();
    for (int i = 0; i < SAMPLES; i++) barrier();
    if (rank == 0) team.cost = (now() - begun) / SAMPLES;
    barrier();
    return team.cost;
}

void run_team(int threads, Body body, void* data, double alone) {
    threads = std::min(threads, MOST_THREADS);
    double begun = threads > 1 ? now() : 0;
    if (threads <= 1 || forked.load(std::memory_order_relaxed) ||
        begun < alone_until.load(std::memory_order_relaxed))
        return run_alone(body, data);

    Call call{body, data, threads, std::max(LATE, LATE_SHARE * alone), {}, {}, 0};
    if (Parallel parallel = openmp.load(std::memory_order_acquire))
        parallel(enter, &call, unsigned(threads), 0);
    else
        own_threads(enter, &call, unsigned(threads));

    double ended = now(), lost = call.team.waited + (ended - call.ended);
    if (lost > LOST_SHARE * (ended - begun) && lost > HELD_UP)
        alone_until.store(ended + std::min(REST * lost, LONGEST_REST), std::memory_order_relaxed);
}

bool adopt_openmp(const char* path) {
#if defined(__unix__) || defined(__APPLE__)
    void* library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (!library) return false;
    auto entry = reinterpret_cast<Parallel>(dlsym(library, "GOMP_parallel"));
    if (!entry) return false;
    static const int watched =
        pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
    if (watched != 0) return false;
    openmp.store(entry, std::memory_order_release);
    return true;
#else
    (void)path;
    return false;
#endif
}

} // namespace elman

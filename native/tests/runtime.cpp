// Teams of threads in haste, as the module has them, on the threads of an OpenMP runtime. The runtime is this
// program itself, which lets its threads come together, late, or not at all: whoever comes late stays out of
// the team, after a call that was held up the next ones stay on one thread, and so does a forked child.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "../threads.h"

namespace {

using namespace elman;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds REST{50};             // the longest, after a call that was held up
constexpr std::chrono::seconds PATIENCE{60}; // for what a busy machine may prevent

enum class Come { TOGETHER, AFTER_THE_FIRST, NOT };

Come come = Come::TOGETHER;
std::atomic<long> calls{0};        // of the runtime
std::atomic<bool> first_in{false}; // the first one's body has begun
std::atomic<int> failures{0};

void expect(bool truth, const char* what, long got) {
    if (truth) return;
    failures++;
    std::fprintf(stderr, "%s: %ld\n", what, got);
}

void wait_until(const std::atomic<bool>& flag) {
    while (!flag.load(std::memory_order_relaxed)) std::this_thread::yield();
}

// What one call was, as its members saw it.
struct Seen {
    int size = 0;                   // as the leader was told
    std::atomic<int> bodies{0};     // that ran
    std::atomic<unsigned> ranks{0}; // a bit for each
    std::atomic<bool> agreed{true}; // all were told the same
    std::thread::id leader;
    long asked = 0; // calls of the runtime
};

template <class F> void watch(Seen& seen, int threads, F f) {
    const long before = calls;
    int sizes[MOST_THREADS] = {};
    auto body = [&](Member& member) {
        sizes[member.rank] = member.size;
        seen.bodies++;
        if (seen.ranks.fetch_or(1u << member.rank) >> member.rank & 1) seen.agreed = false;
        if (member.rank == 0) seen.size = member.size, seen.leader = std::this_thread::get_id();
        first_in = true;
        f(member);
    };
    first_in = false;
    run_team(threads, body);
    seen.asked = calls - before;
    for (int rank = 0; rank < seen.size; rank++)
        if (sizes[rank] != seen.size) seen.agreed = false;
    expect(seen.agreed, "members that disagree, of", seen.size);
    expect(seen.bodies == seen.size, "bodies that ran", seen.bodies);
    expect(seen.ranks == (1u << seen.size) - 1, "ranks", seen.ranks);
}

void nothing(Member&) {}

void rest() { std::this_thread::sleep_for(2 * REST); }

// Whoever comes when the team is closed does nothing; nobody is waited for in vain.
void late() {
    for (Come way : {Come::AFTER_THE_FIRST, Come::NOT})
        for (int threads : {2, 4}) {
            rest();
            come = way;
            Seen seen;
            watch(seen, threads, [](Member& member) { member.barrier(); });
            expect(seen.asked == 1, "calls of a runtime whose threads are late", seen.asked);
            expect(seen.size == 1, "size of a team that nobody joins", seen.size);
        }
}

// After a call that `hold` has made to wait, the next one stays where it is; later ones do not.
template <class F> void back_off(const char* what, F hold) {
    come = Come::TOGETHER;
    const auto end = Clock::now() + PATIENCE;
    while (Clock::now() < end) {
        Seen held, next, later;
        watch(held, 2, hold);
        const auto ended = Clock::now();
        watch(next, 2, nothing);
        if (held.size < 2 || Clock::now() - ended > REST / 2) continue;
        expect(next.asked == 0, what, next.asked);
        expect(next.leader == std::this_thread::get_id(), "a rest on another's thread", next.asked);
        rest();
        watch(later, 2, nothing);
        expect(later.asked == 1, "calls of the runtime after a rest", later.asked);
        return;
    }
    expect(std::thread::hardware_concurrency() < 2, "no team came together", 0);
}

void at_a_barrier(Member& member) {
    if (member.rank) std::this_thread::sleep_for(REST);
    member.barrier();
}

void at_the_end(Member& member) {
    if (member.rank) std::this_thread::sleep_for(REST);
}

// Teams of whatever size, some members of which are late, from several threads at once: all work is done
// once, and what it wrote is there for the next. Between them the calls rest, and so this goes by teams, not
// calls.
void work(int threads) {
    const auto end = Clock::now() + std::chrono::seconds(1);
    for (int teams = 0; teams < 100 && Clock::now() < end;) {
        std::vector<long> numbers(50);
        int size = 0;
        auto body = [&](Member& member) {
            for (long turn = 0; turn < 6; turn++)
                member.share(50, [&](long i) {
                    long& number = numbers[(i + 7 * turn) % 50];
                    number += number == turn;
                });
            if (member.rank == 0) size = member.size;
        };
        run_team(threads, body);
        teams += size > 1;
        const long right = std::count(numbers.begin(), numbers.end(), 6);
        expect(right == 50, "numbers counted up", right);
    }
}

void callers() {
    come = Come::TOGETHER;
    std::vector<std::thread> all;
    for (int threads : {2, 3, 4}) all.emplace_back(work, threads);
    for (auto& caller : all) caller.join();
}

// A forked child has no threads but one; its parent keeps its own.
void fork_once() {
    rest();
    come = Come::TOGETHER;
    const pid_t child = fork();
    Seen seen;
    if (child == 0) {
        watch(seen, 2, [](Member& member) { member.barrier(); });
        _exit(failures || seen.asked || seen.size != 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    expect(status == 0, "end of a forked child", status);
    watch(seen, 2, nothing);
    expect(seen.asked == 1, "calls of the runtime after a fork", seen.asked);
}

} // namespace

// libgomp's entry, which every OpenMP runtime has.
extern "C" [[gnu::visibility("default")]] void GOMP_parallel(void (*function)(void*), void* data,
                                                             unsigned threads, unsigned) {
    calls++;
    const Come way = come;
    std::atomic<unsigned> ready{0};
    std::vector<std::thread> others;
    auto enter = [&](bool first) {
        ready++;
        while (way == Come::TOGETHER && ready < threads) std::this_thread::yield();
        if (way == Come::AFTER_THE_FIRST && !first) wait_until(first_in);
        function(data);
    };
    for (unsigned i = 1; i < threads && way != Come::NOT; i++) others.emplace_back(enter, false);
    enter(true);
    for (auto& other : others) other.join();
}

int main() {
    expect(!adopt_openmp("/nowhere/libgomp.so"), "took a runtime that is not there", 1);
    expect(!adopt_openmp("libc.so.6"), "took a library for a runtime", 1);
    expect(adopt_openmp(nullptr), "did not take this program", 0);
    late();
    back_off("calls of the runtime after one held up at a barrier", at_a_barrier);
    back_off("calls of the runtime after one that ended late", at_the_end);
    callers();
    fork_once();
    return failures != 0;
}

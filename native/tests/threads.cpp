// Teams of threads: who is in them, what their barrier orders, that shared work is done once, and that all
// agree on when the leader goes on alone. What members hand to each other here is no atomic, so that the
// thread sanitizer sees whether the barrier alone orders it.
#include "../threads.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

namespace {

using namespace elman;

int failures = 0;

void expect(bool truth, const char* what, int threads, long got) {
    if (truth) return;
    failures++;
    std::fprintf(stderr, "%s: %d threads, %ld\n", what, threads, got);
}

void sleep_a_millisecond() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

// Each member once, with a rank of its own; the test build is patient, and so they are all there.
void members(int threads) {
    std::vector<int> size(threads), ran(threads);
    auto body = [&](Member& member) {
        ran[member.rank]++;
        size[member.rank] = member.size;
    };
    run_team(threads, body);
    for (int rank = 0; rank < threads; rank++) {
        const bool in = rank < MOST_THREADS;
        expect(ran[rank] == in, "runs of one rank", threads, ran[rank]);
        expect(size[rank] == (in ? std::min(threads, MOST_THREADS) : 0), "size of the team", threads,
               size[rank]);
    }
}

// What each has written before a barrier, all read behind it; now one, now another comes late to it, before
// or after the first of the two.
void barriers(int threads, long rounds) {
    std::vector<long> wrote(threads), wrong(threads);
    auto body = [&](Member& member) {
        for (long round = 1; round <= rounds; round++) {
            if (round % 41 == member.rank) std::this_thread::yield();
            if (round % 200 == member.rank) sleep_a_millisecond();
            wrote[member.rank] = round;
            member.barrier();
            if (round % 200 == 100 + member.rank) sleep_a_millisecond();
            for (int other = 0; other < member.size; other++) wrong[member.rank] += wrote[other] != round;
            member.barrier();
        }
    };
    run_team(threads, body);
    for (long count : wrong) expect(!count, "reads before the others' writes, or after", threads, count);
}

// Every piece of every work once, however many there are, and what one work wrote is there in the next; after
// some of them a member comes late, so that another has long gone on to the next.
void shares(int threads, long rounds) {
    const long pieces[] = {0, 1, 2, 3, 7, 40};
    std::vector<long> done(40), expected(40);
    auto body = [&](Member& member) {
        for (long round = 0; round < rounds; round++) {
            if (member.rank == round % 37) std::this_thread::yield();
            if (member.rank == round % 500) sleep_a_millisecond();
            member.share(pieces[round % 6], [&](long piece) { done[piece]++; });
        }
    };
    run_team(threads, body);
    for (long round = 0; round < rounds; round++)
        for (long piece = 0; piece < pieces[round % 6]; piece++) expected[piece]++;
    for (long piece = 0; piece < 40; piece++)
        expect(done[piece] == expected[piece], "times that a piece was done", threads, done[piece]);
}

// A time loop whose last member holds the others up until the leader goes on alone: all leave it after the
// same step, the leader does the rest, and later they work together again.
void leaving(int threads) {
    constexpr long STEPS = 300;
    std::vector<long> steps(threads), cells(threads);
    long together = -1;
    auto body = [&](Member& member) {
        bool alone = false;
        for (long step = 0; step < STEPS; step++) {
            cells[member.rank] = step;
            steps[member.rank]++;
            if (alone) continue;
            if (member.rank == member.size - 1) sleep_a_millisecond();
            member.barrier();
            alone = member.leader_alone();
            if (!alone) continue;
            if (member.rank) break;
            cells.assign(cells.size(), 0); // the others' are the leader's now
        }
        member.barrier();
        member.share(1, [&](long) { together = std::accumulate(cells.begin(), cells.end(), 0L); });
    };
    run_team(threads, body);
    expect(steps[0] == STEPS, "steps of the leader", threads, steps[0]);
    for (int rank = 1; rank < threads; rank++) {
        expect(steps[rank] == steps[1], "steps of others than the leader", threads, steps[rank]);
        expect(steps[rank] < STEPS, "steps held up", threads, steps[rank]);
    }
    expect(together == STEPS - 1, "what the leader wrote last", threads, together);
}

// Calls from several threads at once, each with a team of its own.
void callers(int threads) {
    std::vector<std::thread> all;
    std::vector<long> sums(3);
    for (long& sum : sums)
        all.emplace_back([&sum, threads] {
            for (int call = 0; call < 50; call++) {
                std::vector<long> values(64);
                auto body = [&](Member& member) {
                    member.share(64, [&](long piece) { values[piece] = piece; });
                    member.share(1, [&](long) { sum += std::accumulate(values.begin(), values.end(), 0L); });
                };
                run_team(threads, body);
            }
        });
    for (auto& caller : all) caller.join();
    for (long sum : sums) expect(sum == 50 * 63 * 32, "sum of a caller", threads, sum);
}

} // namespace

int main() {
    for (int threads : {1, 2, 3, 4}) {
        members(threads);
        barriers(threads, 1000);
        shares(threads, 3000);
        if (threads > 1) leaving(threads);
        callers(threads);
    }
    members(MOST_THREADS + 3);
    return failures != 0;
}

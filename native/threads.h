// A team of threads for one call, its barrier, and work shared out among them.
//
// The threads are those of the OpenMP runtime that the process already has (torch's): a second pool beside it
// would fight it for the cores. In a team nobody waits long for a thread that the system does not run: one
// that comes late is not in it, and one that holds the others up at a barrier is told to leave the time loop.
// The runtime itself waits for all at the end of a call; much of that, and the next calls do without a team.
#pragma once

#include <atomic>
#include <cstdint>

namespace elman {

constexpr int MOST_THREADS = 64;

struct Team {
    struct alignas(64) Flag {
        std::atomic<uint32_t> value{0};
    };
    Flag phases[MOST_THREADS];     // how many barriers each member has reached
    Flag claims[2];                // the next piece of the current and of the next shared work
    Flag members{{1}};             // how many have come, the leader among them; with CLOSED, nobody else may
    Flag alone_from{{UINT32_MAX}}; // the barrier after which only the leader goes on in a time loop
    double waited = 0;             // seconds that the leader lost at barriers
    double cost = 0;               // of a barrier, in seconds, as last measured
};

// One thread in its team.
class Member {
  public:
    Member(Team& team, int rank, int size) : team(team), rank(rank), size(size) {}

    // Returns when every member has called it as often as this one.
    void barrier();

    // Seconds that a barrier takes, for cores may be near or far from each other; called by every member, and
    // the same for all.
    double barrier_cost();

    // After a barrier in a time loop: whether the leader, rank 0, now goes on alone. The same for all
    // members.
    bool leader_alone() const { return phase >= team.alone_from.value.load(std::memory_order_relaxed); }

    // Calls f(piece) for each piece from 0 to n, each on whichever member is free, and waits for all of them.
    template <class F> void share(long n, F f) {
        if (size == 1) {
            for (long piece = 0; piece < n; piece++) f(piece);
            return;
        }
        auto& next = team.claims[works & 1].value;
        for (long piece; (piece = next.fetch_add(1, std::memory_order_relaxed)) < n;) f(piece);
        works++;
        barrier();
        // All have left the counter behind; the next work takes the other one, so this may be set back
        // unseen.
        if (rank == 0) next.store(0, std::memory_order_relaxed);
    }

    Team& team;
    const int rank, size;

  private:
    void wait_for(int other);
    uint32_t phase = 0;
    uint32_t works = 0;
};

typedef void (*Body)(Member& member, void* data);

// Runs body on up to that many threads, and returns when all of them have ended. `alone`: seconds that it
// would take on one thread, if they are known; the more, the longer it is worth to wait for a thread that
// sleeps.
void run_team(int threads, Body body, void* data, double alone = 0);

template <class F> void run_team(int threads, F& body, double alone = 0) {
    run_team(threads, [](Member& member, void* data) { (*static_cast<F*>(data))(member); }, &body, alone);
}

// Takes the threads of the OpenMP runtime at that path; false where it has no entry for that.
bool adopt_openmp(const char* path);

} // namespace elman

// In which order the rows of a ragged batch are worked on: longest first, so that each step's rows stand
// together and no step touches padding.
#pragma once

#include <vector>

namespace elman {

// Rows are dealt to `groups`, each of which may run through time on its own. Packed rows are numbered step by
// step, within a step group by group.
class Plan {
  public:
    Plan(long steps, long batch, const long* lengths, bool reverse, long groups)
        : steps(steps), batch(batch), groups(groups), lengths(lengths), reverse(reverse), who(batch),
          first(groups + 1), counts(steps * groups), bases(steps * groups) {
        for (long group = 0; group <= groups; group++) first[group] = group * batch / groups;
        lengths ? deal() : fill();
        for (long step = 0; step < steps; step++)
            for (long group = 0; group < groups; group++) {
                bases[step * groups + group] = rows;
                rows += counts[step * groups + group];
            }
    }

    long count(long step, long group) const { return counts[step * groups + group]; }
    long base(long step, long group) const { return bases[step * groups + group]; }

    // The time at which the row of batch entry b stands in a step.
    long time(long step, long b) const {
        if (!reverse) return step;
        return (lengths ? lengths[b] : steps) - 1 - step;
    }
    long length(long b) const { return lengths ? lengths[b] : steps; }

    const long steps, batch, groups;
    const long* const lengths;
    const bool reverse;
    std::vector<long> who;   // place in the order -> batch entry
    std::vector<long> first; // group -> its first place in the order; one more for the end
    long rows = 0;

  private:
    void fill() {
        for (long b = 0; b < batch; b++) who[b] = b;
        for (long step = 0; step < steps; step++)
            for (long group = 0; group < groups; group++)
                counts[step * groups + group] = first[group + 1] - first[group];
    }

    // Sorts by length, longest first, and deals the ranks out in turn, so that all groups shrink alike.
    void deal() {
        std::vector<long> start(steps + 2), order(batch);
        for (long b = 0; b < batch; b++) start[steps - lengths[b] + 1]++;
        for (long i = 1; i < steps + 2; i++) start[i] += start[i - 1];
        for (long b = 0; b < batch; b++) order[start[steps - lengths[b]]++] = b;
        std::vector<long> next(first.begin(), first.end() - 1);
        for (long rank = 0, group = 0; rank < batch; rank++) {
            while (next[group] == first[group + 1]) group = (group + 1) % groups;
            who[next[group]++] = order[rank];
            group = (group + 1) % groups;
        }
        for (long group = 0; group < groups; group++) {
            long alive = first[group + 1] - first[group];
            for (long step = 0; step < steps; step++) {
                while (alive && lengths[who[first[group] + alive - 1]] <= step) alive--;
                counts[step * groups + group] = alive;
            }
        }
    }

    std::vector<long> counts, bases;
};

} // namespace elman

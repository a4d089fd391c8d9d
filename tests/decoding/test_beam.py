"""The beam against greedy choice, against all there is, and against its rules written out for one source."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core.errors import ConfigError
from elman.decoding.beam import Hypothesis, beam

INF = math.inf
END = 1
STATES = 97


class Model:
    """Scores that depend on the source and on all the symbols so far, through a state of two tensors.

    The state is a number that each symbol changes, [1, R, 1], and its double, [2, R, 3]. The scores of the
    source are its memory: they are gathered by `steps`, and wrong rows give wrong scores.
    """

    def __init__(self, size, sources, seed, *, levels=0, dtype=torch.float64, sharp=2.0):
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.randn(STATES, size, generator=generator, dtype=torch.float64) * sharp
        self.memory = torch.randn(sources, size, generator=generator, dtype=torch.float64)
        if levels:  # few different scores: many sequences are equally likely
            self.table, self.memory = (part.mul(levels).round() for part in (self.table, self.memory))
        self.table, self.memory = self.table.to(dtype), self.memory.to(dtype)
        self.asked = []
        self.most = 0

    def scores(self, hidden, source):
        return self.table[hidden] + self.memory[source]

    def logp(self, hidden, source, banned=()):
        row = self.scores(hidden, source).clone()
        row[list(banned)] = -INF
        return row.float().log_softmax(0).tolist() if row.dtype.itemsize < 4 else row.log_softmax(0).tolist()

    @staticmethod
    def after(hidden, symbol):
        return (hidden * 31 + symbol * 7 + 5) % STATES

    def start(self, sources):
        hidden = torch.tensor(sources) * 11 % STATES
        return self.scores(hidden, torch.tensor(sources)), self.state(hidden)

    @staticmethod
    def state(hidden):
        part = hidden.double().reshape(1, -1, 1)
        return part, (part * 2).expand(2, -1, 3)

    def steps(self, sources):
        """What `beam` asks for; its rows number these sources."""

        def ask(rows):
            self.asked.append(rows.tolist())
            memory = self.memory[torch.tensor(sources)[rows]]

            def step(symbols, state):
                assert symbols.dtype == torch.int64
                assert len(symbols) == len(rows)
                assert torch.equal(state[1], (state[0] * 2).expand(2, -1, 3))
                hidden = self.after(state[0][0, :, 0].long(), symbols)
                return self.table[hidden] + memory, self.state(hidden)

            return step

        return ask

    def search(self, sources, limits, **options):
        limits = torch.tensor(limits)
        return beam(self.steps(sources), *self.start(sources), END, limits=limits, **options)


def greedy(model, source, limit):
    hidden, symbols, total = source * 11 % STATES, [], 0.0
    while True:
        logp = model.logp(hidden, source)
        best = max(range(len(logp)), key=logp.__getitem__)
        if best == END or len(symbols) == limit:
            return symbols, total + logp[END]
        total += logp[best]
        symbols.append(best)
        hidden = model.after(hidden, best)


def enumerated(model, source, limit, alpha, banned=()):
    """All the sequences there are, the best first."""
    found = []

    def follow(hidden, symbols, total):
        logp = model.logp(hidden, source, banned)
        ended = total + logp[END]
        found.append(Hypothesis(symbols, ended, ended / (len(symbols) + 1) ** alpha))
        if len(symbols) < limit:
            for symbol in range(len(logp)):
                if symbol != END and logp[symbol] > -INF:
                    follow(model.after(hidden, symbol), [*symbols, symbol], total + logp[symbol])

    follow(source * 11 % STATES, [], 0.0)
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def by_the_rules(model, source, limit, *, width=5, alpha=1.0, count=1, banned=()):
    """The same search for one source in plain Python, which stops only when it must."""
    opened, finished = [(0.0, [], source * 11 % STATES)], []
    for length in range(limit + 1):
        ranked = []
        for total, symbols, hidden in opened:
            logp = model.logp(hidden, source, banned)
            allowed = [END] if length == limit else range(len(logp))
            ranked += [(total + logp[symbol], symbols, hidden, symbol) for symbol in allowed]
        ranked = sorted((one for one in ranked if one[0] > -INF), key=lambda one: -one[0])[: 2 * width]
        ended = [one for one in ranked[:width] if one[-1] == END]
        finished += [Hypothesis(one[1], one[0], one[0] / (length + 1) ** alpha) for one in ended]
        opened = [
            (total, [*symbols, symbol], model.after(hidden, symbol))
            for total, symbols, hidden, symbol in ranked
            if symbol != END
        ][:width]
        if len(finished) >= width:
            break
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)[:count]


def same(got, want, rel=1e-9):
    assert [one.symbols for one in got] == [one.symbols for one in want]
    assert [one.logp for one in got] == pytest.approx([one.logp for one in want], rel=rel)
    assert [one.score for one in got] == pytest.approx([one.score for one in want], rel=rel)


@pytest.mark.parametrize("seed", range(40))
def test_width_of_one_is_greedy(seed):
    model = Model(7, 3, seed)
    limits = [1, 6, 20]
    for source, found in enumerate(model.search([0, 1, 2], limits, width=1)):
        symbols, logp = greedy(model, source, limits[source])
        n = len(symbols) + 1
        same(found, [Hypothesis(symbols, logp, logp / n)])


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(("size", "limit"), [(2, 5), (3, 4), (4, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_wide_beam_finds_all_there_is(seed, size, limit, alpha):
    model = Model(size, 2, seed)
    limits = [limit, limit - 1]
    wants = [enumerated(model, source, limits[source], alpha) for source in (0, 1)]
    width = len(wants[0]) + 1  # one more than there are: no source is done for having found enough
    for found, want in zip(
        model.search([0, 1], limits, width=width, count=width, alpha=alpha), wants, strict=True
    ):
        same(found, want)
    for count in (1, 3):  # here the search stops once nothing open can come among these
        few = model.search([0, 1], limits, width=width, count=count, alpha=alpha)
        for found, want in zip(few, wants, strict=True):
            same(found, want[:count])


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(2, 12),
    limits=st.lists(st.integers(1, 12), min_size=1, max_size=9),
    width=st.integers(1, 6),
    data=st.data(),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    levels=st.sampled_from([0, 1, 2]),
)
def test_batch_follows_the_rules_of_one(seed, size, limits, width, data, alpha, levels):
    count = data.draw(st.integers(1, width))
    banned = data.draw(st.lists(st.integers(0, size - 1).filter(lambda symbol: symbol != END), max_size=2))
    model = Model(size, len(limits), seed, levels=levels)
    options = {"width": width, "alpha": alpha, "count": count, "banned": banned}
    got = model.search(list(range(len(limits))), limits, **options)
    for source, found in enumerate(got):
        assert found == by_the_rules(model, source, limits[source], **options)


def test_one_by_one_is_the_same():
    limits = [3, 30, 8, 1, 15, 30, 4, 9]
    model = Model(10, 8, 5, dtype=torch.float32)
    together = model.search(list(range(8)), limits, count=3, width=4)
    for source, found in enumerate(together):
        (alone,) = model.search([source], [limits[source]], count=3, width=4)
        assert alone == found


def test_rows_of_finished_sources_are_dropped():
    limits = [2, 40, 2, 2, 40, 5, 5, 2]
    model = Model(6, 8, 3)
    model.memory[:, END] = -20.0  # no sequence ends before its limit
    got = model.search(list(range(8)), limits, width=3)
    assert [len(found[0].symbols) for found in got] == limits
    owners = [list(range(8)), [1, 4, 5, 6], [1, 4]]
    assert model.asked == [[source for source in part for _ in range(3)] for part in owners]
    for source, found in enumerate(got):
        assert found == by_the_rules(model, source, limits[source], width=3)


def test_a_few_finished_sources_stay():
    limits = [2, 9, 9, 9, 9]
    model = Model(6, 5, 3)
    model.memory[:, END] = -20.0
    got = model.search(list(range(5)), limits, width=2)
    assert len(model.asked) == 1
    assert [len(found[0].symbols) for found in got] == limits
    assert got[0] == by_the_rules(model, 0, 2, width=2)


def test_no_step_beyond_what_can_still_win():
    sizes = []
    certain = torch.full((1, 4), -50.0)
    certain[0, END] = 50.0

    def steps(rows):
        def step(symbols, state):
            sizes.append(len(symbols))
            return certain.expand(len(symbols), -1), state

        return step

    options = {"limits": torch.tensor([1000]), "width": 3, "alpha": 0.0}
    assert beam(steps, certain, (), END, **options) == [[Hypothesis([], 0.0, 0.0)]]
    assert sizes == []
    beam(steps, certain, (), END, **options, count=3)
    assert sizes == [3]


@pytest.mark.parametrize("width", [1, 2, 5])
def test_equals_go_by_number(width):
    flat = torch.zeros(2, 50)
    got = beam(
        lambda rows: lambda symbols, state: (torch.zeros(len(symbols), 50), state),
        flat,
        (),
        49,
        width=width,
        limits=torch.tensor([3, 2]),
        count=width,
    )
    for found, limit in zip(got, (3, 2), strict=True):
        assert [one.symbols for one in found] == [[0] * (limit - 1) + [last] for last in range(width)]
        assert [one.logp for one in found] == pytest.approx([-(limit + 1) * math.log(50)] * width)


def test_equals_at_the_edge_of_many():
    scores = torch.randint(0, 3, (20, 3000), generator=torch.Generator().manual_seed(0)).float()
    scores[:, 7] = 9.0  # the end, and above all else
    rest = scores.clone()
    rest[:, 7] = 0.0
    firsts = rest.argmax(1)  # argmax takes the first of equals
    got = beam(
        lambda rows: lambda symbols, state: (scores[rows], state),
        scores,
        (),
        7,
        width=2,
        count=2,
        limits=torch.ones(20, dtype=torch.int64),
    )
    for row, found in enumerate(got):
        assert [one.symbols for one in found] == [[], [int(firsts[row])]]


def test_banned_symbols_share_out_their_probability():
    model = Model(4, 1, 2)
    for alpha in (0.0, 1.0):
        want = enumerated(model, 0, 3, alpha, banned=[0])
        assert len(want) == 1 + 2 + 4 + 8
        (got,) = model.search([0], [3], width=20, count=20, alpha=alpha, banned=[0])
        same(got, want)


@pytest.mark.parametrize("width", [1, 4])
def test_what_the_step_returned_is_left_alone(width):
    model = Model(5, 1, 0)
    scores, state = model.start([0])
    before = scores.clone()
    table = model.table.clone()
    beam(model.steps([0]), scores, state, END, width=width, limits=torch.tensor([5]), banned=[0, 2])
    assert torch.equal(scores, before)
    assert torch.equal(model.table, table)


def test_what_cannot_follow_never_surfaces():
    table = torch.full((4, 4), -INF)  # 0 -> 2 -> 3 -> end, and nothing else
    table[0, 2] = table[2, 3] = table[3, END] = 0.0
    got = beam(
        lambda rows: lambda symbols, state: (table[symbols], state),
        table[:1],
        (),
        END,
        width=4,
        count=4,
        limits=torch.tensor([9]),
    )
    assert got == [[Hypothesis([2, 3], 0.0, 0.0)]]


def test_nothing_can_be_finished():
    """At the limit the end is impossible; or nothing at all may follow."""
    endless = torch.tensor([[0.0, -INF, 1.0]])

    def search(scores, then, **options):
        return beam(
            lambda rows: lambda symbols, state: (then.expand(len(symbols), -1), state),
            scores,
            (),
            END,
            limits=torch.tensor([3]),
            **options,
        )

    for alpha in (0.0, 1.0):
        assert search(endless, endless, alpha=alpha) == [[Hypothesis([2, 2, 2], -INF, -INF)]]
        nothing = torch.full((1, 3), -INF)
        assert search(nothing, nothing, alpha=alpha) == [[Hypothesis([], -INF, -INF)]]
        assert search(endless, nothing, alpha=alpha, count=3) == [[Hypothesis([2], -INF, -INF)]]
        assert search(endless, endless * math.nan, alpha=alpha) == [[Hypothesis([2], -INF, -INF)]]
        some = torch.zeros(1, 30)
        some[0, 3:5], some[0, 6], some[0, 7:9] = math.nan, 2.0, 1.0
        assert search(some, some, alpha=alpha, width=2) == [[Hypothesis([], -INF, -INF)]]


def test_only_the_end():
    scores = torch.zeros(2, 1)
    got = beam(lambda rows: None, scores, (), 0, width=3, limits=torch.tensor([5, 1]))
    assert got == [[Hypothesis([], 0.0, 0.0)]] * 2


def test_no_sources():
    none = torch.zeros(0, dtype=torch.int64)
    assert beam(lambda rows: None, torch.zeros(0, 4), (), END, width=2, limits=none) == []


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_precision_of_the_scores(dtype):
    model = Model(40, 4, 9, dtype=dtype)
    limits = [20, 3, 12, 20]
    exact = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-5}[dtype]
    for source, found in enumerate(model.search([0, 1, 2, 3], limits, count=5)):
        same(found, by_the_rules(model, source, limits[source], count=5), rel=exact)


def test_no_graph_is_kept():
    weight = torch.ones(1, 3, requires_grad=True)
    seen = []

    def steps(rows):
        def step(symbols, state):
            seen.append((torch.is_grad_enabled(), state[0].requires_grad))
            return weight.expand(len(symbols), -1) * 1.0, (state[0] + weight.sum(),)

        return step

    state = (torch.zeros(2, 1, 4, requires_grad=True) * 2,)
    beam(steps, weight * 2.0, state, END, width=2, limits=torch.tensor([3]))
    assert set(seen) == {(False, False)}
    assert torch.is_grad_enabled()


def test_same_twice():
    model = Model(30, 5, 1, levels=1)
    first, second = (model.search(list(range(5)), [9] * 5, count=4) for _ in range(2))
    assert first == second


def test_rows_are_asked_for_source_by_source():
    model = Model(5, 3, 0)
    model.search([2, 0, 1], [1, 1, 1], width=2)
    assert model.asked[0] == list(itertools.chain(*([source] * 2 for source in range(3))))


@pytest.mark.parametrize(
    ("options", "limit", "message"),
    [
        ({"width": 0}, 1, "width: expected at least 1, got 0"),
        ({"count": 0}, 1, "count: expected at least 1, got 0"),
        ({"width": 2, "count": 3}, 1, "count: expected at most the width, 2, got 3"),
        ({"alpha": -0.5}, 1, "alpha: expected 0 (the length does not matter) or above, got -0.5"),
        ({"alpha": math.nan}, 1, "alpha: expected 0 (the length does not matter) or above, got nan"),
        ({}, 0, "limits: expected at least 1, got 0"),
        (
            {"banned": [0, END]},
            1,
            "banned: expected symbols without which a sequence can still end, got the end",
        ),
    ],
)
def test_options_out_of_bounds(options, limit, message):
    model = Model(4, 2, 0)
    with pytest.raises(ConfigError) as caught:
        model.search([0, 1], [3, limit], **options)
    assert str(caught.value) == message

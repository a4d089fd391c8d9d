"""Who waits together is served together, each gets its own result, and nobody hears of another's fault."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

from elman.core import interruption
from elman.core.errors import DataError
from elman.server.batch_worker import BatchWorker, BusyError


def served(ask, *, waiting: int = 100, together: int = 100):
    """What `ask(worker)` gives, and the sizes of the batches; work lets others go first wherever it looks."""
    sizes: list[int] = []

    async def run():
        worker = BatchWorker(waiting, together, sizes.append, slice=0)
        worker.start()
        try:
            return await ask(worker)
        finally:
            worker.stop()

    return asyncio.run(run()), sizes


def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


def held(worker: BatchWorker) -> tuple[threading.Event, asyncio.Future]:
    """The worker is busy until the event is set."""
    event = threading.Event()
    return event, worker.submit(None, lambda _: [event.wait()], None)


def test_those_who_wait_with_a_key_are_served_by_one_call():
    async def ask(worker):
        event, first = held(worker)
        await asyncio.sleep(0.05)
        asked = [worker.submit("double", doubled, number) for number in range(5)]
        other = worker.submit("other", doubled, 7)
        event.set()
        await first
        return await asyncio.gather(*asked, other)

    results, sizes = served(ask)
    assert results == [0, 2, 4, 6, 8, 14]
    assert sizes == [1, 5, 1]


def test_a_batch_has_a_bound_and_the_rest_comes_after():
    async def ask(worker):
        event, first = held(worker)
        await asyncio.sleep(0.05)
        asked = [worker.submit("double", doubled, number) for number in range(5)]
        event.set()
        await first
        return await asyncio.gather(*asked)

    results, sizes = served(ask, together=2)
    assert results == [0, 2, 4, 6, 8]
    assert sizes == [1, 2, 2, 1]


def test_a_fault_of_one_is_not_told_to_others():
    def strict(numbers: list[int]) -> list[int]:
        if -1 in numbers:
            raise DataError("value", "-1", expected="0 or more")
        return doubled(numbers)

    async def ask(worker):
        event, first = held(worker)
        await asyncio.sleep(0.05)
        asked = [worker.submit("strict", strict, number) for number in (1, -1, 3)]
        event.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)

    results, _ = served(ask)
    assert results[0] == 2
    assert results[2] == 6
    assert isinstance(results[1], DataError)


def test_a_result_may_be_an_error_for_one_alone():
    async def ask(worker):
        one = worker.submit(None, lambda numbers: [DataError("x", "y")], 1)
        return await asyncio.gather(one, return_exceptions=True)

    (error,), _ = served(ask)
    assert isinstance(error, DataError)


def test_a_fault_of_whatever_kind_is_not_told_to_others():
    async def ask(worker):
        event, first = held(worker)
        await asyncio.sleep(0.05)
        asked = [
            worker.submit("float", lambda some: [float(one) for one in some], n) for n in (1, 10**400, 3)
        ]
        event.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)

    results, _ = served(ask)
    assert results[::2] == [1.0, 3.0]
    assert isinstance(results[1], OverflowError)


def test_work_ends_when_nobody_waits_for_it_any_more():
    def endless(_):
        while True:
            interruption.look()

    async def ask(worker):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await worker.submit(None, endless, 1)
        return await worker.submit(None, doubled, 4)

    assert served(ask)[0] == 8


_LOOKS = 1_000_000
"""After so many looks, work that waits for other work gives up."""


def until(seen: list[str], word: str):
    """Work that looks until that word is there: whether it came."""
    return lambda _: [any(interruption.look() or word in seen for _ in range(_LOOKS))]


def says(seen: list[str], word: str):
    return lambda _: [seen.append(word)]


def test_long_work_lets_others_go_first_and_then_goes_on():
    seen: list[str] = []

    async def ask(worker):
        long = worker.submit(None, until(seen, "c"), None)
        for word in "abc":
            await worker.submit(None, says(seen, word), None)
        return await long

    assert served(ask)[0] is True
    assert seen == ["a", "b", "c"]


def test_long_work_has_its_turns_though_others_come_again_and_again():
    steps: list[str] = []

    def long(name: str):
        def work(_):
            for _ in range(50):
                interruption.look()
                steps.append(name)
            return [name]

        return work

    async def ask(worker):
        asked = [worker.submit(None, long(name), None) for name in "ab"]
        shorts = 0
        while not all(one.done() for one in asked):
            await worker.submit(None, says([], "short"), None)
            shorts += 1
        return [await one for one in asked], shorts

    (names, shorts), _ = served(ask)
    assert names == ["a", "b"]
    assert shorts
    assert "ba" in "".join(steps)  # they took turns


def test_work_on_a_thing_is_not_begun_in_the_middle_of_other_work_on_it():
    seen: list[str] = []

    async def ask(worker):
        long = worker.submit_unbounded("steps", until(seen, "other"), None, group="engine")
        close = worker.submit_unbounded(None, lambda _: [seen.append("close")], None, group="engine")
        quick = worker.run_inline("step", lambda _: [seen.append("quick")], None, group="engine")
        await worker.submit(None, says(seen, "other"), None)
        return (await asyncio.gather(long, close, quick))[0]

    assert served(ask)[0] is True
    assert seen == ["other", "close", "quick"]


def test_no_more_threads_than_pieces_of_work_that_are_begun():
    threads: set[int] = set()

    async def ask(worker):
        for _ in range(50):
            await worker.submit(None, lambda _: [threads.add(threading.get_ident())], None)

    served(ask)
    assert len(threads) == 1


def test_work_that_was_set_aside_counts_as_waiting():
    seen: list[str] = []

    async def ask(worker):
        long = [worker.submit(None, until(seen, "end"), None) for _ in range(2)]
        while worker.waiting:
            await asyncio.sleep(0)
        with contextlib.suppress(BusyError):
            while len(long) < 10:
                long.append(worker.submit(None, until(seen, "end"), None))
        seen.append("end")
        return await asyncio.gather(*long)

    results = served(ask, waiting=4)[0]
    assert results in ([True] * 4, [True] * 5)  # one computes


def test_what_is_our_own_fault_is_told_and_the_thread_goes_on():
    async def ask(worker):
        broken = worker.submit(None, lambda numbers: 1 / 0, 1)
        with pytest.raises(ZeroDivisionError):
            await broken
        return await worker.submit(None, doubled, 4)

    assert served(ask)[0] == 8


def test_more_than_may_wait_are_refused_but_not_those_who_are_bounded_elsewhere():
    async def ask(worker):
        event, first = held(worker)
        await asyncio.sleep(0.05)
        asked = [worker.submit(None, doubled, number) for number in range(2)]
        with pytest.raises(BusyError):
            worker.submit(None, doubled, 9)
        asked.append(worker.submit_unbounded(None, doubled, 5))
        assert worker.waiting == 2
        event.set()
        await first
        results = await asyncio.gather(*asked)
        assert worker.waiting == 0
        return results

    assert served(ask, waiting=2)[0] == [0, 2, 10]


def test_who_has_gone_is_not_served():
    seen = []

    def noted(numbers: list[int]) -> list[int]:
        seen.extend(numbers)
        return numbers

    async def ask(worker):
        event, first = held(worker)
        await asyncio.sleep(0.05)
        asked = [worker.submit("noted", noted, number) for number in range(3)]
        asked[1].cancel()
        event.set()
        await first
        return await asyncio.gather(asked[0], asked[2])

    assert served(ask)[0] == [0, 2]
    assert seen == [0, 2]


def where(payloads: list[object]) -> list[tuple[threading.Thread, int]]:
    return [(threading.current_thread(), len(payloads))] * len(payloads)


def test_what_is_quick_is_computed_by_the_loop_with_what_came_in_the_same_turn():
    async def ask(worker):
        return await asyncio.gather(*[worker.run_inline("where", where, None) for _ in range(5)])

    results, sizes = served(ask, together=3)
    assert results == [(threading.current_thread(), size) for size in (3, 3, 3, 2, 2)]
    assert sizes == [3, 2]


def test_the_loop_computes_only_while_the_thread_rests():
    async def ask(worker):
        early = worker.run_inline("where", where, None)  # the thread rests now, but not when its turn comes
        event, first = held(worker)
        late = worker.run_inline("where", where, None)
        await asyncio.sleep(0.05)
        assert not early.done()
        assert not late.done()
        event.set()
        await first
        then = await asyncio.gather(early, late)
        return [*then, await worker.run_inline("where", where, None)]

    results, sizes = served(ask)
    assert sizes == [1, 2, 1]
    assert [thread is threading.current_thread() for thread, _ in results] == [False, False, True]


def test_what_turns_out_to_take_its_time_goes_to_the_thread():
    def slow(payloads: list[object]) -> list[tuple[threading.Thread, int]]:
        until = time.thread_time() + 0.1
        while time.thread_time() < until:
            pass
        return where(payloads)

    async def ask(worker):
        return [(await worker.run_inline("slow", slow, None))[0] for _ in range(3)]

    results, _ = served(ask)
    assert results[0] is threading.current_thread()
    assert results[1] is results[2] is not results[0]


def test_the_loop_too_serves_nobody_who_has_gone_and_tells_faults():
    async def ask(worker):
        asked = [worker.run_inline("noted", noted, number) for number in range(3)]
        asked[1].cancel()
        broken = worker.run_inline("broken", lambda numbers: 1 / 0, 1)
        with pytest.raises(ZeroDivisionError):
            await broken
        return await asyncio.gather(asked[0], asked[2])

    seen = []

    def noted(numbers: list[int]) -> list[int]:
        seen.extend(numbers)
        return numbers

    assert served(ask)[0] == [0, 2]
    assert seen == [0, 2]

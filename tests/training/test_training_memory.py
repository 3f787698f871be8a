import mmap
import sys

import pytest

from better_ai.training.memory import PeakMemory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="exact peaks are counted on Linux only")
MIB = 1 << 20


def use(mebibytes: int) -> None:
    """Touch that much memory and give it back to the system, whatever the allocator would keep."""
    with mmap.mmap(-1, mebibytes * MIB) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1


def test_sees_memory_that_was_given_back_before_the_end() -> None:
    with PeakMemory() as small:
        pass
    with PeakMemory() as large:
        use(200)
    assert 150 * MIB < large.bytes - small.bytes < 260 * MIB


def test_does_not_see_what_happened_before() -> None:
    use(400)
    with PeakMemory() as peak:
        use(10)
    with PeakMemory() as now:
        pass
    assert peak.bytes < now.bytes + 200 * MIB


def test_spans_nest() -> None:
    with PeakMemory() as outer:
        use(200)
        with PeakMemory() as inner:
            use(20)
        assert outer.bytes > inner.bytes + 100 * MIB
    with PeakMemory() as outer, PeakMemory() as inner:
        use(100)
    assert outer.bytes == inner.bytes

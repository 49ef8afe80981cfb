"""Interleaved timing: every round runs every case once, so that a machine's drift hits all alike."""

import statistics
import time


def interleave(cases, rounds, warmup=2):
    """Seconds of every case, `{name: [seconds, ...]}`, `rounds` each, after `warmup` uncounted rounds."""
    seconds = {name: [] for name in cases}
    for number in range(warmup + rounds):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds, name, over):
    """Median over the rounds of one case divided by another (or by the faster of several) in the same round."""
    others = [over] if isinstance(over, str) else over
    fastest = min(others, key=lambda other: statistics.median(seconds[other]))
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[fastest], strict=True))


def table(seconds, over):
    """Prints every case with its median and its ratio to one of them."""
    for name, values in seconds.items():
        print(f"{name:44} {1e3 * statistics.median(values):9.2f} ms {ratio(seconds, name, over):7.2f}")

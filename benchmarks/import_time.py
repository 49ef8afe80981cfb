"""What `import tf_xai` adds to `import tensorflow, keras`: medians over fresh processes."""

import statistics
import subprocess
import sys

CODE = """
import time, tensorflow, keras
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""


def seconds(statement, runs=7):
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(runs)]
    return statistics.median(map(float, runs))


if __name__ == "__main__":
    for statement in ("import tf_xai", "import tf_xai; tf_xai.explain; tf_xai.ExplainableModel; tf_xai.callbacks"):
        print(f"{statement:80} {seconds(statement):.3f} s (aim: 0.3)")

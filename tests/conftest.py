"""What holds for all tests: one thread, so that they may run side by side; no luck; no network."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is first imported, here and in the processes that tests start
os.environ["HF_HUB_OFFLINE"] = "1"

from hypothesis import settings

settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")

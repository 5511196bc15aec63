"""Collection: a module that only works where ``neurobench`` is installed is no test."""

from __future__ import annotations

collect_ignore = ["neurobench_mirror.py"]

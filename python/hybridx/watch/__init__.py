"""A watch: the index follows the tree for as long as a process stays.

Events are the alarm and never the truth. What they say decides when an update runs; what changed is
found by the update itself, which scans the tree and compares digests. So an event that is lost,
doubled, late or wrong can delay an update and cannot make one wrong, and a scan of everything, from
time to time and whenever events may have been lost, bounds the delay.
"""

from hybridx.watch.reports import Reports
from hybridx.watch.watcher import Watcher

__all__ = ["Reports", "Watcher"]

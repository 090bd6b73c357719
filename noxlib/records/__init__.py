"""What remains of runs: folders, the audit trail, the history. No absolute path in what is kept."""

from noxlib.records.events import Events
from noxlib.records.history import History
from noxlib.records.run import Run, portable, read_record
from noxlib.records.state import State

__all__ = ["Events", "History", "Run", "State", "portable", "read_record"]

"""Understudy: face replacement for compositors.

Importing the package settles what the libraries read when they are imported: nothing is sent anywhere, and
nothing that lies in the current folder is run.
"""

import os
import sys

__version__ = "0.1.0"

# onnxruntime sends telemetry from its first import on, and keeps an identifier of the machine in the cache;
# only this variable, set before, prevents both (its Privacy.md, "Disabling Telemetry").
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# numba takes settings from .numba_config.yaml of the current folder; its cache is pickles, so a folder named
# there could run code. The environment overrules that file, and an empty text means numba's own place.
os.environ.setdefault("NUMBA_CACHE_DIR", "")


def _leave_current_folder() -> None:
    """Take the current folder off the path of modules: a numpy.py that lies beside a shot is no part of us.

    `python -m` puts it there, first of all, and so does an empty or relative entry of PYTHONPATH. Where the
    package itself is found by such an entry alone, that one stays.
    """
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.environ.get("PYTHONPATH") else []
    loose = {os.path.abspath(entry) for entry in named if not os.path.isabs(entry)}
    loose -= {os.path.abspath(entry) for entry in named if os.path.isabs(entry)}
    mine = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    first = sys.path[:1] if sys.argv[0] == "-m" and not sys.flags.safe_path else []
    rest = [entry for entry in sys.path[len(first) :] if entry not in loose]
    sys.path[:] = rest if mine in rest else [*first, *sys.path[len(first) :]]


# Only where this process is the engine: while `python -m` imports the package, argv[0] is still -m.
if sys.argv and os.path.basename(sys.argv[0]) in ("-m", "understudy", "understudy.exe"):
    _leave_current_folder()

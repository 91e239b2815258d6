"""Nuke runs this where the folder is on NUKE_PATH, with a window and on farm machines alike.

It registers callbacks. A failure says why and lets Nuke open.
"""

import os
import sys
import traceback

import nuke

try:
    _here = os.path.dirname(os.path.abspath(__file__))
    if _here not in sys.path:
        sys.path.append(_here)
    nuke.pluginAddPath(os.path.join(os.path.dirname(_here), "gizmos"))
    nuke.pluginAddPath(os.path.join(_here, "icons"))

    from understudy_nuke import actions

    nuke.addKnobChanged(actions.knob_changed, nodeClass="Group")
except Exception as error:  # whatever it is, the script must open
    nuke.tprint(f"Understudy did not start: {type(error).__name__}: {error}")
    nuke.tprint(traceback.format_exc())

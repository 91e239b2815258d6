"""Nuke runs this where it has a window: the menu. Callbacks are in init.py, which farm machines run too."""

import traceback

import nuke

try:
    from understudy_nuke import actions

    _menu = nuke.menu("Nodes").addMenu("Understudy", icon="understudy.png")
    _menu.addCommand("Understudy", actions.create, icon="understudy.png")
    _menu.addCommand("UnderstudyPaint", actions.create_paint)
    _menu.addCommand("UnderstudyPropagate", actions.create_propagate)
    nuke.addAutolabel(actions.autolabel, nodeClass="Group")
except Exception as error:  # whatever it is, Nuke must open
    nuke.tprint(f"Understudy has no menu: {type(error).__name__}: {error}")
    nuke.tprint(traceback.format_exc())

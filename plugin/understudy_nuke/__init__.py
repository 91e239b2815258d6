"""Understudy in Nuke: its node, its buttons, and what passes between the script and the engine."""

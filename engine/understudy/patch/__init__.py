"""Patch propagation: a fix painted on one frame, carried to its neighbours by flow and by patches."""

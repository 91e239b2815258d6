"""Patch propagation: a fix painted on one frame, propagated to its neighbours by flow and by synthesis."""

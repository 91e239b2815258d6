"""Understudy: face replacement for compositors."""

__version__ = "0.1.0"

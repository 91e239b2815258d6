"""Skin banks: a performer's sharpest faces at their full resolution, in canonical position."""

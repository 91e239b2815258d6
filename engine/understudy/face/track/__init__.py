"""Tracks: where the faces of a shot lie, frame by frame."""

from understudy.face.track.store import Track, TrackedFace

__all__ = ["Track", "TrackedFace"]

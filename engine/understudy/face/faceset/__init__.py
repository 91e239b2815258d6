"""Face sets: one performer's aligned faces, with what is known of each."""

from understudy.face.faceset.store import FaceRecord, FaceSet

__all__ = ["FaceRecord", "FaceSet"]

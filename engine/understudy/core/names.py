"""Names that files, options and layers share."""

from __future__ import annotations

import re

DEFAULT_FACE = "face"
"""What a shot's face is called where nobody named it, and in files that knew one face only."""
FACE_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,31}$"
"""A face's name: it begins the names of layers, in which hosts allow letters, digits and underscores."""


def is_face_name(name: str) -> bool:
    """Whether a face can be called so."""
    return re.fullmatch(FACE_NAME, name) is not None

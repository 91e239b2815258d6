"""Which files are finished frames: made from what is asked for, and whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from understudy.core.content import ContentHashes
from understudy.core.errors import JobError, PlateError
from understudy.core.processor import instructions
from understudy.core.progress import Reporter, Warned
from understudy.image.exr import read_image, read_metadata
from understudy.image.frame import MetadataValue
from understudy.image.integrity import DIGEST, PIXELS, looks_whole, pixels_digest, place_of
from understudy.provenance.stamp import PROCESSOR

_CHECKED = frozenset({".exr", ".png"})


class PixelHashes(ContentHashes):
    """Digests of the pixels of files, for one run; those of unchanged files are remembered on this machine.

    Args:
        folder: Cache folder of this machine; None to read every file.
    """

    file_name = "pixels.sqlite"

    def compute(self, path: Path) -> str:
        """The digest of the picture in a file.

        Raises:
            OSError: it cannot be read.
        """
        try:
            frame = read_image(path)
        except PlateError as exc:
            raise OSError(exc.what) from exc
        return pixels_digest(frame.pixels, frame.channels, place_of(frame.data_window, frame.display_window))


class FinishedFrames:
    """Tells which files are finished frames: those of the digest that is asked for, whose pixels are whole.

    Args:
        cache: Folder of this machine where it is remembered which files were read; None to keep nothing.
        verify: Read every finished frame, those too that are remembered and look unchanged.
    """

    def __init__(self, cache: Path | None, *, verify: bool = False) -> None:
        self._pixels = PixelHashes(None if verify else cache)
        self._made = PixelHashes(cache)
        self._others: Counter[str] = Counter()

    def header(self, path: Path, wanted: str) -> Mapping[str, MetadataValue] | None:
        """What the header of a finished frame says; None where the frame must be made.

        Args:
            path: The file.
            wanted: Digest of what it must be made from.
        """
        if not path.exists():
            return None
        try:
            header = read_metadata(path)
        except PlateError:
            return None  # half a file from elsewhere: it is written again
        if header.get(DIGEST) != wanted or not looks_whole(path):
            return None
        if self._pixels.of(path) != header.get(PIXELS):
            return None
        made_by = header.get(PROCESSOR)
        if isinstance(made_by, str) and made_by != instructions():
            self._others[made_by] += 1
        return header

    def told(self, report: Reporter) -> dict[str, Any]:
        """What the result says of processors: this one, and how many finished frames others made.

        Args:
            report: Is warned where there are such.
        """
        if self._others:
            kinds = ", ".join(f"{count} by {name}" for name, count in sorted(self._others.items()))
            report(
                Warned(
                    f"Finished frames were made by other processors than this {instructions()}: {kinds}. "
                    "Their last bits may differ (see docs/formats.md)."
                )
            )
        return {"processor": instructions(), "other_processors": dict(sorted(self._others.items()))}

    def refuse_edited(self, path: Path) -> None:
        """Refuse to replace a frame that somebody painted on after it was written.

        It has our header, reads without a fault, and holds other pixels than were written. One that does not
        read is damaged, and is made again. Formats whose data have no check of their own do not tell the two
        apart: there such a frame counts as damaged.

        Raises:
            JobError: the frame was edited.
        """
        if path.suffix.lower() not in _CHECKED or not path.exists() or not looks_whole(path):
            return
        try:
            written = read_metadata(path).get(PIXELS)
        except PlateError:
            return
        found = self._pixels.of(path) if isinstance(written, str) else ""
        if found and found != written:
            raise JobError(
                "The frame was changed after Understudy wrote it, by hand or by another program.",
                where=path,
                fix="write to another name, or replace it with --overwrite",
            )

    def remember(self, path: Path) -> None:
        """Take a frame that was just written as whole, until its file changes."""
        digest = read_metadata(path).get(PIXELS)
        if isinstance(digest, str):
            self._made.remember(path, digest)

"""A skin bank as a swap uses it: with its faces' bands and the crops that were read last."""

from __future__ import annotations

from pathlib import Path

from understudy.core.cache import LruCache
from understudy.face.skin.bank import SkinBank
from understudy.inference.card import ModelCard
from understudy.swap.skin import choose
from understudy.swap.skin.fit import BankCrop

# Some eighty crops of 512 pixels: a shot's frames choose the same faces again and again.
_CROP_BYTES = 2**28


class OpenBank:
    """A skin bank, its faces' bands, and the crops that were read last.

    Attributes:
        bank: The bank.
        known: Its small pictures, made ready to be compared.
    """

    def __init__(self, bank: SkinBank) -> None:
        self.bank = bank
        self.known = choose.KnownFaces.of(bank.previews, bank.coverage)
        self._crops: LruCache[BankCrop] = LruCache(_CROP_BYTES)

    @classmethod
    def open(cls, path: Path) -> OpenBank:
        """Open a bank.

        Raises:
            FaceError: it cannot be read.
        """
        return cls(SkinBank.open(path))

    def crop(self, index: int) -> BankCrop:
        """A face's crop, made ready.

        Raises:
            FaceError: it is damaged.
        """
        bank = self.bank

        def read() -> BankCrop:
            return BankCrop.of(bank.read_crop(index), bank.landmarks[index], bank.coverage)

        return self._crops.get(index, read, lambda crop: crop.nbytes)

    def unfit(self, card: ModelCard, source: str) -> str:
        """Why the bank does not belong to a model and a source, as a sentence; empty where it does."""
        bank, release = self.bank, card.releases.get(source, "")
        if bank.identity != source:
            return f"The skin bank {bank.path.name} is of {bank.identity!r}, the new face is of {source!r}"
        if bank.coverage != card.coverage:
            return f"The skin bank {bank.path.name} covers {bank.coverage}, the model {card.coverage}"
        if bank.release_digest != release:
            return f"The skin bank {bank.path.name} names another likeness release than the model"
        return ""

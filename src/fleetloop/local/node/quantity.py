"""Kubernetes quantities ("64Mi", "500m", "1e3") to numbers."""

from decimal import Decimal, InvalidOperation

SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}


def number_of(quantity: str | int | float) -> Decimal:
    """Raises ValueError for what is not a quantity. The API server has checked those of stored objects."""
    text = str(quantity).strip()
    digits = text.rstrip("numkMGTPEi")
    suffix = text[len(digits) :]
    try:
        return Decimal(digits) * SUFFIXES[suffix]
    except (InvalidOperation, KeyError) as error:
        raise ValueError(f"{quantity!r} is not a quantity") from error

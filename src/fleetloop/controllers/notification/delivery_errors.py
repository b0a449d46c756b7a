"""How a delivery can fail: for good, or for now. Messages hold no secret."""


class DeliveryFailed(Exception):
    """What was asked is refused, or cannot be asked: only a change of Provider, Secret or receiver helps."""


class TryAgain(DeliveryFailed):
    """The receiver is away or busy; the same delivery may succeed later."""

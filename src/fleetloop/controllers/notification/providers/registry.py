"""Which function serves which type of Provider."""

from collections.abc import Mapping

from fleetloop.controllers.notification.providers import generic
from fleetloop.controllers.notification.providers.sending import Send

PROVIDERS: Mapping[str, Send] = {
    "generic": generic.send,
    "generic-hmac": generic.send_signed,
}

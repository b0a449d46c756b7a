"""notification-controller: events out to people, webhooks in."""

"""What an event looks like at each service: one file a service or family."""

"""What every controller needs: queue, loop, outcome and settle, waits, events, lease, probes, metrics."""

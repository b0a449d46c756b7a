"""The words of the Flux API: structs of every served kind, reasons, kinds, durations. Imports nothing of ours."""

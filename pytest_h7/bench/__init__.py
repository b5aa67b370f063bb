"""What stands on the desk: probe, connection, clock, console, power and stimulus; real or virtual."""

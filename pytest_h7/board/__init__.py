"""What a test sees: the board, its cores, access ports, domains, pins, flash and option bytes."""

"""A board at another machine: its ST-LINK's commands over TCP, and its console by RFC 2217."""

"""Why something cannot be reached: causes by name, and how they are told apart."""

"""What operators run: the checks, the trace of one recording, and the commands. No route of a listener is here."""

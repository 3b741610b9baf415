"""Reading and writing artifacts; only the commands (and the step's life under them) come here."""

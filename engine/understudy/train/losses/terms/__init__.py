"""One file a loss, each with its rows of the table (losses/table.py), which reads every file here."""

"""One module per command of the command line: its row of the table of commands, and what it runs and prints.

What a command needs is imported when it runs, so that `clickseg --help` is there at once.
"""

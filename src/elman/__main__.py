"""`python -m elman`: the command line."""

from elman.cli.commands import main

main()

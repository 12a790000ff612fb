"""`python -m hephaestus_stream.cli`: the command line where the script is not on the path."""

from hephaestus_stream.cli.app import main

main()

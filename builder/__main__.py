"""`python -m builder` is `everywheel`."""

from builder.cli import main

main()

"""`python -m everywheel` is `everywheel`."""

from everywheel.cli.main import main

main()

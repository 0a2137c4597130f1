"""`python -m everywheel` is `everywheel`."""

from everywheel.cli.program import run_program

if __name__ == "__main__":
    run_program()

"""The steps of examples/build_examples.py."""

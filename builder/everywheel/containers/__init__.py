"""Container runtimes and the images that wheels are built and tested in.

The package connects to Docker or Podman, pulls images by digest or builds them from packages, and runs cibuildwheel for the
container engine.
"""

from setuptools import Extension, setup

setup(ext_modules=[Extension("spam", ["spam.c"])])

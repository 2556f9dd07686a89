"""The real stack that irongate's demo and conformance run stand on: Ironic and Keystone from PyPI, on this machine.

Python's standard library only, so that it runs before anything is installed.
"""

"""Scripts around other taps, each run by the Python that the tap is installed in."""

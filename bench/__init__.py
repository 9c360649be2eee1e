"""What the tap costs, measured against a prepared org and against a floor: `python -m bench`."""

"""What the operator takes, in time, memory and calls: `make bench`."""

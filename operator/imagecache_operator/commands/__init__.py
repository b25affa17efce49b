"""The commands beside `run`: each looks once, says what it found, and ends."""

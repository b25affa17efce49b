"""The soak: hours of creates, replacements and deletions, while everything around is made to fail and restarted."""

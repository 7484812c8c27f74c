"""Looking after a store: is everything whole? Plans before it acts, deletes nothing on an unknown outcome."""

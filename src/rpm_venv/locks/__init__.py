"""What a lock says, and how one is made."""

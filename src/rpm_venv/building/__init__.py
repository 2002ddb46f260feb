"""What a package brings: a buildroot's declarations and the dependencies they mean."""

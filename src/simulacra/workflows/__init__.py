"""What the commands do, as functions: from files to files, resumable, with progress."""

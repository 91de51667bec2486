"""The work of the commands as functions: from files to files, resumable, with progress."""

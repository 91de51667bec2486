"""What the judges see, how often they raise a false alarm, and how long they take: planted failures and speed."""

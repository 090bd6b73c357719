"""What it takes to bring a hire to its end."""

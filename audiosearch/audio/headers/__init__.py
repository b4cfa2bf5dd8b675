"""What headers say of how much sound a file holds, held against what is there."""

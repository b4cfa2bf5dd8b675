"""What can be asked over HTTP, a module for each family of resources."""

"""`python -m audiosearch` is the command `audiosearch`."""

from audiosearch.cli.main import main

if __name__ == "__main__":
    main()

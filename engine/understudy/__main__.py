"""`python -m understudy`: the same as the program `understudy`."""

from understudy.app.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

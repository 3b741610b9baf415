"""`python -m toolkit`, which is also what torchrun and accelerate launch."""

from toolkit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

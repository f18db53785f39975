"""`python -m phi_azure` is `phi-azure`."""

from phi_azure.cli import main

if __name__ == "__main__":
    main()

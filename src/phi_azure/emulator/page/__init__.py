"""The page of `phi-azure emulator`: shows in a browser what the emulator holds and is asked, and changes nothing."""

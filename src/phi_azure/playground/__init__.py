"""The playground: a page on this machine that asks one endpoint, or two side by side; keys stay in this process."""

from phi_azure.playground.app import Playground, Side
from phi_azure.playground.kept import Kept, PromptFile
from phi_azure.playground.serving import served

__all__ = ["Kept", "Playground", "PromptFile", "Side", "served"]

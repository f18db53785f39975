"""Takes a tuned model out of the cloud: other formats, a proof that they answer alike, and how fast they are.

Nothing here asks Azure, and nothing here loads a model: both are done by processes of `phi_azure.engine`.
"""

from phi_azure.edge.exporting import (
    FORMATS,
    Export,
    Order,
    Trial,
    export,
    export_downloaded,
    measure,
)
from phi_azure.edge.parity import Agreement, Difference
from phi_azure.edge.player import Player, Spoken
from phi_azure.edge.proof import Figures, Proof, Subject
from phi_azure.edge.questions import Questions, questions_of

__all__ = [
    "FORMATS",
    "Agreement",
    "Difference",
    "Export",
    "Figures",
    "Order",
    "Player",
    "Proof",
    "Questions",
    "Spoken",
    "Subject",
    "Trial",
    "export",
    "export_downloaded",
    "measure",
    "questions_of",
]

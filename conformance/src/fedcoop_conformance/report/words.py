"""The words of the page in English and French, and the colour that goes with them. Words say all; colours repeat it."""

from __future__ import annotations

from typing import Final

from fedcoop_conformance.speech import say

VERDICTS: Final = {
    "conformant": ("conformant", "conforme", "good"),
    "not-conformant": ("not conformant", "non conforme", "bad"),
    "incomplete": ("incomplete", "incomplet", "warm"),
}
OUTCOMES: Final = {
    "passed": ("passed", "réussi", "good"),
    "failed": ("failed", "échoué", "bad"),
    "inapplicable": ("inapplicable", "sans objet", "quiet"),
    "untested": ("untested", "non testé", "warm"),
    "cantTell": ("cannot tell", "indécidable", "warm"),
    "error": ("error of the suite", "erreur de la suite", "bad"),
}
MEANINGS: Final = {
    "passed": (
        "Every expectation was met, and the valid twin of each fault was accepted.",
        "Toutes les attentes sont remplies, et le pendant valide de chaque faute a été accepté.",
    ),
    "failed": ("An expectation was not met.", "Une attente n'est pas remplie."),
    "inapplicable": (
        "The feature is optional, and the server neither declares nor advertises it.",
        "La fonction est facultative, et le serveur ne la déclare ni ne l'annonce.",
    ),
    "untested": (
        "The test was not run. The claim stays open.",
        "Le test n'a pas été joué. La conclusion reste ouverte.",
    ),
    "cantTell": (
        "The test was run and nothing can be concluded. The claim stays open.",
        "Le test a été joué sans rien permettre de conclure. La conclusion reste ouverte.",
    ),
    "error": (
        "The suite is at fault, not the server. The claim stays open.",
        "La suite est en cause, pas le serveur. La conclusion reste ouverte.",
    ),
}
IMPACTS: Final = {
    "security": ("security", "sécurité"),
    "breaks": ("breaks the exchange", "rompt l'échange"),
    "degrades": ("degrades the exchange", "dégrade l'échange"),
    "cosmetic": ("cosmetic", "cosmétique"),
}
GRADES: Final = {
    "wire": ("seen on the wire", "vu sur le réseau"),
    "api": ("read with a member's token", "lu avec le jeton d'un membre"),
    "testimony": ("told by the adapter", "rapporté par l'adaptateur"),
    "human": ("told by a person", "rapporté par une personne"),
}
LABELS: Final = {
    "revision": "révision",
    "requirement": "exigence",
    "unknown": "inconnue",
    "feature": "fonction",
    "depends on": "dépend de",
    "needs": "demande",
    "control": "témoin",
    "step": "étape",
    "expected": "attendu",
    "received": "reçu",
    "exchange": "échange",
    "evidence": "preuve",
    "reproduce": "rejouer",
    "curl": "curl",
    "others": "ailleurs",
    "can fail as": "peut échouer",
    "kills": "tue",
    "source": "source",
    "history": "histoire",
}
"""What stands before a line of text on the console, and its French."""


def label(name: str) -> str:
    """Return a label of the table in the language of the command line; the number of a step stays."""
    word, _, number = name.partition(" ") if name.startswith("step ") else (name, "", "")
    return f"{say(word, LABELS[word])} {number}".rstrip()

"""Telephone prompts in Italian."""

from __future__ import annotations

from evaluators.datasets.builtin.telephone_prompts import Package, TelephonePrompts


class SpeechPromptsItalian(TelephonePrompts):
    """See `TelephonePrompts`."""

    language = "it"
    voice = "it_IT_m_Carlo"
    packages = {
        "text": Package("3884d9457e12f21caa018c18f0d587df5d53ebea14b673d8453a134c5941ab3b", 23972),
        "wav": Package("5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb", 18262124),
        "gsm": Package("fb6d6ce94502894714f00240c372a291bcaa4cd3e05fdf278780a4dd9edfabab", 2311332),
        "g722": Package("46b4cf7afc508a5fcfc051b7ea233251c0d195dd4ef83cc4b7facb4c6429b016", 10087176),
    }
    summary = "599 telephone prompts in Italian by one speaker, 8 kHz; copies through GSM, and 16 kHz by G.722"
    clips = 599
    minutes = 23.8
    licence = "CC-BY-3.0"
    attribution = "Asterisk core sounds, Italian, recorded by Carlo Flora; translated by Silvia Petrin"


COLLECTION = SpeechPromptsItalian

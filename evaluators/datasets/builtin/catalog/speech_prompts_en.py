"""Telephone prompts in American English."""

from __future__ import annotations

from evaluators.datasets.builtin.telephone_prompts import CLEAN_LABELS, CLEAN_RULES, Package, TelephonePrompts


class SpeechPromptsEnglish(TelephonePrompts):
    """See `TelephonePrompts`."""

    language = "en"
    voice = "en_US_f_Allison"
    packages = {
        "text": Package("973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50", 22844),
        "wav": Package("2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d", 18272864),
        "gsm": Package("ddc33205a56aebf54c73a0fb95c3a0d8131087878d74857a4e54bcab2b0d72ae", 2417168),
        "g722": Package("38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806", 10565860),
    }
    summary = "568 telephone prompts in American English by one speaker, 8 kHz; copies through GSM, and 16 kHz by G.722"
    labels, rules = CLEAN_LABELS, CLEAN_RULES
    clips = 568
    minutes = 25.5
    licence = "CC-BY-SA-3.0"
    attribution = "Asterisk core sounds, English, recorded by Allison Smith; contributions by Digium, Inc."


COLLECTION = SpeechPromptsEnglish

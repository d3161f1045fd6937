"""Telephone prompts in Russian."""

from __future__ import annotations

from evaluators.datasets.builtin.telephone_prompts import Package, TelephonePrompts


class SpeechPromptsRussian(TelephonePrompts):
    """See `TelephonePrompts`."""

    language = "ru"
    voice = "ru_RU_f_IvrvoiceRU"
    packages = {
        "text": Package("28a61616bb0cd3345a7ea532dec4df9f071e5d0fa9f8c1a563ea9669002f39ab", 25592),
        "wav": Package("ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201", 18788860),
        "gsm": Package("19770f5c211e8c3a1dc8eefd703382570da7edf00c52db069ebc2a64d5dda4bd", 2415624),
        "g722": Package("673b4238a6b8269960f055d868c6a11083f7a0d00979167cb01554046b48ed9b", 10579440),
    }
    empty = frozenset({"is"})
    summary = "575 telephone prompts in Russian by one speaker, 8 kHz; copies through GSM, and 16 kHz by G.722"
    clips = 575
    minutes = 24.8
    licence = "CC-BY-3.0"
    attribution = "Asterisk core sounds, Russian, provided by Maxim Topal of IVR Voice"


COLLECTION = SpeechPromptsRussian

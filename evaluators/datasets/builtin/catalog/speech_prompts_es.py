"""Telephone prompts in Mexican Spanish."""

from __future__ import annotations

from evaluators.datasets.builtin.telephone_prompts import Package, TelephonePrompts


class SpeechPromptsSpanish(TelephonePrompts):
    """See `TelephonePrompts`."""

    language = "es"
    voice = "es_MX_f_Allison"
    packages = {
        "text": Package("9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74", 22012),
        "wav": Package("9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903", 23767256),
        "gsm": Package("533b4c29e232cae99f89a6933b5fc0af5341514e513924df401c683e222614b7", 3004752),
        "g722": Package("e4e3b4281057d3b81b779298fd6be705f57411513955c518eed1bcaabbd615b8", 13048380),
    }
    summary = "527 telephone prompts in Mexican Spanish by one speaker, 8 kHz; copies through GSM, and 16 kHz by G.722"
    clips = 527
    minutes = 31.0
    licence = "CC-BY-SA-3.0"
    attribution = "Asterisk core sounds, Spanish, recorded by Allison Smith; contributions by Digium, Inc."


COLLECTION = SpeechPromptsSpanish

"""Telephone prompts in Canadian French."""

from __future__ import annotations

from evaluators.datasets.builtin.telephone_prompts import CLEAN_LABELS, CLEAN_RULES, Package, TelephonePrompts


class SpeechPromptsFrench(TelephonePrompts):
    """See `TelephonePrompts`."""

    language = "fr"
    voice = "fr_CA_f_June"
    packages = {
        "text": Package("04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056", 23152),
        "wav": Package("8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e", 18516060),
        "gsm": Package("97bd8bebb7ef775046802a5a466d8f89916f54f437e158a1ec537cef814d44fd", 2466860),
        "g722": Package("7add61d5e42279ecff1bbdf842a5a946ac3644fac9a0fe44384731aa7270c8e0", 10822860),
    }
    summary = "561 telephone prompts in Canadian French by one speaker, 8 kHz; copies through GSM, and 16 kHz by G.722"
    labels, rules = CLEAN_LABELS, CLEAN_RULES
    clips = 561
    minutes = 26.0
    licence = "CC-BY-SA-3.0"
    attribution = (
        "Asterisk core sounds, French, recorded by June Wallack; contributions by Digium, Inc., Unlimitel and "
        "BGM Informatique"
    )


COLLECTION = SpeechPromptsFrench

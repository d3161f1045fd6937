"""`testpress devices`: the phones there are."""

from __future__ import annotations

import click

from testpress.options import JSON, example, show


@click.command(epilog=example("testpress devices pixel-8"))
@click.argument("device", required=False, metavar="[ID]")
@JSON
def devices(device: str | None, as_json: bool) -> None:
    """List the phones there are, or show one (ID, or a profile's .toml) with the source of each number."""
    from device_profiles.profile import profile_ids
    from packager.formats.phones import read_phone
    from testpress import phones

    if device is None:
        profiles = [read_phone(identifier) for identifier in profile_ids()]
        show([p.model_dump(mode="json") for p in profiles] if as_json else phones.list_text(profiles), as_json)
    else:
        profile = read_phone(device)
        show(profile.model_dump(mode="json") if as_json else phones.phone_text(profile), as_json)

"""Brings data into the form that runs read: `python -m trainers.prepare`. One file a subcommand."""

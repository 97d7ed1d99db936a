"""The one description of a study, section by section; the only place where a user's input is checked."""

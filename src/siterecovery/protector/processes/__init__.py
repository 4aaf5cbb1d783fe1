"""The programs: settings are read once here, everything is wired here, and nothing below knows that a configuration file exists."""

"""The errors a user may meet. Each message says what was found, what was expected and what to do."""


class BetterAIError(Exception):
    """Something a user can act on; the command line prints it as one paragraph, without a traceback."""

    exit_code = 1


class UserError(BetterAIError, ValueError):
    """The request cannot work as it was put: a wrong option, recipe or input file."""

    exit_code = 2


class ConfigError(UserError):
    """A recipe, preset or override that cannot work."""


class ArtifactError(BetterAIError):
    """A run folder, checkpoint or shard that is missing, damaged, locked or does not fit its use."""


class SandboxUnavailable(BetterAIError):
    """The kernel forbids the isolation that untrusted code needs; nothing was run."""

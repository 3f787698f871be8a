"""Steps for what a corpus should not carry: secrets, personal data, and hostile or coarse language."""

from typing import Literal

from pydantic import Field, PositiveInt

from better_ai.config.schema import Config

Policy = Literal["mask", "reject", "keep"]
"""Put a typed placeholder in its place, turn the document away, or leave it as it is."""

SecretKind = Literal[
    "anthropic_key",
    "aws_access_key",
    "aws_secret_key",
    "azure_key",
    "database_password",
    "digitalocean_token",
    "discord_token",
    "docker_token",
    "github_token",
    "gitlab_token",
    "google_api_key",
    "google_oauth_secret",
    "google_service_account",
    "grafana_token",
    "hashicorp_token",
    "huggingface_token",
    "jwt",
    "mailchimp_key",
    "npm_token",
    "openai_key",
    "password",
    "private_key",
    "pypi_token",
    "secret",
    "sendgrid_key",
    "shopify_token",
    "slack_token",
    "slack_webhook",
    "stripe_key",
    "telegram_token",
    "twilio_key",
]
"""`password` and `secret` are values of no known provider that are assigned to names which say so."""

PersonalKind = Literal[
    "birth_date",
    "email",
    "iban",
    "ip_address",
    "name",
    "national_id",
    "passport",
    "payment_card",
    "phone",
    "postal_address",
]


class PrivacyConfig(Config):
    """Secrets and personal data: what is done where they are found.

    Masking is the default for secrets too. A credential does harm by its value, and the placeholder removes all of it;
    most finds in published code are keys made for tests, in files that are worth keeping. A file with many is another
    thing: a dump of credentials or a list of people is probably leaking more than any pattern knows, and little that
    can be learnt from is left of it. It is turned away.
    """

    type: Literal["privacy"] = "privacy"
    secrets: Policy = "mask"
    personal: Policy = "mask"
    exceptions: dict[SecretKind | PersonalKind, Policy] = Field(default_factory=dict)
    """Kinds with a policy of their own, such as `{"name": "keep"}` where a licence asks for attribution."""
    min_confidence: float = Field(0.5, ge=0, le=1)
    """Finds less sure than this are ignored: 0.99 is a checksum or a parsed structure, 0.9 a provider's pattern,
    0.5-0.7 needs its surroundings to mean anything."""
    max_secrets: PositiveInt = 10
    """Documents with more different masked secrets are turned away."""
    max_personal: PositiveInt = 100
    """Documents with more different masked pieces of personal data are turned away."""


class ToxicityConfig(Config):
    """Documents whose score from 0 to 1 is above a limit are turned away; the scores go into the metadata."""

    type: Literal["toxicity"] = "toxicity"
    max_profanity: float = Field(0.5, ge=0, le=1)
    """Coarse words by density: 0.5 is one strong word in a hundred."""
    max_hate: float = Field(0.6, ge=0, le=1)
    """The surest attack on a group: a slur, dehumanisation, or a call for violence, in its context."""
    max_bias: float = Field(0.7, ge=0, le=1)
    """Stereotypes: a group, a generalising verb and a disparaging trait; 0.75 is one without "all" or "never"."""

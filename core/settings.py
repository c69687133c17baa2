"""Every setting of the product, read once at the edge. `.env.example` is tested against this class."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigurationError
from core.model_use import PARTICULAR, ModelUse, Node
from core.spending import Budget, Spent

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """A secret has no default. Empty means "not configured", and nothing leaves the machine for what is not configured."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_prefix="FTE_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        env_nested_delimiter="__",
    )

    # where it lives
    data_dir: Path = Field(Path(".data"), description="Folder of the embedded PostgreSQL and its secret")
    dossier_dir: Path = Field(
        PROJECT_ROOT / "dossier", description="The company's context: profile, documents, policy, intents"
    )
    web_dir: Path = Field(PROJECT_ROOT / "webform" / "out", description="The built web form that the API serves")
    host: str = Field("127.0.0.1", description="Address that the API listens on")
    port: int = Field(8000, ge=0, le=65535, description="Port that the API listens on; 0 picks a free one")
    public_base_url: str | None = Field(
        None, description="Address under which the world reaches the API; signatures and links use it"
    )
    cors_origins: tuple[str, ...] = Field((), description="Origins of other sites that may embed the form (JSON list)")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged")
    log_format: Literal["json", "console"] = Field("console", description="JSON lines for machines, console for people")

    # the single source of truth
    database_url: SecretStr | None = Field(
        None, alias="DATABASE_URL", description="PostgreSQL 16 with pgvector; empty starts the embedded one"
    )
    database_pool_size: int = Field(10, ge=2, le=100, description="Connections of one process")

    # the conveyor
    kafka_bootstrap_servers: str | None = Field(
        None, alias="KAFKA_BOOTSTRAP_SERVERS", description="Kafka brokers; empty uses the in-process bus"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, where SASL is used"
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password")

    # the workers
    turn_concurrency: int = Field(8, ge=1, le=256, description="Conversations that one agent worker handles at once")
    delivery_concurrency: int = Field(8, ge=1, le=256, description="Recipients that one delivery worker serves at once")
    turn_lease_s: float = Field(
        120, ge=1, description="Seconds after which another worker may take over a turn that its worker left"
    )
    sweep_interval_s: float = Field(
        15, ge=0.1, description="Seconds between two looks for work that was lost on the way"
    )
    sweep_after_s: float = Field(
        60, ge=0, description="Age in seconds at which accepted but unfinished work is published again"
    )
    handler_tries: int = Field(
        5, ge=1, le=20, description="Attempts before an event goes to the dead letters and to a person"
    )
    pause_email_s: float = Field(
        0, ge=0, le=60, description="Pause before an email is answered, so that a second one joins the same turn"
    )
    pause_whatsapp_s: float = Field(2, ge=0, le=60, description="The same for WhatsApp, where people write in bursts")
    pause_web_form_s: float = Field(0, ge=0, le=60, description="The same for the web form")
    pace_whatsapp_s: float = Field(
        6,
        ge=0,
        le=60,
        description="Seconds between two WhatsApp messages to one recipient; WhatsApp takes about one in 6",
    )
    reconcile_interval_s: float = Field(
        60, ge=1, description="Seconds between two questions to the providers about what no webhook told"
    )
    reconcile_after_s: float = Field(
        300, ge=1, description="Age in seconds at which a message without a status report is asked about"
    )

    # the shield against loops
    loop_window_s: float = Field(
        600, ge=1, description="Seconds in which the assistant's replies to one conversation are counted"
    )
    loop_email_replies: int = Field(3, ge=1, description="Replies by email to one conversation in that time")
    loop_whatsapp_replies: int = Field(20, ge=1, description="The same for WhatsApp, where people chat")
    loop_email_daily: int = Field(20, ge=1, description="Replies by email to one sender in 24 hours")
    loop_whatsapp_daily: int = Field(100, ge=1, description="The same for WhatsApp")
    form_mails_per_day: int = Field(
        5, ge=0, description="Replies to the web form that are also mailed, to one address in 24 hours; 0 mails none"
    )

    # language models
    openai_api_key: SecretStr | None = Field(
        None, alias="OPENAI_API_KEY", description="Key of an OpenAI-compatible provider; empty means offline"
    )
    openai_base_url: str | None = Field(None, alias="OPENAI_BASE_URL", description="Any OpenAI-compatible address")
    openai_api: Literal["responses", "chat_completions"] = Field(
        "responses", description="Which of the two APIs the provider speaks"
    )
    model_judge: str = Field("gpt-5-mini", description="Small model, for every node but the responder")
    model_reply: str = Field("gpt-5", description="Larger model, for the responder")
    model_sees: Literal["masked", "all"] = Field(
        "masked",
        description="Whether addresses, numbers and secrets in customers' words are masked before a provider sees them",
    )
    model_timeout_s: float = Field(30, gt=0, description="Time-out of one model call")
    model_retries: int = Field(2, ge=0, le=5, description="Retries of one model call")
    models: dict[Node, ModelUse] = Field(
        {}, description="What a node does otherwise (JSON), or one by one as `FTE_MODELS__TRIAGE__MODEL`"
    )
    model_deadline_s: float = Field(
        120, ge=0, description="Seconds that one turn may spend on models in all; 0 is no limit"
    )
    tracing: bool = Field(
        False, description="Let LangSmith trace as its own LANGSMITH_* variables say; false keeps every trace here"
    )

    # what models may cost
    prices_file: Path = Field(
        PROJECT_ROOT / "llm" / "data" / "prices.yaml", description="What a million tokens costs, model by model"
    )
    budget_turn_tokens: int = Field(200_000, ge=0, description="Tokens of one turn; 0 is no limit")
    budget_turn_usd_micros: int = Field(1_000_000, ge=0, description="Micro-dollars of one turn; 0 is no limit")
    budget_customer_day_tokens: int = Field(
        2_000_000, ge=0, description="Tokens of one customer in 24 hours; 0 is no limit"
    )
    budget_customer_day_usd_micros: int = Field(
        10_000_000, ge=0, description="Micro-dollars of one customer in 24 hours; 0 is no limit"
    )

    # email
    gmail_address: str | None = Field(None, description="The mailbox that is answered")
    gmail_client_id: str | None = Field(None, description="OAuth client")
    gmail_client_secret: SecretStr | None = Field(None, description="OAuth client secret")
    gmail_refresh_token: SecretStr | None = Field(None, description="OAuth refresh token of the mailbox")
    gmail_auth_url: str = Field(
        "https://accounts.google.com/o/oauth2/v2/auth", description="Where the mailbox's owner says yes"
    )
    gmail_token_url: str = Field("https://oauth2.googleapis.com/token", description="OAuth token endpoint")
    gmail_base_url: str | None = Field(None, description="Another address of the Gmail API, for tests and demos")
    gmail_topic: str | None = Field(None, description="Pub/Sub topic of the mailbox watch; empty keeps no watch")
    gmail_check_interval_s: float = Field(
        300, ge=0.1, description="Seconds between two looks for mail that no push announced"
    )
    gmail_push_audience: str | None = Field(None, description="Audience of the tokens on Pub/Sub pushes")
    gmail_push_service_account: str | None = Field(None, description="Service account that signs the pushes")
    gmail_push_subscription: str | None = Field(None, description="Subscription that the pushes come from")
    gmail_jwks_url: str = Field("https://www.googleapis.com/oauth2/v3/certs", description="Keys that sign the pushes")

    # WhatsApp
    twilio_account_sid: str | None = Field(None, description="Twilio account")
    twilio_auth_token: SecretStr | None = Field(None, description="Twilio auth token")
    twilio_auth_token_previous: SecretStr | None = Field(
        None, description="The token before, accepted during a rotation"
    )
    twilio_whatsapp_from: str | None = Field(None, description="Our WhatsApp sender, as whatsapp:+15550001111")
    twilio_template_sid: str | None = Field(
        None,
        description="ContentSid of the approved template that carries an answer after the 24 hours; empty gives it to a person",
    )
    twilio_template_text: str | None = Field(
        None, description="The approved text of that template to the letter, with {{1}} where the answer stands"
    )
    twilio_base_url: str | None = Field(None, description="Another address of the Twilio API, for tests and demos")

    # the front door
    max_body_bytes: int = Field(1_000_000, ge=10_000, description="Largest request body that is read")
    submit_rate_per_minute: int = Field(30, ge=1, description="Form submissions a minute from one address")

    @field_validator("data_dir", "dossier_dir", "web_dir", "prices_file")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @model_validator(mode="after")
    def _whole_groups(self) -> Settings:
        """A half-configured provider is an error now, not a surprise at the first message."""
        groups = {
            "Gmail": (
                "gmail_address",
                "gmail_client_id",
                "gmail_client_secret",
                "gmail_refresh_token",
                "gmail_push_audience",
                "gmail_push_service_account",
                "gmail_push_subscription",
            ),
            "Twilio": ("twilio_account_sid", "twilio_auth_token", "twilio_whatsapp_from"),
        }
        for provider, names in groups.items():
            missing = [name for name in names if not getattr(self, name)]
            if missing and len(missing) < len(names):
                raise ValueError(
                    f"{provider} is half configured: set {', '.join('FTE_' + m.upper() for m in missing)} too, or none of them"
                )
        return self

    @model_validator(mode="after")
    def _whole_template(self) -> Settings:
        sid, text = self.twilio_template_sid, self.twilio_template_text
        if bool(sid) != bool(text) or (text and text.count("{{") != 1) or (text and "{{1}}" not in text):
            raise ValueError(
                "A template needs both FTE_TWILIO_TEMPLATE_SID and FTE_TWILIO_TEMPLATE_TEXT, the text with {{1}} once and no other variable"
            )
        return self

    @property
    def gmail_configured(self) -> bool:
        return self.gmail_address is not None

    @property
    def twilio_configured(self) -> bool:
        return self.twilio_account_sid is not None

    def model_use(self, node: Node) -> ModelUse:
        """Small models judge, at temperature 0; a larger one writes, and may write more."""
        usual = ModelUse(
            model=self.model_reply if node == "responder" else self.model_judge,
            temperature=0,
            timeout_s=self.model_timeout_s,
            retries=self.model_retries,
        )
        chosen = self.models[node].model_dump(exclude_unset=True) if node in self.models else {}
        return usual.model_copy(update=PARTICULAR.get(node, {}) | chosen)

    @property
    def budget(self) -> Budget:
        return Budget(
            turn=Spent(self.budget_turn_tokens, self.budget_turn_usd_micros),
            customer_day=Spent(self.budget_customer_day_tokens, self.budget_customer_day_usd_micros),
            turn_s=self.model_deadline_s,
        )

    def pause_s(self, channel: str) -> float:
        return float(getattr(self, f"pause_{channel}_s"))

    def pace_s(self, channel: str) -> float:
        """Only WhatsApp limits how fast one recipient is written to."""
        return self.pace_whatsapp_s if channel == "whatsapp" else 0.0


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment and `.env`; raises ConfigurationError that names what to set."""
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        raise ConfigurationError(f"Settings: {error}") from error

"""A labelled set of secrets and personal data in code, drawn from a seed, and of what only looks like them.

Nothing here is or was anybody's: every value is drawn at random in the form its provider documents, with its checksum
where there is one, so that no key stands in this repository.
"""

import base64
import json
import random
import string
import uuid
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from better_ai.data.steps.privacy import Span

WORD = string.ascii_letters + string.digits
URL_SAFE = WORD + "-_"
HEX = "0123456789abcdef"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


@dataclass(frozen=True)
class Planted:
    """A text in which one value of a kind stands at a known place."""

    text: str
    start: int
    end: int
    kind: str
    language: str

    @property
    def value(self) -> str:
        return self.text[self.start : self.end]


def is_covered(planted: Planted, spans: Iterable[Span]) -> bool:
    """Whether every character of the value, line ends aside, lies in a span."""
    hidden = {place for span in spans for place in range(span.start, span.end)}
    return all(place in hidden or planted.text[place] == "\n" for place in range(planted.start, planted.end))


def chars(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def _with_crc(rng: random.Random) -> str:
    body = chars(rng, WORD, 30)
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return body + digits


def _url_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(rng: random.Random) -> str:
    header = {"alg": rng.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}
    payload = {"sub": chars(rng, string.digits, 9), "exp": rng.randrange(10**9, 2 * 10**9)}
    parts = [_url_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload)]
    return ".".join([*parts, _url_base64(rng.randbytes(32))])


def _pypi(rng: random.Random) -> str:
    identifier = json.dumps({"version": 1, "permissions": "user", "id": chars(rng, HEX, 32)}).encode()
    data = b"\x02\x01\x08pypi.org\x02" + bytes([len(identifier)]) + identifier + b"\x00\x00\x06 " + rng.randbytes(32)
    return "pypi-" + _url_base64(data)


def _discord(rng: random.Random) -> str:
    account = _url_base64(chars(rng, "123456789", 18).encode())
    return f"{account}.{chars(rng, URL_SAFE, 6)}.{chars(rng, WORD, 27)}"


def _password(rng: random.Random) -> str:
    parts = [chars(rng, string.ascii_lowercase, 4), chars(rng, string.ascii_uppercase, 2), chars(rng, "23456789", 3)]
    return "".join(rng.sample("".join(parts), 9)) + rng.choice("!#*+~")


SECRETS: dict[str, Callable[[random.Random], str]] = {
    "aws_access_key": lambda rng: rng.choice(["AKIA", "ASIA"]) + chars(rng, string.ascii_uppercase + "234567", 16),
    "github_token": lambda rng: rng.choice(["ghp_", "gho_", "ghs_", "ghu_", "ghr_"]) + _with_crc(rng),
    "gitlab_token": lambda rng: "glpat-" + chars(rng, URL_SAFE[:-1], 19) + chars(rng, WORD, 1),
    "slack_token": lambda rng: (
        f"xoxb-{chars(rng, '123456789', 12)}-{chars(rng, '123456789', 12)}-{chars(rng, WORD, 24)}"
    ),
    "stripe_key": lambda rng: rng.choice(["sk_live_", "rk_live_", "sk_test_"]) + chars(rng, WORD, 24),
    "google_api_key": lambda rng: "AIza" + chars(rng, URL_SAFE, 34) + chars(rng, WORD, 1),
    "google_oauth_secret": lambda rng: "GOCSPX-" + chars(rng, URL_SAFE, 27) + chars(rng, WORD, 1),
    "openai_key": lambda rng: "sk-proj-" + chars(rng, URL_SAFE, 74) + "T3BlbkFJ" + chars(rng, WORD, 74),
    "anthropic_key": lambda rng: "sk-ant-api03-" + chars(rng, URL_SAFE, 93) + "AA",
    "npm_token": lambda rng: "npm_" + _with_crc(rng),
    "pypi_token": _pypi,
    "huggingface_token": lambda rng: "hf_" + chars(rng, string.ascii_letters, 34),
    "sendgrid_key": lambda rng: f"SG.{chars(rng, URL_SAFE, 22)}.{chars(rng, WORD, 43)}",
    "twilio_key": lambda rng: "SK" + chars(rng, HEX, 32),
    "telegram_token": lambda rng: chars(rng, "123456789", 10) + ":AA" + chars(rng, URL_SAFE, 32) + chars(rng, WORD, 1),
    "discord_token": _discord,
    "jwt": _jwt,
    "digitalocean_token": lambda rng: "dop_v1_" + chars(rng, HEX, 64),
    "shopify_token": lambda rng: "shpat_" + chars(rng, HEX, 32),
}
"""Credentials with a form of their own, in any context."""

CONTEXTS = (
    ("python", 'import os\n\nclient = Client(key="{}", timeout=30)\n'),
    ("python", 'HEADERS = {{\n    "Authorization": f"Bearer {}",\n}}\n'),
    ("python", "def connect():\n    # was {} until May\n    return None\n"),
    ("python", 'def run():\n    """Call it with {} as the key.\n    """\n'),
    ("python", "CONFIG = b'key=\\n{}\\n'\n"),
    ("javascript", "const client = new Client('{}');\n"),
    ("javascript", "// export KEY={}\n"),
    ("shell", 'export SERVICE_KEY={}\ncurl -H "X-Key: $SERVICE_KEY" https://api.service.io\n'),
    ("yaml", "service:\n  key: {}\n  region: eu-1\n"),
    ("json", '{{"service": {{"key": "{}"}}}}\n'),
    ("c", 'static const char *KEY = "{}";\n'),
)


def _pem(rng: random.Random) -> str:
    der = b"0\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00" + rng.randbytes(600)
    text = base64.b64encode(der).decode()
    return "\n".join(text[place : place + 64] for place in range(0, len(text), 64))


SPECIAL: dict[str, tuple[Callable[[random.Random], str], tuple[tuple[str, str], ...]]] = {
    "aws_secret_key": (
        lambda rng: chars(rng, WORD, 19) + rng.choice("/+") + chars(rng, WORD, 20),
        (
            ("python", 'session = Session(aws_secret_access_key="{}")\n'),
            ("ini", "[default]\nregion = eu-west-1\naws_secret_access_key = {}\n"),
            ("shell", "export AWS_SECRET_ACCESS_KEY={}\n"),
        ),
    ),
    "azure_key": (
        lambda rng: base64.b64encode(rng.randbytes(64)).decode(),
        (
            (
                "python",
                'CONN = "DefaultEndpointsProtocol=https;AccountName=shop7;AccountKey={};'
                'EndpointSuffix=core.windows.net"\n',
            ),
            ("json", '{{"storage": "AccountName=shop7;AccountKey={};"}}\n'),
        ),
    ),
    "private_key": (
        _pem,
        (
            ("python", 'KEY = """-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----"""\n'),
            ("text", "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"),
        ),
    ),
    "slack_webhook": (
        lambda rng: "/".join(
            [
                "T" + chars(rng, string.ascii_uppercase, 8),
                "B" + chars(rng, string.ascii_uppercase, 8),
                chars(rng, WORD, 24),
            ]
        ),
        (("python", 'HOOK = "https://hooks.slack.com/services/{}"\n'),),
    ),
    "google_service_account": (
        lambda rng: chars(rng, HEX, 40),
        (("json", '{{"type": "service_account", "private_key_id": "{}", "client_id": "1"}}\n'),),
    ),
    "database_password": (
        lambda rng: chars(rng, WORD, 6) + chars(rng, "23456789", 4) + chars(rng, WORD, 4),
        (
            ("python", 'engine = create_engine("postgresql://shop:{}@db.shop-backend.io:5432/shop")\n'),
            ("shell", "export MONGO=mongodb+srv://shop:{}@cluster0.mongo-host.net/shop\n"),
            ("yaml", "redis: redis://:{}@cache.shop-backend.io:6379/0\n"),
        ),
    ),
    "password": (
        _password,
        (
            ("python", 'connection = connect(user="shop", password="{}")\n'),
            ("yaml", 'db:\n  password: "{}"\n'),
            ("java", 'String dbPassword = "{}";\n'),
            ("ini", "[db]\nuser = shop\npassword = {}\n"),
            ("shell", "export DB_PASSWORD={}\n"),
        ),
    ),
    "secret": (
        lambda rng: chars(rng, WORD, 40),
        (
            ("python", 'SECRET_KEY = "{}"\n'),
            ("javascript", "const config = {{ apiKey: '{}' }};\n"),
            ("python", 'TOKEN = os.environ.get("API_TOKEN", "{}")\n'),
            ("shell", "API_KEY={}\n"),
        ),
    ),
}
"""Credentials that are told by what stands around them."""


def _luhn(digits: str) -> str:
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def _card(rng: random.Random) -> str:
    prefix = rng.choice(["4", "51", "55", "2345", "6011", "3530"])
    body = prefix + chars(rng, string.digits, 15 - len(prefix))
    number = body + _luhn(body)
    sign = rng.choice(["", " ", "-"])
    return sign.join(number[place : place + 4] for place in range(0, 16, 4))


def _iban(rng: random.Random) -> str:
    bank, account = rng.choice(["37040044", "10010010", "50010517"]), chars(rng, string.digits, 10)
    check = 98 - int(f"{bank}{account}131400") % 97
    number = f"DE{check:02}{bank}{account}"
    return number if rng.random() < 0.5 else " ".join(number[place : place + 4] for place in range(0, 22, 4))


def _phone(rng: random.Random) -> str:
    area = rng.choice(["212", "415", "617", "312", "206"])
    line = f"{rng.choice('23467')}{chars(rng, '23456789', 2)}", chars(rng, string.digits, 4)
    return rng.choice(["({}) {}-{}", "{}-{}-{}", "{}.{}.{}"]).format(area, *line)


def _ssn(rng: random.Random) -> str:
    return f"{rng.randrange(100, 665)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}"


def _ip(rng: random.Random) -> str:
    return f"{rng.choice([52, 81, 93, 185, 213])}.{rng.randrange(40, 250)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def _ipv6(rng: random.Random) -> str:
    return "2a0" + chars(rng, "1234", 1) + ":" + ":".join(chars(rng, HEX[1:], 4) for _ in range(7))


FIRST = ("Maria", "John", "Aiko", "Søren", "Chinedu", "Léa", "Priya", "Carlos", "Anna", "Ivan")
LAST = (
    "Almeida",
    "O'Neill",
    "Tanaka",
    "Nørgaard",
    "Okafor",
    "Dupont",
    "Raghavan",
    "García",
    "Kowalska",
    "van den Berg",
)


def _name(rng: random.Random) -> str:
    middle = rng.choice(["", "", f"{rng.choice(string.ascii_uppercase)}. "])
    return f"{rng.choice(FIRST)} {middle}{rng.choice(LAST)}"


def _email(rng: random.Random) -> str:
    user = (
        chars(rng, string.ascii_lowercase, 5) + rng.choice(["", ".", "_", "-"]) + chars(rng, string.ascii_lowercase, 4)
    )
    return f"{user}@{chars(rng, string.ascii_lowercase, 7)}.{rng.choice(['com', 'org', 'de', 'co.uk', 'io', 'com.br'])}"


def _date(rng: random.Random) -> str:
    year, month, day = rng.randrange(1940, 2010), rng.randrange(1, 13), rng.randrange(1, 29)
    return rng.choice(["{0}-{1:02}-{2:02}", "{2:02}.{1:02}.{0}", "{1}/{2}/{0}"]).format(year, month, day)


def _address(rng: random.Random) -> str:
    street = rng.choice(["Maple", "Old Mill", "Washington", "Cedar Hill"])
    kind = rng.choice(["Street", "Avenue", "Road", "Blvd", "Lane"])
    city = rng.choice(["Springfield, IL 62704", "Portland, OR 97205", "Austin, TX 78701"])
    return f"{rng.randrange(10, 9999)} {street} {kind}, {city}"


ANYWHERE = (
    ("python", 'CONTACT = "{}"\n'),
    ("python", "# ask {} before a change\nx = 1\n"),
    ("python", 'def f():\n    """Seen by {}.\n    """\n'),
    ("python", "HELP = 'see\\n{}\\n'\n"),
    ("javascript", "const contact = '{}'; // do not change\n"),
    ("yaml", "contact: {}\n"),
    ("sql", "INSERT INTO people VALUES (7, '{}');\n"),
)
PERSONAL: dict[str, tuple[Callable[[random.Random], str], tuple[tuple[str, str], ...]]] = {
    "email": (_email, ANYWHERE),
    "phone": (_phone, ANYWHERE),
    "ip_address": (
        _ip,
        (
            *ANYWHERE,
            ("python", 'blocked = address == "{}"\n'),
            ("shell", "ssh root@{} uptime\n"),
            ("text", "http://{}:8080/status\n"),
        ),
    ),
    "payment_card": (
        _card,
        tuple(context for context in ANYWHERE if context[1].count("'{}'") + context[1].count('"{}"')),
    ),
    "iban": (_iban, ANYWHERE),
    "national_id": (_ssn, ANYWHERE),
    "postal_address": (_address, ANYWHERE),
    "name": (
        _name,
        (
            ("python", "# Copyright (c) 2019-2021 {}\n# All rights reserved.\n"),
            ("python", '__author__ = "{}"\n'),
            ("python", '"""Tools.\n\n:Author: {}\n"""\n'),
            ("c", "/*\n * Written by {}, 2004.\n */\n"),
            ("java", "/**\n * @author {}\n */\n"),
            ("text", "Signed-off-by: {} <someone>\n"),
            ("toml", 'authors = [{{name = "{}", email = "x"}}]\n'),
            ("json", '{{"author": {{"name": "{}"}}}}\n'),
            ("xml", "<author>{}</author>\n"),
        ),
    ),
    "birth_date": (
        _date,
        (
            ("python", 'person = {{"date_of_birth": "{}"}}\n'),
            ("text", "DOB: {}\n"),
            ("yaml", "birthday: {}\n"),
            ("python", "# born on {}\n"),
        ),
    ),
    "passport": (
        lambda rng: chars(rng, string.ascii_uppercase, 1) + chars(rng, string.digits, 8),
        (("python", 'passport_number = "{}"\n'), ("text", "Passport No: {}\n")),
    ),
}
IPV6 = (_ipv6, ANYWHERE)
INTERNATIONAL_PHONE = (
    lambda rng: f"44 20 {rng.choice('378')}{chars(rng, string.digits, 3)} {chars(rng, string.digits, 4)}",
    tuple((language, template.replace("{}", "+{}")) for language, template in ANYWHERE),
)
"""The plus stays outside of the span: it may be an operator."""


def _plant(rng: random.Random, kind: str, value: str, context: tuple[str, str]) -> Planted:
    language, template = context
    start = template.replace("{{", "{").replace("}}", "}").index("{}")
    return Planted(template.format(value), start, start + len(value), kind, language)


def secrets(each: int, seed: int = 0) -> list[Planted]:
    """`each` texts with one secret for every kind."""
    rng = random.Random(seed)
    kinds = {kind: (draw, CONTEXTS) for kind, draw in SECRETS.items()} | SPECIAL
    return _draw(rng, kinds, each)


def personal(each: int, seed: int = 0) -> list[Planted]:
    """`each` texts with one piece of personal data for every kind."""
    rng = random.Random(seed)
    extra = [*_draw(rng, {"ip_address": IPV6}, each), *_draw(rng, {"phone": INTERNATIONAL_PHONE}, each)]
    return [*_draw(rng, PERSONAL, each), *extra]


def _draw(rng: random.Random, kinds: dict, each: int) -> list[Planted]:
    return [
        _plant(rng, kind, draw(rng), contexts[number % len(contexts)])
        for kind, (draw, contexts) in kinds.items()
        for number in range(each)
    ]


def lookalikes(seed: int = 0) -> list[str]:
    """Texts without secrets and personal data that a careless pattern takes for some."""
    rng = random.Random(seed)
    drawn = [
        f'SHA1 = "{chars(rng, HEX, 40)}"\n',
        f'EXPECTED_SHA256 = "{chars(rng, HEX, 64)}"\n',
        f"pip install package --hash=sha256:{chars(rng, HEX, 64)}\n",
        f"commit {chars(rng, HEX, 40)}\n",
        f'UUID = "{uuid.UUID(bytes=rng.randbytes(16), version=4)}"\n',
        f'IMAGE = "data:image/png;base64,{base64.b64encode(rng.randbytes(900)).decode()}"\n',
        f'INTEGRITY = "sha512-{base64.b64encode(rng.randbytes(64)).decode()}"\n',
        f"x = 0x{chars(rng, HEX, 32)}\n",
        f"PI = 3.{chars(rng, string.digits, 30)}\n",
        f"TIMES = [16{chars(rng, string.digits, 8)}, 17{chars(rng, string.digits, 11)}]\n",
        f"-----BEGIN CERTIFICATE-----\n{_pem(rng)}\n-----END CERTIFICATE-----\n",
        f"-----BEGIN PUBLIC KEY-----\n{_pem(rng)}\n-----END PUBLIC KEY-----\n",
        f"ssh-ed25519 {base64.b64encode(rng.randbytes(51)).decode()}\n",
    ]
    return [*drawn, *LOOKALIKES]


LOOKALIKES = (
    'key = "AKIAIOSFODNN7EXAMPLE"\nsecret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"\n',
    'token = "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"\n',
    'api_key = "YOUR_API_KEY_GOES_HERE_1234"\n',
    'password = "changeme"\npassword = "password123"\npassword = getpass("Password: ")\n',
    'password = os.environ["DB_PASSWORD"]\ntoken = self.tokenizer.next_token_2()\n',
    "postgresql://postgres:postgres@localhost:5432/postgres\nhttp://user:password@proxy.host:8080\n",
    'url = f"postgresql://{user}:{password}@{host}/{name}"\nredis://:${REDIS_PASSWORD}@cache:6379\n',
    'token = "<|endoftext|>"\npad_token="[PAD]"\nsecret = "my-secret-value"\n',
    "tokens = TokenKind.LEFT_PARENTHESIS_2\nTOKEN_TYPE = 'application/x-www-form-urlencoded2'\n",
    'SECRET_NAME = "projects/shop-backend/secrets/db-password-2"\n',
    "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----\n",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\n",
    "someone@example.com, admin@mail.example.org, a@b.test, root@localhost, you@yourdomain.com\n",
    "git clone git@github.com:owner/repository.git\nnoreply@github.com\nchacha20-poly1305@openssh.com\n",
    "y = weights@model.to(device)\nz = a @ b.T\nw = q@k.transpose(0, 1)\nicon@2x.png\n@app.route('/')\n",
    "address = '%s@gmail.com' % user\nmail $USER@gmail.com\n'{0}@gmail.com'.format(user)\n",
    "127.0.0.1 0.0.0.0 10.1.2.3 192.168.1.14 172.16.254.1 255.255.255.0 192.0.2.44\n"
    "198.51.100.7 203.0.113.9 224.0.0.251\n",
    "version 1.24.3.1\nfoo==4.0.0.1\nChrome/91.0.4472.124 Safari/537.36\n"
    "__version__ = '2.10.1.4'\noid 1.3.6.1.4.1.311\nSTREET_ADDRESS = ObjectIdentifier('2.5.4.9')\n",
    "::1 fe80::1ff:fe23:4567:890a 2001:db8::8a2e:370:7334 fd12:3456:789a::1 std::vector::begin 12:30:45 2024:01\n",
    "card 4539578763621487, 1234567890123456, 0000000000000000\n",
    "ISBN 978-3-16-148410-0, ISBN 9780306406157, EAN 4006381333931\n",
    "iban DE88370400440532013000, GB82WEST12345698765433\n",
    "ssn 000-12-3456, 666-45-6789, 900-12-3456, 2021-12-2022\n",
    "call +1 212 555 0123 or (415) 555-0199, ext 1234-5678\nrange 100-200-3000, 2024-01-15 10:20:30\n",
    "# Copyright (c) 2001-2024 Python Software Foundation. All rights reserved.\n# Author: the team\n",
    "THE COPYRIGHT HOLDERS AND CONTRIBUTORS BE LIABLE FOR ANY\n"
    "# Copyright 2020 Google LLC\n# Copyright 2019 The Authors\n",
    '{"NextToken": "EJwY21GMGFXOXVJanA3SW5Ocm1pc3Npb25zIjpmYWxz"}\n'
    '{"ClientToken": "5289a345-0358-4e62-93d5-47ef3061d65e"}\n',
    'key = "arn:aws:kms:us-west-2:417498243647:key/c9fe24b1e7"\n"PasswordLastUsed": "2016-09-08T21:47:36Z"\n',
    "542D 542E 542F 5430 5431 5432 5433 5434\n<path d='M1 0111 18c0 1.52-.87 2.83-2.12 3.51.98.32 2.03.5 3.1'/>\n",
    "Upgrade v8 from 4.4.63.26 to 4.4.63.30, nameserver 8.8.8.8, 2001:4860:4860::8888, 1.2.3.4, 123.123.123.123\n",
    "author = Author.objects.get(pk=1)\nauthors: List[Author] = []\n'''Created by Django 4.2'''\n",
    "Free Software Foundation, 51 Franklin Street, Fifth Floor, Boston, MA 02110-1301\n",
    "turn 3 Degrees Drive\nnew_born = 2024\nborn_at = now()\npassport = authenticate(user)\n",
)

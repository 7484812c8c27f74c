"""Secrets are masked, in whatever way they are written; what is none stays readable."""

from __future__ import annotations

import time

import pytest

from xver.provenance.parameters import mask_parameters
from xver.provenance.secrets import is_secret_name, mask, mask_arguments, mask_bytes

SECRET = "s3cr3tV4lu3"


@pytest.mark.parametrize(
    "name",
    ["token", "HF_TOKEN", "authToken", "hub.token", "password", "PGPASSWORD", "api-key", "openai_api_key", "n_pass",
     "client_secret", "aws_secret_access_key", "credentials"],
)  # fmt: skip
def test_values_of_such_names_are_hidden(name: str) -> None:
    assert is_secret_name(name)
    assert mask_parameters({name: SECRET}) == {name: "***"}
    assert mask_arguments(["prog", f"--{name}", SECRET, "x"]) == ("prog", f"--{name}", "***", "x")
    for text in (f"{name}={SECRET}", f"--{name}={SECRET}", f'{{"{name}": "{SECRET}"}}', f"a=b {name} : {SECRET} c"):
        assert SECRET not in mask(text)


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "pad_token", "token_dim", "passes", "compass", "lr"])
def test_everyday_parameters_stay(name: str) -> None:
    assert mask_parameters({name: "512"}) == {name: "512"}
    assert mask_arguments(["prog", f"--{name}", "512"]) == ("prog", f"--{name}", "512")
    assert mask(f"{name}=512") == f"{name}=512"


@pytest.mark.parametrize(
    "text",
    [
        f"https://me:{SECRET}@example.org/x",
        "AKIA" + "A1" * 8,
        "ghp_" + "a1" * 18,
        "hf_" + "a" * 34,
        "sk-" + "a" * 40,
        "eyJ" + "a" * 20 + "." + "b" * 20 + "." + "c" * 20,
    ],
)
def test_known_forms_are_hidden_in_texts_parameters_and_patches(text: str) -> None:
    hidden = text.removeprefix("https://me:").partition("@")[0]
    assert hidden not in mask(f"+ at {text} .")
    assert hidden.encode() not in mask_bytes(f"+ at {text} .".encode())
    assert hidden not in str(mask_parameters({"where": text}))


def test_headers_lose_their_bearer() -> None:
    assert SECRET not in mask(f"-H 'Authorization: Bearer {SECRET}'")


@pytest.mark.parametrize("word", ["a", "token", "token=", "a://", "eyJ", "bearer ", " ", "a.-_", "x:"])
def test_a_line_of_megabytes_takes_no_longer_than_its_length(word: str) -> None:
    text = word * (400_000 // len(word))
    began = time.process_time()
    mask(text)
    mask_bytes(text.encode())
    # A pattern that starts over at each character takes minutes.
    assert time.process_time() - began < 10

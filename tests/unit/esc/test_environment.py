"""The SDK itself, against a server that speaks Pulumi's API."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.esc import environment, run_cache
from fake_esc import ORGANIZATION, TOKEN, FakeEsc, value

PASSWORD = "correct horse"


@pytest.fixture(name="esc")
def esc_fixture():
    esc = FakeEsc()
    esc.environments = {
        ("default", "staging"): {"a": value(1)},
        ("shop", "production"): {
            "postgres": value({"password": value(PASSWORD, secret=True), "port": 5432}),
            "hosts": value(["a", "b"]),
        },
    }
    yield esc
    esc.stop()


def source(esc, **other):
    return dataclasses.replace(environment.Source(esc.url, ORGANIZATION, "shop", "production"), **other)


def refusal(what, token=TOKEN):
    with pytest.raises(ReplatformError) as caught:
        environment.check(what, token)
        environment.read(what, token, 10)
    said = str(caught.value)
    assert "\n" not in said
    assert TOKEN not in said
    return said


def test_an_environment_is_opened_and_read(esc):
    assert environment.read(source(esc), TOKEN, 10) == {
        "postgres": {"password": PASSWORD, "port": 5432},
        "hosts": ["a", "b"],
    }
    assert esc.opened == [("shop", "production", "latest")]


def test_at_a_revision_or_a_tag(esc):
    environment.read(source(esc, version="7"), TOKEN, 10)
    environment.read(source(esc, version="stable"), TOKEN, 10)
    assert esc.opened == [("shop", "production", "7"), ("shop", "production", "stable")]


def test_each_thing_that_is_wrong_is_named(esc):
    assert refusal(source(esc), "") == "access_token: give it, or set PULUMI_ACCESS_TOKEN"
    assert refusal(source(esc), "pul-other") == f"access_token: {esc.url} does not accept it"
    assert refusal(source(esc, organization="other")).startswith("organization: Pulumi knows no 'other'")
    assert refusal(source(esc, organization="")).startswith("organization: '' is none")
    assert refusal(source(esc, environment="shop/production")).startswith("environment: 'shop/production' is none")
    assert refusal(source(esc, project="nope")) == f"project: {ORGANIZATION} has no 'nope' with environments"
    assert refusal(source(esc, environment="nope")) == f"environment: {ORGANIZATION}/shop has no 'nope'"
    assert refusal(source(esc, version="8")) == f"version: {ORGANIZATION}/shop/production has no '8'"
    esc.forbidden = True
    assert refusal(source(esc)) == f"access_token: it may not open {ORGANIZATION}/shop/production"


def test_a_name_that_the_api_does_not_take(esc):
    assert "org_name: String should have at least 3 characters" in refusal(source(esc, organization="ab"))


def test_an_environment_with_errors_says_which(esc):
    esc.diagnostics = [{"summary": "unknown property", "path": "values.db"}, {"summary": "no provider"}]
    assert refusal(source(esc)).endswith("has errors: values.db: unknown property; no provider")


def test_a_server_that_fails_or_is_not_there(esc):
    esc.failing = True
    assert refusal(source(esc)) == f"api_url: {esc.url} answered 503 Service Unavailable"
    esc.stop()
    assert refusal(source(esc)).startswith(f"api_url: {esc.url} can't be reached")


@pytest.mark.parametrize("url", ["http://esc.example.com", "esc.example.com", "", "ftp://127.0.0.1"])
def test_a_token_is_not_sent_in_the_clear(esc, url):
    assert refusal(source(esc, url=url)) == f"api_url: '{url}' is no https:// address"


def test_a_run_reads_once_and_keeps_nothing_in_the_clear(tmp_path):
    calls = []

    def read():
        calls.append(1)
        return {"password": PASSWORD}

    for _time in range(3):
        assert run_cache.cached(str(tmp_path), "shop/production", TOKEN, read) == {"password": PASSWORD}
    assert len(calls) == 1
    run_cache.cached(str(tmp_path), "shop/staging", TOKEN, read)
    run_cache.cached(str(tmp_path), "shop/production", "pul-other", read)
    assert len(calls) == 3
    for path in tmp_path.iterdir():
        assert PASSWORD.encode() not in path.read_bytes()
        assert TOKEN.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_a_failure_is_not_kept_and_what_was_torn_is_read_again(tmp_path):
    def failing():
        raise ReplatformError("no")

    with pytest.raises(ReplatformError):
        run_cache.cached(str(tmp_path), "x", TOKEN, failing)
    assert run_cache.cached(str(tmp_path), "x", TOKEN, lambda: 1) == 1
    (kept,) = [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    kept.write_bytes(kept.read_bytes()[:-9])
    assert run_cache.cached(str(tmp_path), "x", TOKEN, lambda: 2) == 2

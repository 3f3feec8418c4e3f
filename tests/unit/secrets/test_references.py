from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.filter.secret_references import FilterModule

faults = FilterModule().filters()["secret_reference_faults"]
VALUES = {
    "services": {
        "web": {"secrets": [{"secret": "db-password", "key": "db_password"}]},
        "job": {"secrets": [{"secret": "db-password", "key": "db_password"}, {"secret": "key", "key": "key"}]},
        "plain": {},
    }
}


def found(name, *keys):
    return {"metadata": {"name": name}, "data": {key: "" for key in keys}}


def test_what_is_there_and_what_is_brought_are_no_faults():
    assert faults(VALUES, [found("db-password", "db_password")], ["key"]) == []
    assert faults(VALUES, [], ["db_password", "key"]) == []
    assert faults({}) == []


def test_what_is_nowhere_is_named_with_who_needs_it():
    assert faults(VALUES, [found("key", "key")]) == [
        "Secret db-password of job, web is not in the cluster and nothing brings it there"
    ]


def test_a_key_that_is_missing_is_named():
    assert faults(VALUES, [found("db-password", "other"), found("key", "key")]) == [
        "Secret db-password of job, web has no key db_password"
    ]


def test_what_is_brought_adds_its_key_to_what_is_there():
    assert faults(VALUES, [found("db-password", "other"), found("key", "key")], ["db_password"]) == []


def test_pull_secrets_are_asked_for_as_docker_keeps_them():
    assert faults({}, [found("registry", ".dockerconfigjson")], pull_secrets=["registry"]) == []
    assert faults({}, [found("registry", "token")], pull_secrets=["registry", "other"]) == [
        "Secret other of platform_image_pull_secrets is not in the cluster and nothing brings it there",
        "Secret registry of platform_image_pull_secrets has no key .dockerconfigjson",
    ]

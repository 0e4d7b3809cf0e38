"""What counts as a secret, and what does not: sentences, conditions and data stay as they are."""

from __future__ import annotations

import re

import pytest

from metaclip_spark.core import secrets
from metaclip_spark.core.secrets import HIDDEN, is_secret_name, masked, remember, secrets_in, without_secrets


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sc://h:15002/;token=abc;user_id=x", "abc"),
        ("https://b.s3.amazonaws.com/a?X-Amz-Credential=AK%2F1&X-Amz-Date=2", "AK%2F1"),
        ("https://b.s3.amazonaws.com/a?X-Amz-Security-Token=xyz", "xyz"),
        ("https://a.blob.core.windows.net/c/a.parquet?sv=1&sig=abc%3D&se=2", "abc%3D"),
        ("https://storage.googleapis.com/b/a?X-Goog-Signature=0f", "0f"),
        ("DefaultEndpointsProtocol=https;AccountName=n;AccountKey=QUJD==;EndpointSuffix=x", "QUJD=="),
        ("jdbc:postgresql://h/db?user=u&password=pw", "pw"),
        ("-Djavax.net.ssl.keyStorePassword=pw -Dx=1", "pw"),
        ("{'fs.azure.account.key.acc': 'QUJD=='}", "QUJD=="),
        ('{"client_secret": "s3"}', "s3"),
        ("s3a://AKIA:SK@bucket/x", "SK"),
        ("https://ghp_0a1b@github.com/x", "ghp_0a1b"),
        ("ftp://me@host/x", "me"),
        ("Authorization: Bearer abcdefghijkl", "abcdefghijkl"),
        ("secret: hunter22", "hunter22"),
        ("http://me:p@ss@host/x", "me:p@ss"),
        ("http://me:a/b@host/x", "me:a/b"),
        ("https%3A%2F%2Fh%2Fx%3Fsig%3Dabc%26se%3D2", "abc"),
        ("https://h/x?jwt=abc&page=1", "abc"),
        ("https://h/x?auth=abc", "abc"),
        ("https://h/x?pass=abc#top", "abc"),
        ("jdbc:databricks://h;UID=token;PWD=abc", "abc"),
        ("jdbc:oracle:thin:scott/tiger@//h:1521/x", "tiger"),
        ("Authorization=Basic%20dXNlcg%3D%3D,x=1", "dXNlcg%3D%3D"),
        ("Authorization: token abc", "abc"),
        ("{'Authorization': 'abc'}", "abc"),
        ('{"auths": {"host": {"auth": "abc"}}}', "abc"),
        ('{"password": "my pass, word"}', "my pass, word"),
        ('{\\"password\\": \\"abc\\"}', "abc"),
        ("password='a b c' x='y'", "a b c"),
        ("('fs.s3a.secret.key', 'abc')", "abc"),
        ("--password abc --x y", "abc"),
        ("['--api-key', 'abc']", "abc"),
        ("spark.my.password -> a1b2c3, spark.x -> y", "a1b2c3"),
        ("a dapi0123456789abcdef0123456789abcdef b", "dapi0123456789abcdef0123456789abcdef"),
        (f"a ghp_{'x' * 36} b", f"ghp_{'x' * 36}"),
        (f"a hf_{'x' * 34} b", f"hf_{'x' * 34}"),
        ("a eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.dozjgNryP4 b", "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.dozjgNryP4"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END",
        ),
    ],
)
def test_secrets_are_hidden_by_their_form(text, value):
    """The text around the secret stays, and a text that was masked stays as it is."""
    assert masked(text) == text.replace(value, HIDDEN) or masked(text) == text.replace(f"AKIA:{value}", HIDDEN)
    assert any(value in found or found in value for found in secrets_in(text))
    assert value not in masked(text)
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "column key: url",
        "--where source_key='abc'",
        "tokens: 1,234,567",
        "abfss://container@account.dfs.core.windows.net/pool",
        "s3://bucket/a.parquet?versionId=1",
        "write to a@b.org: the key is the first column",
        "a design = 3, signal=4",
        "a pass: 3, an author: x, an authority = y, compass=4, pwned=1",
        "http://host:80/a@b.jpg and http://[::1]:80/a@b",
        "--where \"author='x'\" --tokenizer t",
        "columns ('key', 'url') and ['pass', 'text']",
        "path/to/dapiary, hf_hub, eyJust.a.word",
    ],
)
def test_other_texts_stay(text):
    """Words such as key and token are no secrets in a sentence; a container before @ is none either."""
    assert masked(text) == text
    assert list(secrets_in(text)) == []


def test_values_are_hidden_by_the_name_of_their_key():
    """Mappings of any depth, in lists and tuples; numbers and empty texts stay."""
    value = {"spark": {"fs.s3a.access.key": "AKIA", "spark.ui": "x"}, "a": [{"db_password": "p"}, (1,)], "token": ""}
    assert masked(value) == {
        "spark": {"fs.s3a.access.key": HIDDEN, "spark.ui": "x"},
        "a": [{"db_password": HIDDEN}, (1,)],
        "token": "",
    }


def test_a_remembered_value_is_hidden_in_any_form(monkeypatch):
    """A library's error may have it without its name. A short value could be part of any word, and is not searched."""
    monkeypatch.setattr(secrets, "_remembered", set())
    remember(["long0enough", "short", "sla/sh+plus", 'quo"te\nline'])
    assert masked("the server said long0enough is wrong, shortly") == f"the server said {HIDDEN} is wrong, shortly"
    assert masked('in a url sla%2Fsh%2Bplus, in JSON quo\\"te\\nline') == f"in a url {HIDDEN}, in JSON {HIDDEN}"
    remember(["not\udcffutf8"])
    assert masked("a not\udcffutf8 b") == f"a {HIDDEN} b"
    remember(["per%20cent"])
    assert masked("decoded per cent") == f"decoded {HIDDEN}"


def test_variables_with_the_name_of_a_secret_are_hidden(monkeypatch):
    """Paths are no secrets, whatever the name of their variable."""
    monkeypatch.setenv("MY_API_TOKEN", "0123456789")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials.ini")
    monkeypatch.setenv("KUBE_TOKEN_AT", "/var/run/token")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "/bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI+K7MDENG")
    text = "0123456789 in credentials.ini and /var/run/token"
    assert masked(text) == text.replace("0123456789", HIDDEN)
    assert masked("key /bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI+K7MDENG") == f"key {HIDDEN}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://me:0123456789@proxy:3128"),
        ("OPENLINEAGE_URL", "https://0123456789@host/lineage"),
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountName=name;AccountKey=0123456789;EndpointSuffix=x"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=0123456789,other=1"),
        ("OPENLINEAGE__TRANSPORT", '{"type": "http", "auth": {"apiKey": "0123456789"}}'),
        ("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.keyStorePassword=0123456789 -Dx=1"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://me:0123456789@host/db"),
        ("AIRFLOW_CONN_STORE", '{"conn_type": "aws", "password": "0123456789"}'),
        ("MY_PLACE", "redis://:0123456789@host:6379/0"),
        ("GOOGLE_SERVICE_ACCOUNT_KEY", '{"client_id": "x", "private_key": "0123456789"}'),
    ],
)
def test_secrets_in_urls_and_options_of_the_environment_are_hidden(monkeypatch, name, value):
    """A library's error may have the password of a proxy without the url around it."""
    monkeypatch.setenv(name, value)
    assert masked("the proxy refused 0123456789 of name") == f"the proxy refused {HIDDEN} of name"


@pytest.mark.parametrize(
    ("uri", "stored"),
    [
        ("https://me:pw@h/a.parquet", "https://h/a.parquet"),
        ("https://h/a.parquet?api_key=1", "https://h/a.parquet"),
        ("https://h/a.parquet?id=7", "https://h/a.parquet?id=7"),
        ("https://h/a.parquet?jwt=1&auth=2&tokenizer=t", "https://h/a.parquet?tokenizer=t"),
        ("abfss://box@acc/a", "abfss://box@acc/a"),
        ("/data/a=b/c.parquet", "/data/a=b/c.parquet"),
    ],
)
def test_uris_are_stored_without_secrets(uri, stored):
    """A parameter that is no secret is part of the key of a source."""
    assert without_secrets(uri) == stored


@pytest.mark.parametrize("parameter", ["key", "pass"])
def test_two_keys_are_two_sources(parameter):
    """`?key=` may name a file: the stored uris differ, and have none of the keys."""
    one, other = (without_secrets(f"https://h/get?{parameter}={name}") for name in ("a.parquet", "b.parquet"))
    assert one != other
    assert "a.parquet" not in one


def test_names():
    """Settings of Spark that hold a secret, and some that only sound like it."""
    assert all(
        is_secret_name(name)
        for name in (
            "fs.azure.account.key.acc.dfs.core.windows.net",
            "fs.azure.sas.container.account",
            "fs.azure.account.oauth2.client.secret.acc",
            "spark.hadoop.fs.s3a.session.token",
            "spark.ssl.keyPassword",
            "accessKey",
            "api_key",
        )
    )
    assert not any(
        is_secret_name(name)
        for name in (
            "spark.io.encryption.keySizeBits",
            "spark.sql.requireAllClusterKeysForDistribution",
            "spark.sql.shuffle.partitions",
            "spark.databricks.delta.snapshotPartitions",
        )
    )


def test_spark_hides_what_we_hide(pytestconfig):
    """`spark.redaction.regex`, by which Spark hides values in its page and its event log, knows the same names."""
    from metaclip_spark.spark.session import _REDACTION

    hidden = _REDACTION["spark.redaction.regex"]
    conf = (pytestconfig.rootpath / "conf" / "cluster.conf").read_text(encoding="utf-8")
    assert re.search(r"^spark\.redaction\.regex +(.*)$", conf, re.MULTILINE)[1] == hidden
    kubernetes = (pytestconfig.rootpath / "jobs" / "kubernetes" / "curation.yaml").read_text(encoding="utf-8")
    assert f'spark.redaction.regex: "{hidden}"' in kubernetes
    names = ["fs.azure.account.key.acc.dfs.core.windows.net", "fs.azure.sas.container.account", "spark.ssl.keyPassword"]
    names += ["fs.azure.account.oauth2.client.secret.acc", "spark.hadoop.fs.s3a.session.token", "fs.s3a.access.key"]
    names += ["spark.my.api_key", "spark.my.passphrase", "spark.my.signature", "spark.my.Authorization", "x.accessKey"]
    assert [name for name in names if not (re.search(hidden, name) and is_secret_name(name))] == []
    values = ["jdbc:mysql://me:pw@h/db", "jdbc:databricks://h;PWD=x", "https://h/x?sig=x", "AccountName=n;AccountKey=x"]
    assert [value for value in values if not (re.search(hidden, value) and masked(value) != value)] == []
    shown = ["spark.sql.requireAllClusterKeysForDistribution", "abfss://box@acc/a", "spark://host:7077", "local[*]"]
    assert [text for text in shown if re.search(hidden, text)] == []


@pytest.mark.parametrize(
    "piece",
    [
        *("x", "key", "%", "token.", "a://x", "://", "x=", "x: ", "@", "1+", "'", "--x ", "http://a:", "'key', '"),
        *("-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "jdbc:oracle:thin:a/", "a://b:cc", "-eyJ", "eyJaaaaaaaaaa."),
        *("_ghp_", "token='", "authorization=a ", "%3d", "%26", "password -> ", '\\"'),
    ],
)
def test_a_long_text_takes_time_by_its_length(piece):
    """A setting or an error may quote a megabyte of anything. By the square, a third of one would take an hour."""
    text = piece * (300_000 // len(piece))
    masked(text)
    list(secrets_in({"a": text}))
    without_secrets(f"a://{text}")


def test_a_secret_is_hidden_after_signs_that_a_scheme_may_have():
    """A url that follows another word without a space."""
    assert masked("1https://user@host/") == "1https://(hidden)@host/"
    assert masked("x-https://me:pw@host/ %token=abcdefgh") == "x-https://(hidden)@host/ %token=(hidden)"

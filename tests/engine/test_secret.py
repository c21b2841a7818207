"""The account's secret: made once, kept whole, refused when damaged."""

from __future__ import annotations

import pytest

from blaster.engine.secret import SECRET_FILE, account_secret
from blaster.errors import InputError


def test_it_is_made_once(tmp_path):
    secret = account_secret(tmp_path)
    assert len(secret) == 32
    assert account_secret(tmp_path) == secret
    path = tmp_path / SECRET_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert account_secret(tmp_path / "other") != secret


def test_a_damaged_one_is_named(tmp_path):
    account_secret(tmp_path)
    (tmp_path / SECRET_FILE).write_bytes(b"short")
    with pytest.raises(InputError, match=r"secret\.key is damaged: 5 bytes, not 32; put back"):
        account_secret(tmp_path)

"""Who keeps a mailbox, by the domain of its address: a table of well-known mailbox domains.

Data, and one reader. A domain that is not here is its own provider.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.rules import Dictionary

Array = np.ndarray[Any, Any]

_DOMAINS = {
    "gmail": "gmail.com googlemail.com",
    "outlook": (
        "outlook.com outlook.co.il outlook.de outlook.fr outlook.es outlook.it hotmail.com"
        " hotmail.co.il hotmail.co.uk hotmail.de hotmail.fr hotmail.es hotmail.it live.com"
        " live.co.uk live.fr live.nl msn.com passport.com windowslive.com"
    ),
    "yahoo": (
        "yahoo.com yahoo.co.il yahoo.co.uk yahoo.co.in yahoo.de yahoo.fr yahoo.es yahoo.it"
        " yahoo.ca yahoo.com.br yahoo.com.au ymail.com rocketmail.com myyahoo.com"
    ),
    "aol": "aol.com aol.co.uk aol.de aol.fr aim.com netscape.net",
    "apple": "icloud.com me.com mac.com privaterelay.appleid.com",
    "gmx": "gmx.com gmx.de gmx.net gmx.at gmx.ch gmx.co.uk mail.com",
    "web.de": "web.de",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "zoho": "zoho.com zohomail.com",
    "fastmail": "fastmail.com fastmail.fm",
    "yandex": "yandex.ru yandex.com ya.ru",
    "mail.ru": "mail.ru inbox.ru list.ru bk.ru internet.ru",
    "walla": "walla.co.il walla.com",
    "bezeq": "bezeqint.net bezeqint.net.il",
    "netvision": "netvision.net.il 013.net 013.net.il 013net.net",
    "012": "012.net.il",
    "comcast": "comcast.net xfinity.com",
    "at&t": "att.net sbcglobal.net bellsouth.net pacbell.net ameritech.net",
    "orange": "orange.fr wanadoo.fr",
    "free": "free.fr",
    "libero": "libero.it iol.it virgilio.it",
    "t-online": "t-online.de magenta.de",
    "qq": "qq.com foxmail.com",
    "netease": "163.com 126.com yeah.net",
    "naver": "naver.com",
}
PROVIDERS = {domain: name for name, domains in _DOMAINS.items() for domain in domains.split()}
"""The provider of each well-known mailbox domain."""


def provider_codes(emails: pa.Array, words: Dictionary) -> Array:
    """int32[]: the providers of e-mail addresses as codes of `words`, -1 where there is none."""
    domains = pc.utf8_lower(pc.replace_substring_regex(emails, r"^.*@", "")).dictionary_encode()
    found = [words.add(PROVIDERS.get(name, name)) for name in domains.dictionary.to_pylist()]
    places = domains.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    codes: Array = np.array([*found, -1], np.int32)[places]
    return codes

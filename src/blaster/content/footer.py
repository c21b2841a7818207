"""What the law and the account add to messages: the advert word, the footer, how to opt out."""

from __future__ import annotations

from html import escape
from typing import Literal

from blaster.model.definitions import Account
from blaster.model.letters import Link, Piece, Plain

ADVERT = "פרסומת"
"""The word that begins an advertisement in Israel (Communications Law, section 30A)."""

_STYLE = "margin-top:24px;padding-top:12px;border-top:1px solid #ccc;font-size:12px;color:#666"
_OPT_OUT = {"he": "להסרה מרשימת התפוצה", "en": "Unsubscribe"}
_SMS_OPT_OUT = "להסרה השיבו הסר"


def language_of(account: Account) -> Literal["he", "en"]:
    """The language of what blaster itself writes into the account's messages."""
    return "he" if account.country == "IL" else "en"


def needs_advert(account: Account, category: str) -> bool:
    """Whether messages of this category begin with the advert word."""
    return account.country == "IL" and category == "marketing"


def html_footer(account: Account, *, opt_out: bool) -> tuple[Piece, ...]:
    """The footer of an e-mail: who sends it, and for advertisements how to have no more."""
    language = language_of(account)
    direction = "rtl" if language == "he" else "ltr"
    said = (account.name, account.address, account.contact)
    lines = "<br>\n".join(escape(line) for line in said if line)
    start = f'<div dir="{direction}" lang="{language}" style="{_STYLE}">\n'
    who = f"<p>{lines}</p>\n" if lines else ""
    if not opt_out:
        return (Plain(f"{start}{who}</div>\n"),) if who else ()
    end = f'">{_OPT_OUT[language]}</a></p>\n</div>\n'
    link = Link("unsubscribe", html=True)
    return (Plain(f'{start}{who}<p><a href="'), link, Plain(end))


def sms_opt_out(account: Account, category: str) -> str:
    """The last line of an advertisement by SMS, where the country's law asks for one."""
    return f"\n{_SMS_OPT_OUT}" if needs_advert(account, category) else ""

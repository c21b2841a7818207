"""One connection: encryption where offered, and what a site has said it can take."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from blaster.model.outcomes import OutcomeCode
from blaster.transport.desk import Mail, envelop
from blaster.transport.replies import SiteTrouble, Verdict
from blaster.transport.session import Session, opportunistic
from tests.transport.doubles import SETUP
from tests.transport.fake_smtp import CLOSE, PIPELINING, FakeSmtp

TLS = "250-fake\r\n250 STARTTLS"


def letter(recipient: bytes = b"a@example.org", text: bytes = b"Hello\r\n") -> Mail:
    mail = envelop(b"s@example.com", recipient, b"Subject: x\r\n\r\n" + text, repeat=True)
    assert isinstance(mail, Mail)
    return mail


async def deliver(site: FakeSmtp, mail: Mail) -> Verdict:
    session = Session("127.0.0.1", site.port, SETUP, opportunistic())
    await session.open()
    assert session.alive
    verdict = session.refusal(mail) or await session.transact(mail)
    await session.quit()
    assert not session.alive
    return verdict


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> ssl.SSLContext:
    """A server's context with a certificate that nobody would trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = dt.datetime(2020, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    form = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(form, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(form)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_it_encrypts_where_that_is_offered_whatever_the_certificate(certificate):
    script = {"EHLO": [TLS, "250-fake\r\n250 SIZE 99999"], "STARTTLS": "220 go"}
    async with FakeSmtp([script], tls=certificate) as site:
        assert (await deliver(site, letter())).code == OutcomeCode.ACCEPTED
        assert site.verbs()[:3] == ["EHLO", "STARTTLS", "EHLO"]
        assert "SIZE=" in site.mails[0].sender


@pytest.mark.parametrize(
    "script",
    [
        {"STARTTLS": CLOSE},
        {"STARTTLS": "421 later"},
        {"STARTTLS": b"220 go\r\nthis is no handshake, nor will it be one\r\n"},
        {"STARTTLS": b"220 go\r\n" + b"\0" * 64},
        {"STARTTLS": b"what\r\n"},
    ],
)
async def test_where_encryption_fails_it_comes_back_without(script):
    async with FakeSmtp(
        [{"EHLO": TLS} | script], tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ) as site:
        assert (await deliver(site, letter())).code == OutcomeCode.ACCEPTED
        assert site.connections == 2
        assert site.verbs().count("STARTTLS") == 1


@pytest.mark.parametrize("reply", ["454 not now", "502 what"])
async def test_where_encryption_is_refused_it_goes_on_plain(reply):
    async with FakeSmtp([{"EHLO": TLS, "STARTTLS": reply}]) as site:
        assert (await deliver(site, letter())).code == OutcomeCode.ACCEPTED
        assert site.connections == 1


async def test_an_old_site_is_greeted_with_helo():
    async with FakeSmtp([{"EHLO": "502 what"}]) as site:
        assert (await deliver(site, letter())).code == OutcomeCode.ACCEPTED
        assert site.verbs()[:2] == ["EHLO", "HELO"]
        assert site.mails[0].sender == "MAIL FROM:<s@example.com>"


@pytest.mark.parametrize(
    ("said", "fits"),
    [("SIZE 30", True), ("SIZE 20", False), ("SIZE 0", True), ("SIZE", True), ("SIZE x", True),
     ("SIZE " + "9" * 5000, True)],
)  # fmt: skip
async def test_a_size_that_was_said_is_minded(said, fits):
    async with FakeSmtp([{"EHLO": f"250-fake\r\n250 {said}"}]) as site:
        verdict = await deliver(site, letter())
        if fits:
            assert verdict.code == OutcomeCode.ACCEPTED
        else:
            assert verdict == Verdict(OutcomeCode.FAILED, "too large: 21 bytes, the site takes 20")
            assert "MAIL" not in site.verbs()


async def test_smtputf8_is_asked_for_where_needed_and_offered():
    async with FakeSmtp([{"EHLO": "250-fake\r\n250 SMTPUTF8"}, {}]) as site:
        mail = letter("דנה@example.org".encode())
        assert (await deliver(site, mail)).code == OutcomeCode.ACCEPTED
        assert site.mails[0].sender == "MAIL FROM:<s@example.com> SMTPUTF8"
        assert site.mails[0].recipient == "RCPT TO:<דנה@example.org>"
        assert await deliver(site, mail) == Verdict(
            OutcomeCode.FAILED, "needs SMTPUTF8, which the site does not offer"
        )


async def test_dots_arrive_as_they_were_written():
    text = b".\r\n..\r\n.a\r\nb.\r\n.\r\n"
    async with FakeSmtp() as site:
        assert (await deliver(site, letter(text=text))).code == OutcomeCode.ACCEPTED
        assert site.mails[0].content == b"Subject: x\r\n\r\n" + text


async def test_a_closed_session_returns_what_it_is_given():
    async with FakeSmtp() as site:
        session = Session("127.0.0.1", site.port, SETUP, opportunistic())
        await session.open()
        await session.quit()
        assert (await session.transact(letter())).code == 0
        assert not await session.ready()
        await session.quit()


@pytest.mark.parametrize("began", [False, True])
async def test_a_fault_of_ours_leaves_the_message_in_doubt_only_once_it_goes_out(
    began, monkeypatch
):
    async with FakeSmtp() as site:
        session = Session("127.0.0.1", site.port, SETUP, opportunistic())
        await session.open()
        ask = session._wire.ask

        def fail(data: bytes, *args):
            if (b"Subject" in data) == began:
                raise ZeroDivisionError("ours")
            return ask(data, *args)

        monkeypatch.setattr(session._wire, "ask", fail)
        if began:
            verdict = await session.transact(letter())
            assert verdict.code == OutcomeCode.DEFERRED
            assert verdict.reason == "in doubt: ZeroDivisionError('ours')"
        else:
            with pytest.raises(ZeroDivisionError):
                await session.transact(letter())
        assert not session.alive


@pytest.mark.parametrize("together", [False, True])
async def test_the_envelope_goes_out_together_where_the_site_offers_that(together, monkeypatch):
    async with FakeSmtp([{"EHLO": PIPELINING} if together else {}]) as site:
        session = Session("127.0.0.1", site.port, SETUP, opportunistic())
        await session.open()
        ask, asked = session._wire.ask, []

        def listen(data: bytes, *args):
            asked.append(data)
            return ask(data, *args)

        monkeypatch.setattr(session._wire, "ask", listen)
        mail = letter()
        for _ in range(3):
            assert await session.ready()
            assert (await session.transact(mail)).code == OutcomeCode.ACCEPTED
        envelope = [
            b"MAIL FROM:<s@example.com> SIZE=%d\r\n" % mail.size,
            b"RCPT TO:<a@example.org>\r\n",
            b"DATA\r\n",
        ]
        assert asked == [*([b"".join(envelope)] if together else envelope), mail.content] * 3
        assert len(site.mails) == 3
        await session.quit()
        assert site.verbs()[-1] == "QUIT"


async def test_a_site_that_leaves_between_two_messages_is_not_asked_again(monkeypatch):
    async with FakeSmtp([{"dot": (b"250 taken\r\n", CLOSE)}]) as site:
        session = Session("127.0.0.1", site.port, SETUP, opportunistic())
        await session.open()
        left = asyncio.Event()
        monkeypatch.setattr(session._wire, "connection_lost", lambda exc: left.set())
        assert (await session.transact(letter())).code == OutcomeCode.ACCEPTED
        await left.wait()
        assert not await session.ready()
        assert (await session.transact(letter())).code == 0


@pytest.mark.parametrize("of", [asyncio, uvloop])
@pytest.mark.parametrize("tls", [False, True])
def test_every_kind_of_transport_is_taken_over(of, tls, certificate):
    async def deliver_three() -> None:
        good = {"EHLO": [TLS, PIPELINING] if tls else PIPELINING, "STARTTLS": "220 go"}
        scripts = [good, good, good | {"dot": b"250-and so on\r\n" * 1000}]
        async with FakeSmtp(scripts, tls=certificate) as site:
            mail = letter(text=b"a line of some length\r\n" * 40_000)  # more than a socket takes
            assert (await deliver(site, letter())).code == OutcomeCode.ACCEPTED
            assert (await deliver(site, mail)).code == OutcomeCode.ACCEPTED
            assert [len(taken.content) for taken in site.mails] == [21, mail.size]
            assert ("STARTTLS" in site.verbs()) == tls
            verdict = await deliver(site, letter())
            assert verdict.reason == "in doubt: an answer of more than 4,096 bytes"

    with asyncio.Runner(loop_factory=of.new_event_loop) as runner:
        runner.run(deliver_three())


async def test_a_name_that_says_too_much_is_no_host():
    setup = SETUP.__class__(b"", "two words", 1, 1, 1, 1)
    session = Session("127.0.0.1", 1, setup, opportunistic())
    with pytest.raises(SiteTrouble):
        await session.open()

#!/usr/bin/env python3
"""Calls the transfer API as an app backend would, with an independent RFC 9421 implementation.

Needs `http-message-signatures` and `requests` from PyPI. Signs with that library and shares no
code with the bridge. Gets a transfer completed, replays it, and expects to be refused for each
thing that is wrong with a request. Prints one line per check; exits 1 if any deviates, 2 if it
could not run.

Key files: for hmac-sha256 the secret's bytes, less the line end that editors leave behind; for
ed25519 the private key as PEM (PKCS#8).
"""

import argparse
import datetime
import json
import secrets
import sys
import time
from dataclasses import dataclass

import requests
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

ALGORITHMS = {"hmac-sha256": algorithms.HMAC_SHA256, "ed25519": algorithms.ED25519}
PROBLEM = "application/problem+json"


@dataclass
class App(HTTPSignatureKeyResolver):
    """One app's key, which signs whatever it is asked to, right or wrong."""

    keyid: str
    key: bytes
    algorithm: str

    def resolve_private_key(self, key_id):
        return self.key

    def sign(self, request, *, keyid=None, covered=None, nonce=None, created=None, expires=None):
        """Signs a prepared request in place. Whatever is not given is as it should be."""
        created = created or datetime.datetime.now(datetime.timezone.utc)
        expires = expires or created + datetime.timedelta(seconds=60)
        if covered is None:
            covered = ["@method", "@target-uri"]
            if request.body:
                covered += ["content-digest", "idempotency-key"]
        HTTPMessageSigner(signature_algorithm=ALGORITHMS[self.algorithm], key_resolver=self).sign(
            request,
            key_id=keyid or self.keyid,
            covered_component_ids=covered,
            created=created,
            expires=expires,
            nonce=nonce or secrets.token_hex(16),
            body=request.body if "content-digest" in covered else None,
        )
        return request


class Checks:
    """One line for every check, and whether any deviated."""

    def __init__(self, url, order, prefer_s):
        self.url, self.order, self.prefer_s = url.rstrip("/"), order, prefer_s
        # Nothing of the environment between us and the bridge; no redirect, for it is signed.
        self.session = requests.Session()
        self.session.trust_env = False
        self.deviations = 0

    def post(self, order=None, key=None):
        """An unsigned POST of a transfer."""
        return requests.Request(
            "POST",
            f"{self.url}/v1/transfers",
            data=json.dumps(order or self.order).encode(),
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": key or secrets.token_hex(16),
                "Prefer": f"wait={self.prefer_s}",
            },
        ).prepare()

    def get(self, path):
        """An unsigned GET."""
        return requests.Request("GET", f"{self.url}{path}").prepare()

    def send(self, request):
        return self.session.send(request, timeout=self.prefer_s + 30, allow_redirects=False)

    def line(self, name, fault, seen):
        """Prints a check; `fault` is empty if it went as it should."""
        self.deviations += bool(fault)
        print(f"{'FAIL' if fault else 'ok  '} {name}: {fault or seen}", flush=True)

    def refused(self, name, request, status, slug=None):
        """Sends a request that must be refused with `status` and a problem document."""
        answer = self.send(request)
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        fault = ""
        if answer.status_code != status:
            fault = f"HTTP {answer.status_code} instead of {status}: {answer.text[:300]}"
        elif kind != PROBLEM:
            fault = f"{kind or 'no content type'} instead of {PROBLEM}"
        else:
            problem = answer.json()
            named = problem.get("type", "").replace(":", "/").rsplit("/", 1)[-1]
            if problem.get("status") != status:
                fault = f"the problem says status {problem.get('status')}, HTTP says {status}"
            elif not named or (slug and named != slug):
                fault = f"the problem's type is {problem.get('type')!r}, not {slug}"
            else:
                self.line(name, "", f"{status} {named}: {problem.get('detail', '')}")
                return
        self.line(name, fault, "")

    def completed(self, name, answer):
        """Checks the answer to a good order; gives back the transfer, or None."""
        if answer.status_code != 201:
            self.line(name, f"HTTP {answer.status_code}: {answer.text[:300]}", "")
            return None
        transfer = answer.json()
        path = f"/v1/transfers/{transfer.get('master_serial')}"
        if transfer.get("state") != "completed":
            self.line(name, f"the transfer is {transfer.get('state')}: {answer.text[:300]}", "")
        elif not answer.headers.get("Location", "").endswith(path):
            self.line(name, f"Location is {answer.headers.get('Location')!r}", "")
        else:
            self.line(name, "", f"201 {transfer['master_serial']}")
        return transfer


def settle(checks, app, request, tries=20):
    """Sends an order; if it is not final yet (202, 409), the same order again under the same key."""
    for _ in range(tries):
        answer = checks.send(request)
        if answer.status_code not in (202, 409):
            return answer
        time.sleep(min(5, max(1, int(answer.headers.get("Retry-After", "1")))))
        request = app.sign(checks.post(key=request.headers["Idempotency-Key"]))
    return answer


def run(checks, app, other):
    key = secrets.token_hex(16)

    first = settle(checks, app, app.sign(checks.post(key=key)))
    transfer = checks.completed("a transfer is completed", first)
    if transfer is None:
        print("     nothing to replay; the checks that need a transfer are left out")
    else:
        again_request = app.sign(checks.post(key=key))
        again = checks.send(again_request)
        if (again.status_code, again.content) == (first.status_code, first.content):
            checks.line("the same order again is told the same", "", f"{len(again.content)} bytes")
        else:
            checks.line(
                "the same order again is told the same",
                f"HTTP {again.status_code}, {again.text[:300]!r} is not {first.text[:300]!r}",
                "",
            )
        path = f"/v1/transfers/{transfer['master_serial']}"
        shown = checks.send(app.sign(checks.get(path)))
        same = shown.status_code == 200 and shown.json().get("state") == transfer.get("state")
        checks.line("its app may see it", "" if same else f"{shown.status_code} {shown.text}", path)

        more = dict(checks.order, amount=checks.order["amount"] + 1)
        checks.refused("another order under its key", app.sign(checks.post(more, key)), 422)
        checks.refused("another app may not see it", other.sign(checks.get(path)), 404)
        checks.refused("a replayed signature", again_request, 401, "replayed_nonce")

    altered = app.sign(checks.post())
    altered.body = altered.body.replace(b'"amount": ', b'"amount":1')
    altered.headers["Content-Length"] = str(len(altered.body))
    checks.refused("an altered body", altered, 401, "bad_digest")

    ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=120)
    late = ago + datetime.timedelta(seconds=60)
    checks.refused(
        "an expired signature",
        app.sign(checks.post(), created=ago, expires=late),
        401,
        "expired_signature",
    )

    nonce = secrets.token_hex(16)
    spent = checks.send(app.sign(checks.get("/v1/transfers?limit=1"), nonce=nonce))
    if spent.status_code == 401:
        checks.line("a fresh nonce", f"HTTP 401: {spent.text[:300]}", "")
    else:
        checks.refused(
            "a nonce used before, in a new signature",
            app.sign(checks.post(), nonce=nonce),
            401,
            "replayed_nonce",
        )

    checks.refused(
        "an unknown key",
        app.sign(checks.post(), keyid="nobody-" + secrets.token_hex(4)),
        401,
        "bad_signature",
    )
    checks.refused(
        "a missing digest",
        app.sign(checks.post(), covered=["@method", "@target-uri", "idempotency-key"]),
        401,
        "missing_digest",
    )
    checks.refused(
        "a key that is not covered",
        app.sign(checks.post(), covered=["@method", "@target-uri", "content-digest"]),
        401,
        "insufficient_coverage",
    )
    checks.refused(
        "another app's name on one's own signature",
        app.sign(checks.post(), keyid=other.keyid),
        401,
        "bad_signature",
    )
    checks.refused("no signature", checks.post(), 401, "missing_signature")

    by_path = app.sign(
        checks.get("/v1/transfers?limit=1"), covered=["@authority", "@method", "@path", "@query"]
    )
    answer = checks.send(by_path)
    fault = f"HTTP {answer.status_code}: {answer.text[:300]}" if answer.status_code != 200 else ""
    checks.line("path and query in place of the target URI", fault, "200")


def account(text):
    counter, _, number = text.partition(":")
    if not counter or not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not COUNTER:ACCOUNT")
    return {"counter": counter, "account": number}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="such as http://127.0.0.1:8080")
    parser.add_argument("--keyid", required=True)
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--alg", required=True, choices=sorted(ALGORITHMS))
    parser.add_argument("--other-keyid", required=True, help="a key of another app")
    parser.add_argument("--other-key-file", required=True)
    parser.add_argument("--other-alg", choices=sorted(ALGORITHMS), help="--alg unless given")
    parser.add_argument("--from", required=True, type=account, metavar="COUNTER:ACCOUNT")
    parser.add_argument("--to", required=True, type=account, metavar="COUNTER:ACCOUNT")
    parser.add_argument("--amount", type=int, default=100, help="in minor units")
    parser.add_argument("--currency", default="CNY")
    parser.add_argument("--wait", type=int, default=10, help="seconds, for Prefer")
    options = parser.parse_args()

    def app(keyid, path, algorithm):
        with open(path, "rb") as file:
            content = file.read()
        if algorithm == "hmac-sha256":
            content = content.rstrip(b"\r\n")
        return App(keyid, content, algorithm)

    order = {
        "from": getattr(options, "from"),
        "to": options.to,
        "amount": options.amount,
        "currency": options.currency,
    }
    checks = Checks(options.url, order, options.wait)
    try:
        run(
            checks,
            app(options.keyid, options.key_file, options.alg),
            app(options.other_keyid, options.other_key_file, options.other_alg or options.alg),
        )
    except (OSError, ValueError) as error:
        print(f"could not run: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"{checks.deviations} deviations" if checks.deviations else "all as it should be")
    return 1 if checks.deviations else 0


if __name__ == "__main__":
    sys.exit(main())

"""The faults of an operator's day, by the command that finds them; each is made for real.

docs/faults.md has the first line of each: ``python -m tests.operations.render`` writes them there.
"""

from __future__ import annotations

from urllib.parse import quote

from cryptography.x509 import DNSName

from tests.servers.replies import reply, s3_error

from .deployments import (
    ARCHIVED,
    DENIED,
    ELSEWHERE,
    HTML,
    HTTPS_ONLY,
    NO_KEY,
    NOBODY,
    OBJECT,
    PAGE,
    SIGNED,
    SKEWED,
    UPLOADED_PAGE,
    WEB_PAGE,
    YESTERDAY,
    AnyCall,
    Make,
    Raising,
    behind_nginx,
    closed,
    configured,
    hosted,
    https_required,
    judged,
    mongo_away,
    over_tls,
    port_of_nobody,
    refused,
    rekeyed,
    silent,
    stored,
    temporary,
    token_of,
    traced,
    unindexed,
    without_key_in,
    without_tls,
)
from .proxies import (
    HTTPS_LINK,
    adding,
    drops_range,
    filling_a_cache,
    nobody,
    proxied,
    sending,
    untrusted,
    without,
    without_nginx,
)
from .stage import AUDIO, KEY, SECRETS, TOKEN, Case, listing

FAULTS: dict[str, dict[str, Make]] = {
    "doctor": {
        # Settings
        "a field of `minio` is missing": stored(access_key=""),
        "four fields of `minio` are missing": lambda _: Case({"minio": {}}),
        "a field's name is misspelled": lambda s: Case({"minio": s.store(access_key="") | {"acces_key": "x"}}),
        "the endpoint has the bucket behind it": stored(endpoint="https://storage.example/recordings"),
        "the bucket's name has a space": stored(bucket="call recordings"),
        "`cxbcore_fleet` is one URL, no list": lambda _: Case({"cxbcore_fleet": NOBODY}),
        "`cxbcore_fleet` is misspelled, and is all there is": lambda _: Case({"cxb_core_fleet": [NOBODY]}),
        "nothing is configured": lambda _: Case({}),
        "the settings provider returns nothing": lambda _: Case(None),
        "the settings provider raises": lambda _: Case(LookupError(SECRETS["secret"])),
        # Storage is not reached
        "the storage host's name is wrong": stored(endpoint=NOBODY),
        "the store is not running": port_of_nobody,
        "the store hangs": silent,
        "the store speaks https, the endpoint says http": lambda s: over_tls(s, endpoint="http"),
        "nginx speaks https for the store, the endpoint says http": lambda s: Case(
            {"minio": s.store(endpoint=behind_nginx(s))}
        ),
        "the store speaks http, the endpoint says https": without_tls,
        "the store's certificate is of an unknown CA": lambda s: over_tls(s, trusted=False),
        "the store's certificate is for another name": lambda s: over_tls(s, [DNSName("storage.example")]),
        # What answers is no store
        "the endpoint is the console's port": stored(("", WEB_PAGE)),
        "the endpoint is a web server that answers 404": stored(("", reply(404, HTML, PAGE))),
        "the endpoint is some other API": stored(("", reply(404, {"Content-Type": "application/json"}, b"{}"))),
        "a login page is in front of the store": stored(("", reply(302, {"Location": "https://login.example/?a=b"}))),
        "the store redirects http to https": stored(("", HTTPS_ONLY)),
        "the proxy in front of the store does not reach it": stored(("", reply(502, HTML, PAGE))),
        # Storage refuses
        "the access key is wrong": refused(403, "InvalidAccessKeyId"),
        "the secret key is wrong": refused(403, "SignatureDoesNotMatch"),
        "the temporary credentials have expired": temporary("ExpiredToken"),
        "the session token is wrong": temporary("InvalidToken"),
        "the clock is 20 minutes off": stored(("", SKEWED)),
        "the region is wrong": refused(400, "AuthorizationHeaderMalformed", "<Region>fra1</Region>"),
        "the bucket is in another region (301)": refused(301, "PermanentRedirect", "", ELSEWHERE),
        "the bucket is new, and still moving (307)": refused(307, "TemporaryRedirect"),
        "there is no such bucket": refused(404, "NoSuchBucket"),
        "the endpoint's host name has the bucket in it": stored(("list-type=2", NO_KEY)),
        "the key may do nothing": stored(("", DENIED)),
        "the key may list, and not read": stored(("list-type=2", listing(KEY)), ("", DENIED)),
        "an encrypted bucket's key is disabled": stored((OBJECT, s3_error(400, "KMS.DisabledException"))),
        "the store is too busy (`SlowDown`)": refused(503, "SlowDown"),
        "the store fails": refused(500, "InternalError"),
        "a proxy in front of the store drops `Range`": stored((OBJECT, reply(200, {}, AUDIO))),
        "the bucket is the wrong one, and empty": stored(("list-type=2", listing())),
        # The fleet
        "the fleet's secret is wrong": hosted(secret="another"),
        "the fleet's secret is wrong for two hosts": lambda s: Case(
            {"cxbcore_fleet": [s.host(), s.host()], "cxbcore_secret": "another"}
        ),
        "the fleet's secret is not configured": lambda s: Case({"cxbcore_fleet": [s.host()]}),
        "a fleet host is not running": hosted(fault="refuses"),
        "a fleet host speaks https, its URL says http": lambda s: Case({"cxbcore_fleet": [behind_nginx(s)]}),
        "a fleet host redirects": hosted(fault="302"),
        "a fleet host fails": hosted(fault="500"),
        "a fleet host's URL leads to a web page": hosted(fault="page"),
        "a fleet host has no https, and it is required": https_required,
        "a fleet host's secret can be read on the way": lambda s: Case(s.healthy()),
        # The repository
        "the call repository raises": lambda s: Case(s.healthy(), calls=Raising()),
        "the call repository finds a call for any token": lambda s: Case(s.healthy(), calls=AnyCall()),
        "MongoDB is away": mongo_away,
        "MongoDB has no index": unindexed,
        # The login of the admin route
        "no JWT key is configured": configured(JWT_SECRET_KEY=None),
        "the JWT key is short": configured(JWT_SECRET_KEY="short"),
        "no public key for `RS256`": configured(JWT_ALGORITHM="RS256"),
        "the public key is none": configured(JWT_ALGORITHM="RS256", JWT_PUBLIC_KEY="a public key"),
        # Playback URLs
        "the key of playback URLs is short": rekeyed(SECRET_KEY="short"),
        "an old key of playback URLs is short": rekeyed(SECRET_KEY_FALLBACKS=["k" * 32, "dev"]),
    },
    "doctor --jwt -": {
        "the access token has expired": judged(lambda: token_of(exp=1)),
        "the access token is signed by another key": judged(lambda: token_of(key="k" * 64)),
        "the access token has another algorithm": judged(lambda: token_of(algorithm="HS512", key="k" * 64)),
        "the access token has no admin claim": judged(lambda: token_of(role="agent")),
        "it is a refresh token": judged(lambda: token_of(type="refresh")),
        "it is no access token": judged(lambda: "not.a.token"),
    },
    "doctor --url … --token -": {
        "offload, and no nginx in front": without_nginx,
        "offload, and nginx without the location": proxied(sending(404), offload="/_protected/"),
        "the proxy drops `Range`": proxied(asks=drops_range),
        "the proxy compresses": proxied(adding(Content_Encoding="gzip")),
        "the proxy caches": proxied(adding(X_Cache="HIT from edge-1")),
        "the proxy caches, and is asked for the first time": proxied(filling_a_cache()),
        "the proxy limits the rate": proxied(sending(429)),
        "the proxy strips headers": proxied(without("Referrer-Policy", "ETag")),
        "the proxy does not reach the application": proxied(sending(502)),
        "the proxy leads to another application": proxied(sending(404)),
        "a login is in front of the public route": proxied(sending(401)),
        "links have http where the proxy wants https": proxied(sending(301, HTTPS_LINK)),
        "links that the application makes begin with http": proxied(is_secure=True),
        "the public address has a certificate that nobody trusts": untrusted,
        "nothing listens at the public address": nobody,
    },
    "trace --session-id …": {
        # One call
        "no call has the session id": traced(arguments=("--session-id", "s-2")),
        "the call's link has expired": closed("--session-id", "s-1", recording_access_expires_at=YESTERDAY),
        "the call's link is revoked": closed("--session-id", "s-1", recording_access_revoked=True),
        "the call has no key": without_key_in({"session_id": "s-1"}),
        "the call has a signed URL for a key": traced(recording_key=SIGNED),
        "the call's URL is signed, and was sent to a CRM": traced(recording_url=SIGNED),
        # One recording
        "the recording was never uploaded": traced(recording_key="2026/05/gone.wav"),
        "the key begins with a slash": traced(recording_key=f"/{KEY}"),
        "the key begins with the bucket": traced(recording_key=f"recordings/{KEY}"),
        "the key has other upper and lower case": traced(recording_key="2026/05/S 1.wav"),
        "the key has `+` for a space": traced(recording_key=KEY.replace(" ", "+")),
        "the key has `%20` for a space": traced(recording_key=quote(KEY)),
        "the recording is archived": traced((OBJECT, ARCHIVED)),
        "the key may read the head only": traced((OBJECT, DENIED)),
        "the key may not read the recording": traced((KEY, DENIED)),
        "the temporary credentials expired since": traced(("", s3_error(400, "ExpiredToken"))),
        "the console's port, by a trace": traced(("", reply(404, HTML, PAGE))),
        "a web page was uploaded as the recording": traced((OBJECT, UPLOADED_PAGE)),
        "an empty object was uploaded": traced(
            (OBJECT, s3_error(416, "InvalidRange", "", {"Content-Range": "bytes */0"})),
            (f"HEAD /recordings/{KEY}", reply(200, {"Content-Type": "audio/wav"})),
        ),
    },
    "trace --token …": {
        "the link was clipped": traced(arguments=("--token", f"{TOKEN[:9]}…")),
        "the link is no link of this application": traced(arguments=("--token", SIGNED)),
        "the link's token is unknown": traced(arguments=("--token", "x" * 43)),
        "the link has expired": closed(
            "--token",
            f"https://calls.example/api/v1/public/recordings/{TOKEN}/a.wav",
            recording_access_expires_at=YESTERDAY,
        ),
    },
}

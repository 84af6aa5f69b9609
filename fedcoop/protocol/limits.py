"""Every limit that fedcoop enforces: its name, its unit, its reason. No other module holds such a number.

Values are those of the security design, §3.2. Sizes are bytes unless said otherwise, times are `timedelta`.
What is over a limit is refused before any work is done on it; no example of the vocabulary comes near one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# -- what arrives --------------------------------------------------------------------------------------------

MAX_BODY: Final = 1 * MIB
"""Bytes of a request's body. Mastodon's limit; a mission with every property is about 6 KiB."""

MAX_DEPTH: Final = 32
"""Objects and arrays inside each other. An Accept with a credential inside an engagement has 9."""

MAX_KEYS: Final = 512
"""Members of one JSON object. The largest class of the vocabulary has about 60."""

MAX_ITEMS: Final = 5000
"""Items of one JSON array: a page of a collection, or the recipients of a large co-op, with room."""

MAX_STRING: Final = 256 * KIB
"""Characters of one JSON string: four times the longest article that anybody publishes as a Note."""

MAX_NUMBER_LITERAL: Final = 64
"""Characters of one JSON number; the longest that a double prints as has 25."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Integers beyond it are read differently by different parsers (RFC 7493 §2.2), and RFC 8785 has none."""

MAX_URL: Final = 2048
"""Characters of an id or any other URL: the limit that all browsers and proxies share."""

MAX_HOST: Final = 253
"""Characters of a host name (RFC 1035 §2.3.4)."""

MAX_RECIPIENTS: Final = 500
"""Distinct addressees of one activity; more would make us an amplifier."""

MAX_HEADER_LINE: Final = 8190
"""Bytes of one header line (the HTTP server's own default)."""

MAX_HEADERS: Final = 32 * KIB
"""Bytes of all headers together."""

MAX_HEADER_COUNT: Final = 100
"""Header lines of one request."""

HEADER_READ_TIME: Final = timedelta(seconds=10)
"""A client that needs longer for its headers is holding a connection, not sending a message."""

BODY_READ_TIME: Final = timedelta(seconds=30)
"""Longest time for a whole body; Mastodon's read deadline."""

KEEP_ALIVE: Final = timedelta(seconds=75)
"""Idle time of a kept connection."""

# -- what people write ---------------------------------------------------------------------------------------

MAX_CONTENT: Final = 100_000
"""Characters of `content`; longer is cut when shown, never when stored."""

MAX_NAME: Final = 500
"""Characters of `name` and of `summary` as shown."""

MAX_BIO: Final = 20_000
"""Characters of an actor's `summary` as shown."""

MAX_ALIASES: Final = 32
"""Entries of `alsoKnownAs` that are looked at."""

MAX_ATTACHMENTS: Final = 16
"""Attachments of one object that are looked at."""

# -- signatures and keys -------------------------------------------------------------------------------------

SIGNATURE_MAX_AGE: Final = timedelta(hours=1)
"""How old a signed time may be, in both dialects: "an hour plus a few minutes" (SWICG); a slow queue is no forgery."""

SIGNATURE_MAX_AHEAD: Final = timedelta(minutes=5)
"""How far ahead of our clock a signed time may be: a badly set clock, not a captured message for tomorrow."""

SIGNATURE_WINDOW: Final = (SIGNATURE_MAX_AGE, SIGNATURE_MAX_AHEAD)
"""The default of the setting; wider only by the operator's choice."""

SIGNATURE_MAX_AGE_COMPAT: Final = timedelta(hours=12)
"""The widest age that an operator may choose: Mastodon's."""

MAX_SIGNATURE_HEADER: Final = 4 * KIB
"""Characters of a `Signature` or `Signature-Input` header: a key id of 2048, an RSA-4096 signature of 684, a list of
headers."""

MAX_NONCE: Final = 256
"""Characters of a nonce or a tag that a peer's `Accept-Signature` makes us sign: ours to give, not theirs to fill."""

MIN_RSA_BITS: Final = 2048
"""Smallest RSA modulus ("2048 or larger", SWICG)."""

MAX_RSA_BITS: Final = 4096
"""Largest RSA modulus: the cost of a verification grows with its square, and the sender chooses it."""

RSA_EXPONENT: Final = 65537
"""The only public exponent: small ones have a history of forgeries, large ones cost us the time."""

MAX_KEYS_PER_ACTOR: Final = 10
"""Keys read from one actor; Mastodon's limit (AP-13)."""

MAX_PEM: Final = 4 * KIB
"""Characters of a PEM public key: RSA-4096 has 800."""

MAX_MULTIBASE: Final = 1024
"""Characters of a base58 value: decoding is quadratic, 20 000 characters take 0.2 s. RSA-4096 has 730."""

KEY_FRESH: Final = timedelta(hours=24)
"""A cached key document is used without asking again."""

KEY_STALE: Final = timedelta(days=7)
"""A cached key document is not used at all any more."""

PROOF_OVERLAP: Final = timedelta(days=30)
"""How long a proof by a key that was replaced may still arrive: a delivery is tried for eight days, an erasure for
thirty, and what is owed was signed when it was said. Requests are signed when they are sent, so their overlap is
shorter."""

KEY_REFETCH_EVERY: Final = timedelta(minutes=5)
"""A key is fetched again after a failed verification at most this often: bad signatures must not be a way to
make us send requests."""

KEY_NEGATIVE_FIRST: Final = timedelta(minutes=5)
"""How long "there is no such key" is remembered the first time; it doubles up to `KEY_NEGATIVE_MAX`."""

KEY_UNREACHABLE_FIRST: Final = timedelta(seconds=5)
"""The same when its server gave no answer: a restart takes seconds, and who has just posted is seldom gone for long."""

KEY_NEGATIVE_MAX: Final = timedelta(hours=1)
"""Longest memory of a missing key: an actor made five minutes ago must not be refused for a day."""

MAX_KEY_FETCHES_PER_REQUEST: Final = 2
"""One fetch and one refetch: a request must not make us crawl."""

MAX_KEY_FETCHES_PER_MINUTE: Final = 60
"""Key fetches from one host per minute."""

REPLAY_MEMORY: Final = timedelta(days=400)
"""Activity ids are remembered at least this long, and as long as their object (D15): a replay, in either dialect or
from one to the other, is the same activity again and has no second effect, so that no nonce needs to be kept."""

KNOCK_MEMORY: Final = timedelta(days=7)
"""How long it is remembered in which dialect a server took a request (SIG-17): then it may have learnt another."""

KNOCK_RENEWED: Final = timedelta(days=1)
"""How often such a memory of RFC 9421 is renewed by further successes; not each time, which would be a write for each
delivery."""

MAX_KNOCKS_REMEMBERED: Final = 10_000
"""Servers whose dialect is kept in memory beside the store."""

# -- what we fetch -------------------------------------------------------------------------------------------

FETCH_DNS_TIME: Final = timedelta(seconds=5)
"""Longest name lookup."""

FETCH_CONNECT_TIME: Final = timedelta(seconds=5)
"""Longest TCP connect, and again for TLS."""

FETCH_IDLE_TIME: Final = timedelta(seconds=10)
"""Longest wait for the next bytes."""

FETCH_TOTAL_TIME: Final = timedelta(seconds=30)
"""Longest fetch altogether, redirects included: slow drips end here."""

KEY_FETCH_TOTAL_TIME: Final = timedelta(seconds=10)
"""Longest fetch of a key: a sender is waiting for our answer."""

MAX_FETCH_BODY: Final = 1 * MIB
"""Bytes of a fetched document, counted while reading."""

MAX_REDIRECTS: Final = 3
"""Redirects of one GET, each checked like the first; POST follows none."""

MAX_FETCHES_PER_INBOUND: Final = 10
"""Fetches that one received request may cause in all."""

MAX_FETCH_DEPTH: Final = 3
"""Documents that led to one another."""

MAX_COLLECTION_PAGES: Final = 5
"""Pages read of a foreign collection."""

MAX_COLLECTION_ITEMS: Final = 100
"""Items read of a foreign collection."""

MAX_FETCHES_PER_HOST: Final = 4
"""Fetches from one host at the same time: what a stranger names must not become a flood on somebody else."""

MAX_FETCHES_AT_ONCE: Final = 64
"""Fetches under way in all."""

MAX_CACHED_KEYS: Final = 10_000
"""Key documents, and failures to get one, kept in memory: at 3 KiB each a busy instance's month, 30 MiB."""

# -- what we deliver -----------------------------------------------------------------------------------------

DELIVERY_STEPS: Final = (
    timedelta(seconds=6),
    timedelta(seconds=60),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""Waits between tries; the last one repeats. Short ones for a restart, long ones for a holiday."""

DELIVERY_JITTER: Final = 0.3
"""Share by which a wait is longer or shorter: a peer that comes back must not be met by everybody at once."""

DELIVERY_MAX_TRIES: Final = 14
"""Tries before a delivery is given up."""

DELIVERY_HORIZON: Final = timedelta(days=8)
"""Time after the first try when a delivery is given up: longer than any week-end, Easter included."""

ERASURE_HORIZON: Final = timedelta(days=30)
"""The same for Delete and Undo: a promise to erase outlives a broken server for a month (GDPR art. 12(3))."""

RETRY_AFTER_MAX: Final = timedelta(hours=24)
"""Longest `Retry-After` of a peer that we obey."""

RETRY_AFTER_FLOOR: Final = timedelta(hours=1)
"""Shortest wait after more than `DELIVERY_MAX_TRIES` tries that a peer itself asked for by `Retry-After`."""

DELIVERY_KEPT: Final = timedelta(days=90)
"""How long it can be seen what became of a delivery: a quarter, in which accounts between co-ops are settled."""

MAX_OWED_PER_DESTINATION: Final = 10_000
"""Deliveries that wait for one inbox; of more the oldest are given up, a Delete or Undo never."""

CIRCUIT_FAILURES: Final = 5
"""Deliveries in a row without an answer after which a server is left alone."""

CIRCUIT_OPEN_FIRST: Final = timedelta(minutes=5)
"""How long the first time; it doubles up to `CIRCUIT_OPEN_MAX`."""

CIRCUIT_OPEN_MAX: Final = timedelta(hours=6)
"""Longest time for which a server is left alone in its first week of silence: four questions a day."""

CIRCUIT_UNAVAILABLE_AFTER: Final = timedelta(days=7)
"""A server that has not answered for a week is called unavailable, and asked once in `CIRCUIT_UNAVAILABLE_OPEN`."""

CIRCUIT_UNAVAILABLE_OPEN: Final = timedelta(hours=24)
"""Time between two questions to a server that is unavailable."""

CIRCUIT_KEPT: Final = timedelta(days=90)
"""What we remember of a server's silence, and when it was last heard, is forgotten after this (CVE-2026-69132)."""

MAX_RECONCILED_PAGE: Final = 200
"""Chains that are compared in one question to a peer: 60 KiB of answer."""

MAX_RECONCILED_PAGES: Final = 50
"""Pages of one comparison: ten thousand chains with one peer."""

MAX_CHAIN_STEPS_SENT: Final = 50
"""Activities of one chain in one answer, or owed to a peer at once; the longest lifecycle has about 20."""

MAX_RECONCILED_BYTES: Final = 512 * KIB
"""Activities in one answer: escaped as text they stay within `MAX_FETCH_BODY`."""

RECONCILE_TIME: Final = timedelta(minutes=2)
"""Longest time in which one command takes in what we lack; what is left is for the next."""

HEARD_EVERY: Final = timedelta(minutes=1)
"""When a server was last heard is written down at most this often: a busy one must not cost a write a message."""

DELIVERY_LEASE: Final = timedelta(seconds=120)
"""A worker that has not settled its lane by then is taken for dead."""

DELIVERY_TIME: Final = timedelta(seconds=30)
"""Longest delivery of one activity to one inbox."""

MAX_DELIVERIES_AT_ONCE: Final = 16
"""Deliveries under way at the same time on SQLite; each destination has one lane of its own."""

MAX_POSTS_PER_DESTINATION: Final = 4
"""Deliveries to one server at the same time: its inboxes have a lane each, and it is one machine."""

MAX_POSTS_AT_ONCE: Final = 64
"""Deliveries under way in all, whatever the store; a wall on sockets and memory."""

MAX_ANSWER: Final = 64 * KIB
"""Bytes read of a peer's answer to a delivery: a problem document has 1 KiB."""

OUTBOUND_KEEP_ALIVE: Final = timedelta(seconds=15)
"""How long we keep an idle connection to a peer; well under the 75 s after which peers close theirs."""

MAX_PASSED_ON_DEPTH: Final = 3
"""Answers between what a peer says and something of ours, for it to be passed on to our followers: a short thread."""

MAX_PASSED_ON_LOOKS: Final = 20
"""Objects looked at to find whether a message is about something of ours; a message can name thousands."""

PASSED_ON_RATE: Final = (60, timedelta(hours=1))
"""Messages of one peer that we pass on to our followers: each becomes as many as there are servers among them."""

MAX_SYNCHRONISED: Final = 2000
"""Followers of one actor at one server that are compared (FEP-8fcf); more are not announced and not read."""

SYNCHRONISED_EVERY: Final = timedelta(hours=1)
"""The followers of one actor are asked for at most this often, however often its server says that they differ."""

MAX_SYNCHRONISATIONS_OF_PEER: Final = 10
"""Actors of one server whose followers are asked for in that time."""

MAX_SYNCHRONISATIONS_WAITING: Final = 1000
"""Actors whose followers wait to be asked for; what is not noted is said again."""

MAX_SYNCHRONISATIONS_AT_ONCE: Final = 5
"""Collections of followers asked for in one round of the upkeep."""

MAX_UNDONE: Final = 10
"""Follows that one comparison takes back at the other side: its list is a stranger's, and each is a message of ours."""

MAX_INBOUND_PER_PEER: Final = 8
"""Open requests of one peer; more are answered 503 so that one peer costs only itself."""

MAX_CANDIDATES: Final = 500
"""Offers that wait for an answer to one proposal: what closes it answers them all in one transaction, 5 ms each."""

MAX_INBOUND_BACKLOG: Final = 5000
"""Received activities that wait for the store; beyond it 503 before the body is read."""

INBOX_RATE_PER_PEER: Final = (300, timedelta(minutes=5))
"""Requests of one peer, counted once its signature is good; the default of `peer_messages_per_5_minutes`."""

INBOX_RATE_PER_ADDRESS: Final = (120, timedelta(minutes=1))
"""Requests of one address (IPv6: its /64) whose signature is not good; the default of `unverified_per_minute`."""

STRANGER_EVERY: Final = timedelta(hours=1)
"""A co-op that nobody decided about and that knocks is written down at most this often."""

STRANGERS_PER_MINUTE: Final = 10
"""New ones written down in a minute: to make names up costs a sender nothing, and us a row each."""

MAX_STRANGERS: Final = 200
"""Co-ops kept that knocked and were not decided about; those that knocked longest ago make room."""

MAX_PROPOSALS: Final = 20
"""Federation agreements of co-ops that nobody decided about, waiting for our operator; one of each server."""

MAX_PROPOSAL: Final = 32 * KIB
"""Bytes of a proposal of a co-op that nobody decided about: what an agreement says fits in a tenth of it."""

MAX_PROPOSALS_OF_SERVER: Final = 3
"""Agreements that such a server proposes in thirty days, be they taken back or refused: each is kept for ever."""

MAX_PROPOSALS_LATELY: Final = 200
"""And all such servers together: what is kept of them grows by six megabytes in thirty days at most."""

PROPOSAL_EVERY: Final = timedelta(minutes=5)
"""A server that nobody decided about has a proposal of it verified at most this often: that costs us a fetch."""

LOOKS_PER_MINUTE: Final = 150
"""Keys fetched in a minute for what servers propose that nobody decided about: more than one address alone is let
to ask for (`INBOX_RATE_PER_ADDRESS`), so that it does not keep all others out."""

PROPOSAL_LIFE: Final = timedelta(days=30)
"""A federation agreement that nobody has answered by then is proposed no more."""

MAX_LIST_ENTRIES: Final = 1000
"""Servers on one shared allow-list: an operator reviews each of them."""

MAX_LISTS: Final = 20
"""Shared allow-lists that one instance follows."""

LIST_EVERY_LEAST: Final = timedelta(hours=1)
"""A list changes when somebody decides: asking more often costs its keeper for nothing."""

MAX_NOTICE: Final = timedelta(days=366)
"""Longest notice after which a federation agreement ends: one could not be ended otherwise."""

MAX_RELAY_REPORTS: Final = 100
"""False messages kept of each relay, the newest: enough to show its operator, and no way to fill our disk."""

MAX_SUBSCRIBERS: Final = 2000
"""Servers that subscribe to a relay of ours or ask to: twice the federations that we know of."""

SUBSCRIBED_EVERY: Final = timedelta(minutes=5)
"""A server's Follow of a relay of ours is answered at most this often, be it taken back meanwhile."""

MAX_SUBSCRIPTION: Final = 16 * KIB
"""Bytes of a Follow or Undo at a relay, whose sender nobody may have decided about."""

ERRAND_EVERY: Final = timedelta(minutes=10)
"""A chain of which a relay brought a part is read at its own server at most this often."""

ERRAND_TIME: Final = timedelta(seconds=30)
"""For one of these readings, with the keys of those who speak in it."""

MAX_ERRANDS_TO_SERVER: Final = 60
"""Chains read at one server for relays within ten minutes."""

MAX_ERRANDS_WAITING: Final = 1000
"""Chains that wait to be read for relays; what is more is brought again by its next step."""

MAX_ERRANDS_AT_ONCE: Final = 16
"""Of them read in one round of the upkeep."""

READ_RATE_PER_ADDRESS: Final = (300, timedelta(minutes=5))
"""Reads of one address without a token; Mastodon's figure."""

SIGN_IN_RATE_PER_ADDRESS: Final = (25, timedelta(minutes=5))
"""Tokens tried by one address: guessing 256 bits is hopeless, being asked to check guesses is a burden."""

SIGN_IN_RATE_PER_ACCOUNT: Final = (10, timedelta(hours=1))
"""Sign-ins with a password tried for one name, whether or not there is such an account (security.md §3.2)."""

MIN_PASSWORD: Final = 12
"""Characters of a password (security.md §3.2)."""

MAX_PASSWORD: Final = 256
"""Characters of a password: longer than any sentence that anybody types, and hashing more is work for strangers."""

PASSWORD_MEMORY: Final = 32 * MIB
"""Memory for one argon2id: above the 19 MiB of OWASP (security.md §3.2), and little beside what a server has."""

PASSWORD_PASSES: Final = 3
"""Passes of argon2id: about a tenth of a second of one core, for us once at a sign-in, for a thief at each guess."""

MAX_PASSWORDS_WAITING: Final = 16
"""Passwords that wait to be hashed, one after another; who comes then is asked to come again."""

INVITATION_LIFE: Final = timedelta(days=3)
"""How long the link lasts with which a member sets the first password: a week-end, not a forgotten letter."""

RESET_LIFE: Final = timedelta(minutes=30)
"""How long the link lasts with which a forgotten password is set anew (security.md §3.2)."""

TOKEN_LIFE: Final = timedelta(days=90)
"""How long a token lasts when nobody says otherwise: as long as a sign-in at most (security.md §3.2)."""

SESSION_LIFE: Final = timedelta(days=90)
"""How long a sign-in in a browser lasts at most (security.md §3.2)."""

SESSION_IDLE: Final = timedelta(days=14)
"""How long it lasts unused; to the hour, as uses are written down (security.md §3.2)."""

MAX_SESSIONS: Final = 20
"""Sign-ins of one actor at once: more browsers than anybody has; the oldest makes room."""

MAX_TOKEN_LIFE: Final = timedelta(days=365)
"""Longest life of a token that is asked for: a program that nobody has looked at for a year is not in use."""

TOKEN_USE_EVERY: Final = timedelta(hours=1)
"""The last use of a token is written down to this: a write for every read would cost more than the read."""

MAX_TOKENS: Final = 100
"""Tokens of one actor in force; more than anybody can oversee."""

MAX_TOKEN_NAME: Final = 100
"""Characters of the name by which its owner knows a token again."""

CODE_LIFE: Final = timedelta(seconds=60)
"""How long a program has to fetch its token with an authorization code (security.md §3.2; RFC 6749 §4.1.2)."""

PROGRAM_TOKEN_LIFE: Final = timedelta(hours=1)
"""How long a program's access token lasts before it is renewed: what leaks is of little use (security.md §3.2)."""

GRANT_LIFE: Final = timedelta(days=90)
"""How long a program may stay away before the member is asked again (security.md §3.2); each renewal begins it anew."""

MAX_GRANT_LIFE: Final = timedelta(days=365)
"""After this the member is asked again however busy the program was: as the longest life of a token."""

MAX_GRANTS: Final = 50
"""Programs that one actor allows at once; more than anybody can oversee."""

MAX_CLIENT_DOCUMENT: Final = 16 * KIB
"""Bytes of the document that says who a program is; three times what its draft says is plenty."""

MAX_CLIENT_FETCHES_PER_HOST: Final = 2
"""Documents of programs fetched from one host at the same time."""

MAX_CLIENT_FETCHES_AT_ONCE: Final = 8
"""Documents of programs being fetched in all, apart from `MAX_FETCHES_AT_ONCE`: slow ones hold up no federation."""

CONSENT_RATE_PER_MEMBER: Final = (30, timedelta(minutes=5))
"""Times that one member opens or answers the page that asks for leave: each is a fetch where somebody else says."""

MAX_REDIRECT_URIS: Final = 16
"""Addresses that a program may declare to return to: one for each of its doors."""

MAX_CLIENT_NAME: Final = 80
"""Characters of a program's name on the page that asks for leave: a longer one is a sentence of its own."""

MAX_STATE: Final = 1024
"""Characters that a program may have given back to it: with the rest of the address, two lines of a header."""

OAUTH_RATE_PER_ADDRESS: Final = (60, timedelta(minutes=1))
"""Requests to the token and revocation endpoints by one address (security.md §3.2, there by client: but a public
client's name proves nothing, and would let anybody use up its share)."""

MAX_FLAGGED: Final = 50
"""Ids that one report may name: an actor and what it is about."""

MAX_REPORT_TEXT: Final = 5000
"""Characters of a report that are kept, as Mastodon keeps; the rest is cut off (wire.md MOD-1)."""

MAX_OPEN_REPORTS: Final = 1000
"""Open reports of one server: a peer that reports everything fills no table; the next one waits for the operator."""

MAX_RATE_KEYS: Final = 10_000
"""Addresses and peers whose rate is remembered; the longest unseen are forgotten first (CVE-2026-69132)."""

MAX_BODIES_AT_ONCE: Final = 64 * MIB
"""Bytes of request bodies in memory; beyond it 503."""

MIN_BODY_RATE: Final = 1 * KIB
"""Bytes per second that a body must come at, once `BODY_GRACE` is over."""

BODY_GRACE: Final = timedelta(seconds=5)
"""How long a body may come as slowly as it likes."""

BUSY_RETRY_AFTER: Final = timedelta(seconds=5)
"""When to come back after a 503 for want of room: the backlog drains in seconds."""

MAX_CLIENT_KEY: Final = 255
"""Characters of an `Idempotency-Key`."""

STOP_TIME: Final = timedelta(seconds=30)
"""Longest graceful stop."""

# -- what we show --------------------------------------------------------------------------------------------

PAGE_ITEMS: Final = 50
"""Items of one page of our own collections and of the board."""

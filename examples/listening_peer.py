"""A peer that serves an actor, follows a co-op, checks who speaks, and prints what arrives.

    python examples/listening_peer.py http://127.0.0.1:8103 http://127.0.0.1:8101/actors/coop

Before: `fedcoop peer allow DIR http://127.0.0.1:8103`, and that origin in the `allow_origins` of DIR (on one machine).
It imports nothing of fedcoop, stores nothing and checks no proofs: it listens.
"""

import asyncio
import base64
import hashlib
import json
import re
import sys
import uuid
from email.utils import formatdate
from urllib.parse import urlsplit

from aiohttp import ClientSession, web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

BASE, COOP = sys.argv[1:]
ME, AS2 = f"{BASE}/actor", "application/activity+json"
HOW = padding.PKCS1v15(), hashes.SHA256()
COVERED = ["(request-target)", "host", "date", "digest", "content-type"]
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
spki = serialization.PublicFormat.SubjectPublicKeyInfo
pem = key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()
context = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"]
public_key = {"id": f"{ME}#main-key", "owner": ME, "publicKeyPem": pem}
actor = {"@context": context, "id": ME, "type": "Service", "inbox": f"{BASE}/inbox", "publicKey": public_key}


def digest(body):
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()


def signing_string(path, headers, covered):
    values = {"(request-target)": f"post {path}", **{name.lower(): text for name, text in headers.items()}}
    return "\n".join(f"{name}: {values[name]}" for name in covered).encode()


async def follow():
    said = {
        "@context": context[0],
        "id": f"{BASE}/{uuid.uuid4()}",
        "type": "Follow",
        "actor": ME,
        "object": COOP,
    }
    async with ClientSession() as session, session.get(COOP, headers={"Accept": AS2}) as answer:
        inbox, body = (await answer.json(content_type=None))["inbox"], json.dumps(said).encode()
        headers = {"Host": urlsplit(inbox).netloc, "Date": formatdate(usegmt=True), "Content-Type": AS2}
        headers["Digest"] = digest(body)
        value = base64.b64encode(
            key.sign(signing_string(urlsplit(inbox).path, headers, COVERED), *HOW)
        ).decode()
        fields = {"keyId": public_key["id"], "algorithm": "rsa-sha256", "headers": " ".join(COVERED)}
        headers["Signature"] = ",".join(f'{n}="{v}"' for n, v in {**fields, "signature": value}.items())
        async with session.post(inbox, data=body, headers=headers) as taken:
            print("asked to follow:", taken.status, (await taken.text())[:300], flush=True)


async def show_actor(request):
    return web.json_response(actor, content_type=AS2)


async def take_in(request):
    body, found = (
        await request.read(),
        dict(re.findall(r'(\w+)="([^"]*)"', request.headers.get("Signature", ""))),
    )
    activity, covered = json.loads(body), found.get("headers", "").split()
    async with ClientSession() as session, session.get(activity["actor"], headers={"Accept": AS2}) as answer:
        theirs = (await answer.json(content_type=None))["publicKey"]
    try:
        # The digest is of this body, enough is signed, and by the key that this actor lists.
        ours = request.headers["Digest"] == digest(body) and {*COVERED[:4]} <= {*covered}
        if not ours or found["keyId"] != theirs["id"]:
            raise InvalidSignature
        their_key = serialization.load_pem_public_key(theirs["publicKeyPem"].encode())
        signed = signing_string(request.raw_path, request.headers, covered)
        their_key.verify(base64.b64decode(found["signature"]), signed, *HOW)
    except (KeyError, InvalidSignature):
        return web.json_response({"title": "Not signed by its actor over this body"}, status=401)
    said = activity.get("object")
    name = said.get("name", said.get("type")) if isinstance(said, dict) else said
    print(activity["type"], "from", activity["actor"] + ":", name, flush=True)
    return web.json_response({}, status=202)


async def main():
    app = web.Application()
    app.add_routes([web.get("/actor", show_actor), web.post("/inbox", take_in)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", urlsplit(BASE).port).start()
    await follow()
    await asyncio.Event().wait()


asyncio.run(main())

// A foreign peer for the tests: one actor of Fedify's, in a process of its own, told what to do over its standard input.
//
//   node peer.mjs PORT rfc9421|draft-cavage-http-signatures-12
//
// It prints one line of JSON when it answers, and then one line for each line that it is given:
//
//   {"do": "follow", "actor": ID}            asks to follow; {"follow": ID of the activity}
//   {"do": "unfollow", "actor": ID}          takes it back
//   {"do": "note", "to": ID, "text": TEXT}   sends a Create(Note), with a proof
//   {"do": "read", "id": IRI}                fetches an object, signed by its actor, and says how Fedify reads it
//   {"do": "seen"}                           what its inbox has taken in, and who follows it
//
// What Fedify itself does is left to Fedify: signatures both ways, the second knock, proofs, reading, key look-up.
// Every request that is made to it is kept with the dialect in which it was signed, before Fedify sees it.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createFederation, generateCryptoKeyPair, MemoryKvStore, verifyObject } from "@fedify/fedify";
import { Accept, Activity, Create, Endpoints, Follow, Note, Object as ASObject, Person, Undo } from "@fedify/vocab";

const [port, firstKnock] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;
const NAME = "zoe";

const seen = { requests: [], activities: [], followers: [], accepted: [] };
const federation = createFederation({
  kv: new MemoryKvStore(),
  origin: base,
  firstKnock,
  // The other servers of the tests are on this machine too.
  allowPrivateAddress: true,
});

// -- the actor ------------------------------------------------------------------------------------------------------

const pairs = [await generateCryptoKeyPair("RSASSA-PKCS1-v1_5"), await generateCryptoKeyPair("Ed25519")];

federation
  .setActorDispatcher("/users/{identifier}", async (context, identifier) => {
    if (identifier !== NAME) return null;
    const keys = await context.getActorKeyPairs(identifier);
    return new Person({
      id: context.getActorUri(identifier),
      preferredUsername: identifier,
      name: "Zoé, d’ailleurs",
      inbox: context.getInboxUri(identifier),
      outbox: context.getOutboxUri(identifier),
      followers: context.getFollowersUri(identifier),
      endpoints: new Endpoints({ sharedInbox: context.getInboxUri() }),
      publicKey: keys[0].cryptographicKey,
      assertionMethods: keys.map((pair) => pair.multikey),
    });
  })
  .setKeyPairsDispatcher((_, identifier) => (identifier === NAME ? pairs : []));
federation.setOutboxDispatcher("/users/{identifier}/outbox", () => ({ items: [] }));
federation.setFollowersDispatcher("/users/{identifier}/followers", () => ({
  items: seen.followers.map((id) => ({ id: new URL(id), inboxId: null })),
}));

// -- what arrives ---------------------------------------------------------------------------------------------------

const href = (url) => url?.href ?? null;

async function keep(context, activity) {
  const object = activity.objectId?.href.startsWith(base) ? null : await activity.getObject(context);
  seen.activities.push({
    id: href(activity.id),
    type: activity.constructor.name,
    actor: href(activity.actorId),
    object: href(activity.objectId) ?? href(object?.id),
    objectType: object?.constructor.name ?? null,
    name: object?.name?.toString() ?? null,
    content: object?.content?.toString() ?? null,
    attributedTo: href(object?.attributionId),
  });
}

federation
  .setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .setSharedKeyDispatcher(() => ({ identifier: NAME }))
  .on(Follow, async (context, follow) => {
    await keep(context, follow);
    const follower = await follow.getActor(context);
    seen.followers.push(follower.id.href);
    const accept = new Accept({
      id: new URL(`#accept/${seen.followers.length}`, context.getActorUri(NAME)),
      actor: context.getActorUri(NAME),
      object: follow,
    });
    await context.sendActivity({ identifier: NAME }, follower, accept);
  })
  .on(Accept, async (context, accept) => {
    await keep(context, accept);
    seen.accepted.push(href(accept.objectId));
  })
  .on(Activity, keep)
  .onError((_, error) => console.error(error));

// -- what it is told to do ------------------------------------------------------------------------------------------

const url = (path) => new URL(path, base);
const follows = new Map();
let count = 0;

const deeds = {
  async follow(context, { actor }) {
    const follow = new Follow({
      id: url(`/follows/${++count}`),
      actor: context.getActorUri(NAME),
      object: new URL(actor),
      to: new URL(actor),
    });
    follows.set(actor, follow);
    await context.sendActivity({ identifier: NAME }, await context.lookupObject(actor), follow);
    return { follow: follow.id.href };
  },
  async unfollow(context, { actor }) {
    const follow = follows.get(actor);
    const undo = new Undo({ id: url(`/undos/${++count}`), actor: follow.actorId, object: follow });
    await context.sendActivity({ identifier: NAME }, await context.lookupObject(actor), undo);
    return { undo: undo.id.href };
  },
  async note(context, { to, text }) {
    const note = new Note({
      id: url(`/notes/${++count}`),
      attribution: context.getActorUri(NAME),
      content: text,
      to: new URL(to),
    });
    const create = new Create({
      id: url(`/creates/${count}`),
      actor: context.getActorUri(NAME),
      object: note,
      to: new URL(to),
    });
    await context.sendActivity({ identifier: NAME }, await context.lookupObject(to), create);
    return { create: create.id.href, note: note.id.href };
  },
  async read(context, { id }) {
    const documentLoader = await context.getDocumentLoader({ identifier: NAME });
    const object = await context.lookupObject(id, { documentLoader });
    const { document } = await documentLoader(id);
    const proved = await verifyObject(ASObject, document, context);
    return {
      type: object?.constructor.name ?? null,
      name: object?.name?.toString() ?? null,
      attributedTo: href(object?.attributionId),
      proved: proved !== null,
    };
  },
  async seen() {
    return seen;
  },
};

// -- the server -----------------------------------------------------------------------------------------------------

function dialect(headers) {
  if (headers["signature-input"]) return "rfc9421";
  return headers.signature ? "draft-cavage" : null;
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const headers = new Headers();
  for (let i = 0; i < request.rawHeaders.length; i += 2) headers.append(request.rawHeaders[i], request.rawHeaders[i + 1]);
  const asked = new Request(url(request.url), {
    method: request.method,
    headers,
    body: body.length > 0 ? body : undefined,
  });
  const context = federation.createContext(url("/"), undefined);
  // Asked before Fedify decides, and decides nothing: does the proof alone, without any HTTP signature, show who says so?
  const proved =
    request.method === "POST" ? (await verifyObject(Activity, JSON.parse(body), context).catch(() => null)) !== null : null;
  const answer = await federation.fetch(asked, { contextData: undefined });
  seen.requests.push({
    method: request.method,
    path: request.url,
    dialect: dialect(request.headers),
    status: answer.status,
    type: request.method === "POST" ? JSON.parse(body).type : null,
    proved,
  });
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
});

server.listen(Number(port), "127.0.0.1", () => {
  console.log(JSON.stringify({ base, actor: `${base}/users/${NAME}` }));
});

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let done;
  try {
    done = await deeds[asked.do](federation.createContext(url("/"), undefined), asked);
  } catch (error) {
    done = { error: String(error?.message ?? error) };
  }
  console.log(JSON.stringify(done));
}
// Whoever started it is gone.
process.exit(0);

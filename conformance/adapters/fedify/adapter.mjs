// The adapter for Fedify (`fedcoop-driver/1`): starts a small application of the ordinary kind on Fedify, and tells
// what it has stored. Signatures, proofs, JSON-LD, key look-up, queues and retries are Fedify's, with its defaults.
//
// The application: one person, whom anybody may follow; notes that arrive are kept, notes of one's own are sent.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createFederation, generateCryptoKeyPair, InProcessMessageQueue, MemoryKvStore } from "@fedify/fedify";
import { Accept, Activity, Create, Delete, Endpoints, Follow, Note, Person, Undo, Update } from "@fedify/vocab";

const NAME = "zoe";
const href = (url) => url?.href ?? null;

// -- the server: Node's, in front of Fedify ---------------------------------------------------------------------------

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const headers = new Headers();
  for (let i = 0; i < request.rawHeaders.length; i += 2) headers.append(request.rawHeaders[i], request.rawHeaders[i + 1]);
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  try {
    const asked = new Request(new URL(request.url, base), { method: request.method, headers, body });
    const answer = await federation.fetch(asked, { contextData: undefined });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const base = `http://127.0.0.1:${server.address().port}`;

const federation = createFederation({
  kv: new MemoryKvStore(),
  queue: new InProcessMessageQueue(),
  origin: base,
  // The suite's peers are on this machine; Fedify fetches from public addresses alone otherwise.
  allowPrivateAddress: true,
});
const context = federation.createContext(new URL(base), undefined);

// -- the person -------------------------------------------------------------------------------------------------------

const pairs = [await generateCryptoKeyPair("RSASSA-PKCS1-v1_5"), await generateCryptoKeyPair("Ed25519")];
const followers = new Map();
const kept = new Map();
const said = new Map();
let count = 0;

federation
  .setActorDispatcher("/users/{identifier}", async (context, identifier) => {
    if (identifier !== NAME) return null;
    const keys = await context.getActorKeyPairs(identifier);
    return new Person({
      id: context.getActorUri(identifier),
      preferredUsername: identifier,
      name: "Zoé",
      inbox: context.getInboxUri(identifier),
      outbox: context.getOutboxUri(identifier),
      followers: context.getFollowersUri(identifier),
      endpoints: new Endpoints({ sharedInbox: context.getInboxUri() }),
      publicKey: keys[0].cryptographicKey,
      assertionMethods: keys.map((pair) => pair.multikey),
    });
  })
  .setKeyPairsDispatcher((_, identifier) => (identifier === NAME ? pairs : []));
federation.setFollowersDispatcher("/users/{identifier}/followers", () => ({ items: [...followers.values()] }));
federation.setOutboxDispatcher("/users/{identifier}/outbox", () => ({ items: [...said.values()].reverse() }));
federation.setObjectDispatcher(Note, "/notes/{id}", async (_, { id }) => (await said.get(id)?.getObject()) ?? null);

// -- what arrives -----------------------------------------------------------------------------------------------------

async function keep(context, activity) {
  const object = await activity.getObject(context);
  // What is not its author's to say is not kept.
  if (object?.id && href(object.attributionId) === href(activity.actorId)) kept.set(object.id.href, object);
}

federation
  .setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .setSharedKeyDispatcher(() => ({ identifier: NAME }))
  .on(Follow, async (context, follow) => {
    const follower = await follow.getActor(context);
    if (!follower?.id || href(follow.objectId) !== context.getActorUri(NAME).href) return;
    followers.set(follower.id.href, follower);
    const me = context.getActorUri(NAME);
    const accept = new Accept({ id: new URL(`#accepts/${++count}`, me), actor: me, to: follower.id, object: follow });
    await context.sendActivity({ identifier: NAME }, follower, accept);
  })
  .on(Undo, async (context, undo) => {
    if ((await undo.getObject(context)) instanceof Follow) followers.delete(href(undo.actorId));
  })
  .on(Create, keep)
  .on(Update, keep)
  .on(Delete, (_, gone) => {
    if (href(kept.get(href(gone.objectId))?.attributionId) === href(gone.actorId)) kept.delete(href(gone.objectId));
  })
  .onError((_, error) => console.error(error));

// -- what the suite asks ----------------------------------------------------------------------------------------------

const ops = {
  async "outbox.post"({ activity }) {
    if (activity.type !== "Create" || activity.object?.type !== "Note") return null;
    const me = context.getActorUri(NAME);
    const to = [activity.to ?? [], activity.cc ?? []].flat();
    const tos = to.map((one) => new URL(one));
    const id = `${++count}`;
    const note = new Note({ id: new URL(`/notes/${id}`, base), attribution: me, content: activity.object.content, tos });
    const create = new Create({ id: new URL(`/notes/${id}#create`, base), actor: me, object: note, tos });
    said.set(id, create);
    const own = context.getFollowersUri(NAME).href;
    if (to.includes(own)) await context.sendActivity({ identifier: NAME }, [...followers.values()], create);
    for (const one of to) {
      const reader = one === own || one.endsWith("#Public") ? null : await context.lookupObject(one);
      if (reader) await context.sendActivity({ identifier: NAME }, reader, create);
    }
    return { id: create.id.href };
  },
  async observe({ id }) {
    const object = kept.get(id);
    return object ? { seen: true, object: await object.toJsonLd() } : { seen: false };
  },
};

function hello() {
  const id = context.getActorUri(NAME).href;
  const actor = { id, inbox: context.getInboxUri(NAME).href, outbox: context.getOutboxUri(NAME).href, role: "member" };
  return { base, actors: [actor], ops: Object.keys(ops) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { seq, op, args } = JSON.parse(line);
  let answer;
  try {
    const result = op === "hello" ? hello() : op === "stop" ? {} : ((await ops[op]?.(args)) ?? null);
    answer = result === null ? { seq, ok: false, unsupported: true } : { seq, ok: true, result };
  } catch (error) {
    answer = { seq, ok: false, error: { message: String(error?.message ?? error) } };
  }
  console.log(JSON.stringify(answer));
  if (op === "stop") break;
}
process.exit(0);

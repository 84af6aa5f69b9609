// A second implementation of everything the vectors ask, in Node.js without packages. It shares no line with the
// Python one, which is the point: where both agree, the vector is right or both are wrong in the same way.
//
//   fedcoop-conformance vectors check --exec 'node conformance/adapters/vectors-node/main.mjs'
//
// One question a line on standard input, one answer a line on standard output. VOCAB_SCHEMAS names the folder of
// the vocabulary's schemas where it is not the one of this checkout.

import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parse as parseField, told } from './fields.mjs'
import { canonical, parse, Refused } from './json.mjs'
import { ed25519, readDid, readKey, verifies } from './keys.mjs'
import { checkDigest, checkOrigins, checkRequest, signatureBase } from './messages.mjs'
import { checkProof, makeProof } from './proof.mjs'
import { Schemas } from './schema.mjs'

const schemas = new Schemas(process.env.VOCAB_SCHEMAS ?? fileURLToPath(new URL('../../../vocab/schemas', import.meta.url)))
const bytes = (text) => Buffer.from(text, 'base64url')
const keyTold = ({ algorithm, raw }) => ({ algorithm, publicKey: raw.toString('base64url') })

function checkSchema({ schema, document }) {
  const [keyword] = schemas.broken(schema, document)
  if (keyword) throw new Refused(keyword)
}

function checkEd25519({ publicKey, message, signature }) {
  if (bytes(signature).length !== 64) throw new Refused('LENGTH')
  if (!verifies(ed25519(bytes(publicKey)), bytes(message), bytes(signature))) throw new Refused('SIGNATURE')
}

// Each returns the output, or nothing where yes is the whole answer.
const KINDS = {
  jcs: ({ json }) => ({ canonical: Buffer.from(canonical(parse(bytes(json)))).toString('base64url') }),
  ijson: ({ json }) => void parse(bytes(json)),
  'proof-sign': (input) => ({ proofValue: makeProof(input) }),
  'proof-verify': checkProof,
  ed25519: checkEd25519,
  multikey: ({ publicKeyMultibase }) => keyTold(readKey(publicKeyMultibase)),
  'did-key': ({ did }) => keyTold(readDid(did)),
  'httpsig-base': ({ request, signatureInput, label }) => ({ base: signatureBase(request, parseField(signatureInput, 'dictionary').get(label)) }),
  'httpsig-verify': checkRequest,
  'content-digest': checkDigest,
  sfv: ({ field, shape }) => ({ structure: told(parseField(field, shape)) }),
  vocab: checkSchema,
  'vocab-read': (input) => { checkSchema(input); return { document: input.document } },
  origin: checkOrigins,
}

function answer({ op, kind, input }) {
  if (op !== 'vector' || !Object.hasOwn(KINDS, kind)) return { result: 'unsupported' }
  try {
    return { result: 'valid', output: KINDS[kind](input) }
  } catch (error) {
    if (error instanceof Refused) return { result: 'invalid', reason: error.reason }
    process.stderr.write(`${kind}: ${error.message}\n`)
    return { result: 'unsupported' }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`)
}

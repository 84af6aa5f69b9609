// Object integrity proofs: eddsa-jcs-2022 (vc-di-eddsa §3.3, FEP-8b32).

import { createHash } from 'node:crypto'
import { canonical, Refused } from './json.mjs'
import { fromMultibase, readKey, readSecret, sign, toBase58, verifies } from './keys.mjs'

const hash = (value) => createHash('sha256').update(canonical(value), 'utf8').digest()
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)

function hashData(proof, document) {
  const { proofValue, ...options } = proof
  const { proof: its, signature, ...body } = document
  return Buffer.concat([hash(options), hash(body)])
}

export function makeProof({ document, secretKeyMultibase, verificationMethod, created, proofPurpose }) {
  const options = { type: 'DataIntegrityProof', cryptosuite: 'eddsa-jcs-2022', created, verificationMethod, proofPurpose }
  if ('@context' in document) options['@context'] = document['@context']
  return `z${toBase58(sign(readSecret(secretKeyMultibase), hashData(options, document)))}`
}

export function checkProof({ document, keys }) {
  const { proof } = document
  if (!isObject(proof)) throw new Refused('NO_PROOF')
  if (proof.type !== 'DataIntegrityProof' || proof.cryptosuite !== 'eddsa-jcs-2022') throw new Refused('PROOF_TYPE')
  if (proof.proofPurpose !== 'assertionMethod') throw new Refused('PURPOSE')
  checkContext(document, proof)
  if (!Object.hasOwn(keys, proof.verificationMethod)) throw new Refused('METHOD')
  const signature = readValue(proof.proofValue)
  if (!verifies(readKey(keys[proof.verificationMethod]), hashData(proof, document), signature)) {
    throw new Refused('SIGNATURE')
  }
}

// Equal, not a prefix; absent in both only for an identity statement (FEP-c390).
function checkContext(document, proof) {
  const mine = document['@context']
  const its = proof['@context']
  if (mine === undefined && its === undefined) {
    if (document.type === 'VerifiableIdentityStatement') return
    throw new Refused('CONTEXT')
  }
  if (mine === undefined || its === undefined || canonical(mine) !== canonical(its)) throw new Refused('CONTEXT')
}

function readValue(value) {
  let signature
  try {
    signature = fromMultibase(value)
  } catch {
    throw new Refused('PROOF_VALUE')
  }
  if (signature.length !== 64) throw new Refused('PROOF_VALUE', `${signature.length} bytes`)
  return signature
}

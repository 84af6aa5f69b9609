// Keys as text (Multikey, did:key), and signatures by node:crypto.

import { createPrivateKey, createPublicKey, sign as signBytes, verify as verifyBytes } from 'node:crypto'
import { Refused } from './json.mjs'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

export function fromBase58(text) {
  let number = 0n
  for (const character of text) {
    const digit = ALPHABET.indexOf(character)
    if (digit < 0) throw new Refused('ALPHABET', character)
    number = number * 58n + BigInt(digit)
  }
  const zeros = text.length - text.replace(/^1+/, '').length
  const hex = number === 0n ? '' : number.toString(16)
  return Buffer.concat([Buffer.alloc(zeros), Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')])
}

export function toBase58(bytes) {
  let number = BigInt(`0x${bytes.toString('hex') || '0'}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text
  for (let at = 0; bytes[at] === 0; at += 1) text = `1${text}`
  return text
}

export function fromMultibase(text) {
  if (!text.startsWith('z')) throw new Refused('MULTIBASE')
  return fromBase58(text.slice(1))
}

export function readKey(text) {
  const bytes = fromMultibase(text)
  const codec = bytes.subarray(0, 2).toString('hex')
  const raw = bytes.subarray(2)
  if (codec === 'ed01') return ed25519(raw)
  if (codec === '8524') return rsa(raw)
  throw new Refused('CODEC', codec)
}

export function ed25519(raw) {
  if (raw.length !== 32) throw new Refused('LENGTH', `${raw.length} bytes`)
  const key = createPublicKey({ key: Buffer.concat([SPKI_ED25519, raw]), format: 'der', type: 'spki' })
  return { algorithm: 'Ed25519', raw, key }
}

function rsa(der) {
  let key
  try {
    key = createPublicKey({ key: der, format: 'der', type: 'pkcs1' })
  } catch (error) {
    throw new Refused('KEY', error.message)
  }
  // What stands after the DER would be a second spelling of one key.
  if (!key.export({ format: 'der', type: 'pkcs1' }).equals(der)) throw new Refused('KEY', 'not one key in DER')
  return { algorithm: 'RSA', raw: der, key }
}

export function readDid(did) {
  const [subject, fragment] = did.split('#', 2)
  if (!subject.startsWith('did:key:')) throw new Refused('DID')
  const text = subject.slice('did:key:'.length)
  if (fragment !== undefined && fragment !== text) throw new Refused('DID', 'its fragment names another key')
  return readKey(text)
}

export function readSecret(text) {
  const raw = fromMultibase(text).subarray(2)
  return createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, raw]), format: 'der', type: 'pkcs8' })
}

export function verifies(key, data, signature) {
  return verifyBytes(key.algorithm === 'RSA' ? 'sha256' : null, data, key.key, signature)
}

export function sign(privateKey, data) {
  return signBytes(null, data, privateKey)
}

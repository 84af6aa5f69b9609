// HTTP Message Signatures (RFC 9421), Content-Digest (RFC 9530), origins (RFC 6454).

import { createHash } from 'node:crypto'
import { parse, write } from './fields.mjs'
import { Refused } from './json.mjs'
import { readKey, verifies } from './keys.mjs'

const DEFAULT_PORT = { http: '80', https: '443' }
const KNOWN_DIGESTS = { 'sha-256': 'sha256', 'sha-512': 'sha512' }
const ALGORITHMS = { Ed25519: 'ed25519', RSA: 'rsa-v1_5-sha256' }
// The target as it was written: the URL class would change it.
const TARGET = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?/

// -- headers and components

function headerLines(request, name) {
  return request.headers.filter(([its]) => its.toLowerCase() === name).map(([, value]) => value.replace(/^[ \t]+|[ \t]+$/g, ''))
}

function header(request, name) {
  const lines = headerLines(request, name)
  return lines.length ? lines.join(', ') : undefined
}

function target({ url }) {
  const [, scheme, authority, path, query] = TARGET.exec(url)
  return { scheme: scheme.toLowerCase(), authority: authority.toLowerCase(), path: path || '/', query }
}

const DERIVED = {
  '@method': (request) => request.method,
  '@target-uri': (request) => request.url.split('#')[0],
  '@scheme': (request) => target(request).scheme,
  '@path': (request) => target(request).path,
  '@query': (request) => `?${target(request).query ?? ''}`,
  '@request-target': (request) => target(request).path + (target(request).query ? `?${target(request).query}` : ''),
  '@authority': (request) => {
    const { scheme, authority } = target(request)
    const [, host, port] = /^(.*?)(?::([0-9]+))?$/.exec(authority)
    return port === undefined || port === DEFAULT_PORT[scheme] ? host : `${host}:${port}`
  },
  '@query-param': (request, parameters) => {
    const found = new URLSearchParams(target(request).query ?? '').getAll(decodeURIComponent(parameters.get('name')))
    if (found.length !== 1) throw new Refused('MISSING_COMPONENT', parameters.get('name'))
    return encodeURIComponent(found[0]).replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  },
}

function componentValue(request, { value: name, parameters }) {
  if (typeof name !== 'string') throw new Refused('SYNTAX')
  if (name.startsWith('@')) {
    if (!Object.hasOwn(DERIVED, name)) throw new Refused('UNKNOWN_COMPONENT', name)
    return DERIVED[name](request, parameters)
  }
  const lines = headerLines(request, name)
  if (!lines.length) throw new Refused('MISSING_COMPONENT', name)
  if (parameters.get('bs') === true) return lines.map((line) => `:${Buffer.from(line, 'latin1').toString('base64')}:`).join(', ')
  if (!parameters.has('key')) return lines.join(', ')
  const member = parse(lines.join(', '), 'dictionary').get(parameters.get('key'))
  if (!member) throw new Refused('MISSING_COMPONENT', name)
  return write(member)
}

// -- signatures

export function signatureBase(request, covered) {
  const seen = new Set()
  const lines = covered.inner.map((component) => {
    const identifier = write(component)
    if (seen.has(identifier)) throw new Refused('DUPLICATE_COMPONENT', identifier)
    seen.add(identifier)
    return `${identifier}: ${componentValue(request, component)}`
  })
  return [...lines, `"@signature-params": ${write(covered)}`].join('\n')
}

export function checkRequest({ request, keys }) {
  const given = header(request, 'signature-input')
  const values = header(request, 'signature')
  if (given === undefined || values === undefined) throw new Refused('NO_SIGNATURE')
  const inputs = parse(given, 'dictionary')
  if (inputs.size !== 1) throw new Refused('LABEL')
  const [[label, covered]] = inputs
  const signature = parse(values, 'dictionary').get(label)
  if (!signature) throw new Refused('LABEL', label)
  if (!covered.inner || !Buffer.isBuffer(signature.value)) throw new Refused('SYNTAX', label)
  const keyid = covered.parameters.get('keyid')
  if (!Object.hasOwn(keys, keyid)) throw new Refused('UNKNOWN_KEY', keyid)
  const key = readKey(keys[keyid])
  const algorithm = covered.parameters.get('alg')
  if (algorithm !== undefined && algorithm !== ALGORITHMS[key.algorithm]) throw new Refused('ALGORITHM', algorithm)
  if (!verifies(key, Buffer.from(signatureBase(request, covered)), signature.value)) throw new Refused('SIGNATURE')
}

// -- digests

export function checkDigest({ contentDigest, body }) {
  const known = [...parse(contentDigest, 'dictionary')].filter(([name]) => Object.hasOwn(KNOWN_DIGESTS, name))
  if (!known.length) throw new Refused('UNKNOWN_ALGORITHM')
  for (const [name, { value }] of known) {
    if (!Buffer.isBuffer(value)) throw new Refused('SYNTAX', name)
    const wanted = createHash(KNOWN_DIGESTS[name]).update(Buffer.from(body, 'base64url')).digest()
    if (!wanted.equals(value)) throw new Refused('MISMATCH', name)
  }
}

// -- origins

export function checkOrigins({ one, other }) {
  const [mine, its] = [origin(one), origin(other)]
  for (const [part, reason] of [['protocol', 'SCHEME'], ['hostname', 'HOST'], ['port', 'PORT']]) {
    if (mine[part] !== its[part]) throw new Refused(reason)
  }
}

function origin(text) {
  // The URL class mends what it should refuse: backslashes, white space, missing slashes.
  if (!/^https?:\/\/[^/?#\\\s]+(?:[/?#]|$)/i.test(text)) throw new Refused('NOT_A_URL')
  if (/^https?:\/\/[^/?#]*@/i.test(text)) throw new Refused('USERINFO')
  if (!URL.canParse(text)) throw new Refused('NOT_A_URL')
  const found = new URL(text)
  if (found.hostname.endsWith('.')) throw new Refused('TRAILING_DOT')
  return found
}

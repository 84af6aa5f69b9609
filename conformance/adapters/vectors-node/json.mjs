// JSON that everybody reads alike (RFC 7493), and its canonical form (RFC 8785). A parser of our own, because
// JSON.parse keeps the last of two equal names and rounds integers without a word.

export class Refused extends Error {
  constructor(reason, detail = '') {
    super(detail ? `${reason}: ${detail}` : reason)
    this.reason = reason
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const WORDS = new Map([['true', true], ['false', false], ['null', null]])
const ESCAPES = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

export function parse(bytes) {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) throw new Refused('ENCODING', 'byte order mark')
  let text
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Refused('ENCODING', 'not UTF-8')
  }
  let at = 0
  const fail = () => { throw new Refused('SYNTAX', `character ${at}`) }
  const space = () => { while (' \t\n\r'.includes(text[at] ?? 'x')) at += 1 }
  const expect = (character) => { if (text[at] !== character) fail(); at += 1 }

  function value() {
    space()
    if (text[at] === '{') return object()
    if (text[at] === '[') return array()
    if (text[at] === '"') return string()
    for (const [word, meaning] of WORDS) if (text.startsWith(word, at)) { at += word.length; return meaning }
    for (const word of ['NaN', 'Infinity', '-Infinity']) {
      if (text.startsWith(word, at)) throw new Refused('NUMBER_NOT_FINITE', word)
    }
    return number()
  }

  function number() {
    NUMBER.lastIndex = at
    const match = NUMBER.exec(text) ?? fail()
    at += match[0].length
    const found = Number(match[0])
    if (!Number.isFinite(found)) throw new Refused('NUMBER_NOT_FINITE', match[0].slice(0, 40))
    // Only what is written as an integer is one: 1e21 has a canonical form.
    if (!match[1] && !match[2] && !Number.isSafeInteger(found)) throw new Refused('NUMBER_RANGE', match[0].slice(0, 40))
    return found
  }

  function string() {
    expect('"')
    let made = ''
    while (text[at] !== '"') {
      const character = text[at] ?? fail()
      at += 1
      if (character < ' ') fail()
      made += character === '\\' ? escape() : character
    }
    at += 1
    if (!made.isWellFormed()) throw new Refused('LONE_SURROGATE')
    return made
  }

  function escape() {
    const letter = text[at] ?? fail()
    at += 1
    if (letter in ESCAPES) return ESCAPES[letter]
    const hex = text.slice(at, at + 4)
    if (letter !== 'u' || !/^[0-9a-fA-F]{4}$/.test(hex)) fail()
    at += 4
    return String.fromCharCode(Number.parseInt(hex, 16))
  }

  function array() {
    const made = []
    expect('[')
    for (space(); text[at] !== ']'; space()) {
      if (made.length) expect(',')
      made.push(value())
    }
    at += 1
    return made
  }

  function object() {
    const made = new Map()
    expect('{')
    for (space(); text[at] !== '}'; space()) {
      if (made.size) { expect(','); space() }
      const name = string()
      if (made.has(name)) throw new Refused('DUPLICATE_NAME', name)
      space()
      expect(':')
      made.set(name, value())
    }
    at += 1
    return made
  }

  const found = value()
  space()
  if (at !== text.length) fail()
  return found
}

// JavaScript compares strings by code unit and prints numbers as ECMAScript does, which is what RFC 8785 asks.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value instanceof Map) return object([...value])
  if (value !== null && typeof value === 'object') return object(Object.entries(value))
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Refused('NUMBER_NOT_FINITE')
  return typeof value === 'string' ? string(value) : JSON.stringify(value)
}

function object(entries) {
  const sorted = entries.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
  return `{${sorted.map(([name, inside]) => `${string(name)}:${canonical(inside)}`).join(',')}}`
}

function string(text) {
  if (!text.isWellFormed()) throw new Refused('LONE_SURROGATE')
  return JSON.stringify(text)
}

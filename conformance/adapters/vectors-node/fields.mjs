// Structured fields of HTTP (RFC 9651): parsed by the algorithms of §4.2, written by those of §4.1.
// A member is {value, parameters} or {inner, parameters}; parameters and dictionaries are Maps.

import { Refused } from './json.mjs'

const KEY = /[a-z*][a-z0-9_\-.*]*/y
const TOKEN = /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y
const NUMBER = /-?[0-9]+(?:\.[0-9]+)?/y
const BYTES = /:([A-Za-z0-9+/]*=*):/y

export class Token { constructor(text) { this.text = text } }
export class Decimal { constructor(text) { this.text = text } }
export class Time { constructor(seconds) { this.seconds = seconds } }
export class DisplayString { constructor(text) { this.text = text } }

export function parse(text, shape) {
  let at = 0
  const fail = () => { throw new Refused('SYNTAX', `character ${at} of ${text.slice(0, 60)}`) }
  const spaces = (allowed) => { while (at < text.length && allowed.includes(text[at])) at += 1 }
  const take = (pattern) => {
    pattern.lastIndex = at
    const match = pattern.exec(text) ?? fail()
    at += match[0].length
    return match
  }

  function bare() {
    const first = text[at]
    if (first === '"') return string()
    if (first === ':') return bytes()
    if (first === '?') { at += 2; return { 0: false, 1: true }[text[at - 1]] ?? fail() }
    if (first === '@') { at += 1; const read = number(); return typeof read === 'number' ? new Time(read) : fail() }
    if (first === '%') return display()
    if (/[-0-9]/.test(first ?? '')) return number()
    return new Token(take(TOKEN)[0])
  }

  function number() {
    const [digits] = take(NUMBER)
    const [whole, fraction] = digits.replace('-', '').split('.')
    if (fraction === undefined ? whole.length > 15 : whole.length > 12 || fraction.length > 3) fail()
    if (text[at] === '.') fail()
    return fraction === undefined ? Number(digits) : new Decimal(decimal(digits))
  }

  function decimal(digits) {
    const shown = String(Number(digits))
    return shown.includes('.') ? shown : `${shown}.0`
  }

  function string() {
    let made = ''
    for (at += 1; text[at] !== '"'; at += 1) {
      if (at >= text.length || text[at] < ' ' || text[at] > '~') fail()
      if (text[at] === '\\') {
        at += 1
        if (text[at] !== '"' && text[at] !== '\\') fail()
      }
      made += text[at]
    }
    at += 1
    return made
  }

  function bytes() {
    const [, base64] = take(BYTES)
    return Buffer.from(base64, 'base64')
  }

  function display() {
    const [, inside] = take(/%"((?:[ !#$&-~]|%[0-9a-f]{2})*)"/y)
    try {
      return new DisplayString(decodeURIComponent(inside))
    } catch {
      return fail()
    }
  }

  function parameters() {
    const found = new Map()
    while (text[at] === ';') {
      at += 1
      spaces(' ')
      const name = take(KEY)[0]
      let value = true
      if (text[at] === '=') { at += 1; value = bare() }
      found.set(name, value)
    }
    return found
  }

  const item = () => ({ value: bare(), parameters: parameters() })

  function innerList() {
    const inner = []
    at += 1
    for (spaces(' '); text[at] !== ')'; spaces(' ')) {
      if (at >= text.length) fail()
      inner.push(item())
      if (text[at] !== ' ' && text[at] !== ')') fail()
    }
    at += 1
    return { inner, parameters: parameters() }
  }

  const member = () => (text[at] === '(' ? innerList() : item())

  function separated(one) {
    while (at < text.length) {
      one()
      spaces(' \t')
      if (at >= text.length) return
      if (text[at] !== ',') fail()
      at += 1
      spaces(' \t')
      if (at >= text.length) fail()
    }
  }

  function dictionary() {
    const found = new Map()
    separated(() => {
      const name = take(KEY)[0]
      if (text[at] === '=') { at += 1; found.set(name, member()) } else found.set(name, { value: true, parameters: parameters() })
    })
    return found
  }

  function list() {
    const found = []
    separated(() => found.push(member()))
    return found
  }

  spaces(' ')
  const found = { dictionary, list, item }[shape]()
  spaces(' ')
  return at === text.length ? found : fail()
}

// -- writing

export function write(member) {
  const inner = member.inner && `(${member.inner.map(write).join(' ')})`
  return (inner ?? bare(member.value)) + writeParameters(member.parameters)
}

function writeParameters(parameters) {
  return [...parameters].map(([name, value]) => (value === true ? `;${name}` : `;${name}=${bare(value)}`)).join('')
}

function bare(value) {
  if (typeof value === 'string') return `"${value.replace(/[\\"]/g, '\\$&')}"`
  if (typeof value === 'boolean') return value ? '?1' : '?0'
  if (Buffer.isBuffer(value)) return `:${value.toString('base64')}:`
  if (value instanceof Time) return `@${value.seconds}`
  return value.text ?? String(value)
}

// -- as vectors tell it

export function told(found) {
  if (found instanceof Map) return [...found].map(([name, member]) => [name, told(member)])
  if (Array.isArray(found)) return found.map(told)
  const parameters = [...found.parameters].map(([name, value]) => [name, toldBare(value)])
  return found.inner ? { innerList: found.inner.map(told), parameters } : { item: toldBare(found.value), parameters }
}

function toldBare(value) {
  if (Buffer.isBuffer(value)) return { binary: value.toString('base64url') }
  if (value instanceof Token) return { token: value.text }
  if (value instanceof Decimal) return { decimal: value.text }
  if (value instanceof Time) return { date: value.seconds }
  if (value instanceof DisplayString) return { displayString: value.text }
  return value
}

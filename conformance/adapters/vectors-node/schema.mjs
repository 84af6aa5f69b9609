// JSON Schema 2020-12, as far as the schemas of the vocabulary go. A keyword that is not known here is an
// error, never ignored: an answer is given for the whole schema or not at all.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { canonical } from './json.mjs'

const TYPES = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  array: Array.isArray,
  object: isObject,
  null: (value) => value === null,
}
const IGNORED = new Set(['$schema', '$id', '$defs', '$comment', 'title', 'description', 'format', 'then', 'else'])

function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

export class Schemas {
  #folder
  #read = new Map()

  constructor(folder) { this.#folder = folder }

  // The keywords that a document breaks; inside anyOf and not, only these themselves are named.
  broken(name, document) { return this.#check(this.#file(name), document, name) }

  #file(name) {
    if (!this.#read.has(name)) this.#read.set(name, JSON.parse(readFileSync(join(this.#folder, name), 'utf8')))
    return this.#read.get(name)
  }

  #check(schema, value, file) {
    if (schema === true) return []
    if (schema === false) return ['false']
    return Object.entries(schema).flatMap(([keyword, wanted]) => {
      if (IGNORED.has(keyword)) return []
      if (keyword === 'prefixItems') return this.#prefix(wanted, value, file)
      const check = KEYWORDS[keyword]
      if (!check) throw new Error(`the keyword ${keyword} is not known here`)
      const found = check({ wanted, value, schema, inside: (its, at) => this.#check(its, at, file), refer: (to) => this.#refer(to, value, file) })
      return found === true ? [] : found === false ? [keyword] : found
    })
  }

  #prefix(wanted, value, file) {
    if (!Array.isArray(value)) return []
    return wanted.slice(0, value.length).flatMap((its, at) => this.#check(its, value[at], file))
  }

  #refer(reference, value, file) {
    const [name, pointer = ''] = reference.split('#')
    let schema = this.#file(name || file)
    for (const step of pointer.split('/').slice(1)) schema = schema[step.replaceAll('~1', '/').replaceAll('~0', '~')]
    return this.#check(schema, value, name || file)
  }
}

const same = (one, other) => canonical(one) === canonical(other)
const holds = (found) => found.length === 0

// A keyword answers true, false (it is broken itself) or the keywords that are broken inside of it.
const KEYWORDS = {
  $ref: ({ wanted, refer }) => refer(wanted),
  type: ({ wanted, value }) => [wanted].flat().some((name) => TYPES[name](value)),
  const: ({ wanted, value }) => same(wanted, value),
  enum: ({ wanted, value }) => wanted.some((one) => same(one, value)),
  pattern: ({ wanted, value }) => typeof value !== 'string' || new RegExp(wanted, 'u').test(value),
  minLength: ({ wanted, value }) => typeof value !== 'string' || [...value].length >= wanted,
  maxLength: ({ wanted, value }) => typeof value !== 'string' || [...value].length <= wanted,
  minimum: ({ wanted, value }) => typeof value !== 'number' || value >= wanted,
  maximum: ({ wanted, value }) => typeof value !== 'number' || value <= wanted,
  exclusiveMinimum: ({ wanted, value }) => typeof value !== 'number' || value > wanted,
  minItems: ({ wanted, value }) => !Array.isArray(value) || value.length >= wanted,
  maxItems: ({ wanted, value }) => !Array.isArray(value) || value.length <= wanted,
  uniqueItems: ({ wanted, value }) => !wanted || !Array.isArray(value) || new Set(value.map(canonical)).size === value.length,
  minProperties: ({ wanted, value }) => !isObject(value) || Object.keys(value).length >= wanted,
  required: ({ wanted, value }) => !isObject(value) || wanted.filter((name) => !Object.hasOwn(value, name)).map(() => 'required'),
  dependentRequired: ({ wanted, value }) => !isObject(value) || Object.entries(wanted).every(([name, others]) => !Object.hasOwn(value, name) || others.every((other) => Object.hasOwn(value, other))),
  properties: ({ wanted, value, inside }) => !isObject(value) || Object.entries(wanted).flatMap(([name, its]) => (Object.hasOwn(value, name) ? inside(its, value[name]) : [])),
  additionalProperties: ({ wanted, value, schema, inside }) => !isObject(value) || Object.keys(value).filter((name) => !Object.hasOwn(schema.properties ?? {}, name)).flatMap((name) => inside(wanted, value[name])),
  propertyNames: ({ wanted, value, inside }) => !isObject(value) || Object.keys(value).flatMap((name) => inside(wanted, name)),
  items: ({ wanted, value, schema, inside }) => !Array.isArray(value) || value.slice(schema.prefixItems?.length ?? 0).flatMap((one) => inside(wanted, one)),
  contains: ({ wanted, value, inside }) => !Array.isArray(value) || value.some((one) => holds(inside(wanted, one))),
  allOf: ({ wanted, value, inside }) => wanted.flatMap((its) => inside(its, value)),
  anyOf: ({ wanted, value, inside }) => wanted.some((its) => holds(inside(its, value))),
  oneOf: ({ wanted, value, inside }) => wanted.filter((its) => holds(inside(its, value))).length === 1,
  not: ({ wanted, value, inside }) => !holds(inside(wanted, value)),
  if: ({ wanted, value, schema, inside }) => inside((holds(inside(wanted, value)) ? schema.then : schema.else) ?? true, value),
}

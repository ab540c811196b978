// How this node was started last: what other members count on stays as it is when a person starts it without saying it again.

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { EngineError, messageOf } from '../base/errors.ts'

/** Options of `serve`, as they were given. */
export interface ServeMemory {
  readonly name?: string
  readonly zone?: string
  readonly class?: string
  readonly capacity?: string
}

const kinds = ['name', 'zone', 'class', 'capacity'] as const

/** Nothing when there is no such file. Throws `HOME_UNUSABLE` when it cannot be read: without a capacity the disk would be filled. */
export function readServeMemory(path: string): ServeMemory {
  if (!existsSync(path)) return {}
  try {
    return parseMemory(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new EngineError(
      'HOME_UNUSABLE',
      `reading how this node was started last from ${path}: ${messageOf(error)}; remove the file and start with --name, --zone, --class and --capacity`,
      { cause: error },
    )
  }
}

function parseMemory(value: unknown): ServeMemory {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('it is no list of options')
  const said = new Map<string, unknown>(Object.entries(value))
  const known = kinds.flatMap((kind) => (said.has(kind) ? [[kind, said.get(kind)] as const] : []))
  for (const [kind, text] of known) if (typeof text !== 'string') throw new TypeError(`its ${kind} is no text`)
  return Object.fromEntries(known)
}

/** What is given now, and else what was given before. */
export function withMemory<Options extends ServeMemory>(options: Options, memory: ServeMemory): Options {
  const remembered = kinds.flatMap((kind) => (options[kind] === undefined && memory[kind] !== undefined ? [[kind, memory[kind]]] : []))
  return { ...options, ...Object.fromEntries(remembered) }
}

/** Writes what is new only, whole or not at all: a node whose file makes no sense does not start. Throws what the file system throws. */
export function rememberServe(path: string, options: ServeMemory): void {
  const memory = Object.fromEntries(kinds.flatMap((kind) => (options[kind] === undefined ? [] : [[kind, options[kind]]])))
  const text = `${JSON.stringify(memory)}\n`
  if (existsSync(path) ? readFileSync(path, 'utf8') === text : Object.keys(memory).length === 0) return
  const temporary = `${path}.new`
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}

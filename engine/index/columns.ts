// Reading columns: the only place where what SQLite gives is turned into the types the rest trusts.

import { assert } from '../base/assert.ts'
import type { EntryKind } from '../model/meta.ts'
import type { Row } from './database.ts'

export function numberOf(row: Row, column: string): number {
  const value = row[column]
  assert(typeof value === 'number', `column ${column} is a number`)
  return value
}

export function textOf(row: Row, column: string): string {
  const value = row[column]
  assert(typeof value === 'string', `column ${column} is a text`)
  return value
}

export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  assert(value instanceof Uint8Array, `column ${column} is bytes`)
  return value
}

export function optionalTextOf(row: Row, column: string): string | undefined {
  const value = row[column]
  return typeof value === 'string' ? value : undefined
}

export function optionalNumberOf(row: Row, column: string): number | undefined {
  const value = row[column]
  return typeof value === 'number' ? value : undefined
}

const keyBytes = 6

/**
 * The first 48 bits of an id's hash as a number: a compact index key. Different ids may share it (at ten million rows about
 * one pair in six databases), so whoever looks up by it compares the whole id.
 */
export function shortKeyOf(id: Uint8Array): number {
  let key = 0
  for (let at = 1; at <= keyBytes; at++) key = key * 256 + (id[at] ?? 0)
  return key
}

export const kindNumbers: Readonly<Record<EntryKind, number>> = { file: 1, directory: 2, symlink: 3 }
const kindNames: readonly (EntryKind | undefined)[] = [undefined, 'file', 'directory', 'symlink']

export function kindOf(row: Row): EntryKind {
  const kind = kindNames[numberOf(row, 'kind')]
  assert(kind !== undefined, 'a stored kind is one')
  return kind
}

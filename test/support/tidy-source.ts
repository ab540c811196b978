// What the house rules read: the project's files, and a source text split into code, strings and comments.
// A small lexer instead of a parser: TypeScript 7 has no compiler API, and the rules only need to know what is code.

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

export interface SourceFile {
  /** Relative to the root, '/'-separated. */
  readonly path: string
  readonly text: string
}

export interface Finding {
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly message: string
}

export type Rule = (file: SourceFile) => readonly Finding[]

const skippedDirectories = new Set(['node_modules', '.git', 'dist', 'coverage', 'bench-work'])

/** All files of the project except what is fetched, built or not text. */
export function readProject(root: string): SourceFile[] {
  const files: SourceFile[] = []
  const walk = (directory: string): void => {
    for (const item of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, item.name)
      if (item.isDirectory() && !skippedDirectories.has(item.name)) walk(path)
      if (!item.isFile() || item.name.endsWith('.log')) continue
      const text = readFileSync(path, 'utf8')
      if (!text.includes('\0')) files.push({ path: relative(root, path).split(sep).join('/'), text })
    }
  }
  walk(root)
  return files
}

/** Generated from .proto files: style and length are the generator's. */
export function isGenerated(path: string): boolean {
  return path.endsWith('_pb.ts')
}

/** TypeScript that ships. */
export function isProduct(path: string): boolean {
  return /^(engine|electron|renderer)\/.*\.(ts|tsx|mts)$/.test(path)
}

export interface Split {
  /** The text with strings' and comments' contents blanked; same length, same lines. */
  readonly code: string
  /** The text with everything but strings' contents blanked. */
  readonly strings: string
}

/** Template literals count as strings, except the code in their `${}`. */
export function splitSource(text: string): Split {
  const code = Array.from(text.replace(/[^\n]/g, ' '))
  const strings = [...code]
  for (const token of tokens(text)) {
    const target = token.kind === 'string' ? strings : code
    if (token.kind === 'comment') continue
    for (let at = token.start; at < token.end; at++) target[at] = text.charAt(at)
  }
  return { code: code.join(''), strings: strings.join('') }
}

interface Token {
  readonly kind: 'code' | 'string' | 'comment'
  readonly start: number
  readonly end: number
}

function* tokens(text: string): Generator<Token> {
  const templateDepths: number[] = [] // for each `${` that is open: how many braces inside it
  let before = '' // the last code that was not blank, to tell a regular expression from a division
  for (let at = 0; at < text.length;) {
    const start = at
    const two = text.slice(at, at + 2)
    const one = text.charAt(at)
    const depth = templateDepths.at(-1)
    if (two === '//' || (at === 0 && two === '#!')) {
      at = endOr(text.indexOf('\n', at), text.length)
      yield { kind: 'comment', start, end: at }
    } else if (two === '/*') {
      at = endOr(text.indexOf('*/', at + 2) + 2, text.length)
      yield { kind: 'comment', start, end: at }
    } else if (one === "'" || one === '"' || (one === '/' && /(^|[(,=:[!&|?{};>+\n]|return|typeof|case)$/.test(before))) {
      at = closing(text, at, one)
      yield { kind: 'string', start, end: at }
      before = 'x'
    } else if (one === '`' || (one === '}' && depth === 0)) {
      if (one === '}') templateDepths.pop()
      at = templateEnd(text, at + 1)
      if (text.charAt(at - 1) === '{') templateDepths.push(0)
      yield { kind: 'string', start, end: at }
      before = text.charAt(at - 1) === '{' ? '(' : 'x'
    } else {
      if (depth !== undefined && (one === '{' || one === '}')) templateDepths[templateDepths.length - 1] = depth + (one === '{' ? 1 : -1)
      at++
      yield { kind: 'code', start, end: at }
      if (one.trim() !== '') before = /\w/.test(one) ? before.slice(-8) + one : one
      else if (one === '\n') before = before === '' ? '' : before
    }
  }
}

function endOr(end: number, fallback: number): number {
  return end <= 1 ? fallback : end
}

/** Behind the quote or slash that closes what opened at `start`. A regular expression's class may hold a slash. */
function closing(text: string, start: number, quote: string): number {
  let isInClass = false
  for (let at = start + 1; at < text.length && text.charAt(at) !== '\n'; at++) {
    const one = text.charAt(at)
    if (one === '\\') at++
    else if (quote === '/' && one === '[') isInClass = true
    else if (quote === '/' && one === ']') isInClass = false
    else if (one === quote && !isInClass) return at + 1
  }
  return start + 1
}

/** Behind the backtick, or behind the `${`, that ends this stretch of a template literal. */
function templateEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++
    else if (text.charAt(at) === '`') return at + 1
    else if (text.startsWith('${', at)) return at + 2
  }
  return text.length
}

/** A finding for each match of `pattern` (global) in `searched`, which is as long as the file's text. */
export function findAll(file: SourceFile, searched: string, pattern: RegExp, message: (match: string) => string): Finding[] {
  return Array.from(searched.matchAll(pattern), (match) => ({
    path: file.path,
    line: file.text.slice(0, match.index).split('\n').length,
    message: message(match[0].trim()),
  }))
}

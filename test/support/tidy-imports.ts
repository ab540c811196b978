// The import table (ARCHITECTURE.md): who may import whom, which package belongs where, and no cycles.

import { posix } from 'node:path'

import { isProduct, splitSource, type Finding, type SourceFile } from './tidy-source.ts'

export interface Import {
  /** As written. */
  readonly specifier: string
  /** The file it names, for a relative import. */
  readonly target: string | undefined
  readonly isTypeOnly: boolean
  readonly line: number
}

const engineTable: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  chunk: ['base'],
  crypto: ['base', 'model'],
  blocks: ['base', 'model', 'crypto'],
  net: ['base', 'model', 'crypto'],
  index: ['base', 'model'],
  disk: ['base', 'model'],
  api: ['base', 'model'],
  transfer: ['base', 'model', 'crypto', 'blocks', 'index', 'net'],
  sync: ['base', 'model', 'crypto', 'chunk', 'blocks', 'index', 'disk', 'net', 'transfer'],
  replicas: ['base', 'model', 'crypto', 'blocks', 'index', 'net', 'transfer'],
  scrub: ['base', 'model', 'crypto', 'blocks', 'index', 'net'],
  share: ['base', 'model', 'crypto', 'index', 'net'],
  platform: ['base', 'model', 'crypto', 'net'],
  // The composition root, in parts: it knows every flow and store, and is handed the world.
  compose: ['base', 'model', 'chunk', 'crypto', 'blocks', 'net', 'index', 'disk', 'api', 'transfer', 'sync', 'replicas', 'scrub', 'share'],
}

/** May import everything in the engine: the composition roots and the commands. */
const rootFile = /^engine\/(bin\/.*|engine|node|config|bucket-config|worker|job-table|lane-worker|lane-table)\.(ts|mts)$/
const clientFolders = ['api', 'model', 'base']

export interface Allowance {
  readonly file: RegExp
  readonly imports: RegExp
  readonly typeOnly: boolean
  readonly reason: string
}

export const allowances: readonly Allowance[] = [
  {
    file: /^engine\/platform\//,
    imports: /^engine\/disk\/watch\.ts$/,
    typeOnly: true,
    reason: 'watchers are the platform, their interface is the disk',
  },
  {
    file: /^engine\/compose\//,
    imports: /^engine\/(job|lane)-table\.ts$/,
    typeOnly: true,
    reason: 'the world that is handed in runs these jobs; what they are is for the worker to know',
  },
]

interface PackageRule {
  readonly package: RegExp
  /** Undefined: nowhere. */
  readonly allowedIn: RegExp
  readonly message: string
}

const packageRules: readonly PackageRule[] = [
  { package: /^(libp2p$|@libp2p\/|@chainsafe\/|@multiformats\/)/, allowedIn: /^engine\/net\//, message: 'libp2p belongs in engine/net' },
  { package: /^node:sqlite$/, allowedIn: /^engine\/index\//, message: 'the database belongs in engine/index' },
  {
    package: /^node:(fs|fs\/promises|timers|timers\/promises|child_process|worker_threads|os)$/,
    allowedIn: /^engine\/(platform|bin)\//,
    message: 'the world is handed in through base interfaces; only platform/ and bin/ touch it',
  },
  {
    package: /^node:/,
    allowedIn: /^(?!engine\/(base|model|chunk)\/|renderer\/)/,
    message: 'this code also runs in a browser: nothing of Node here',
  },
]

/** `import … from`, `export … from`, `import('…')` and bare imports. */
export function importsOf(file: SourceFile): Import[] {
  const { code } = splitSource(file.text)
  const found: Import[] = []
  for (const match of code.matchAll(/^\s*(import|export)\b(\s+type\b)?[^'"();]*?\bfrom\s|^\s*import(?= +$)|\bimport\(/gm)) {
    const quoted = /^\s*(['"])([^'"\n]+)\1/.exec(file.text.slice(match.index + match[0].length))
    if (quoted?.[2] !== undefined) found.push(importOf(file, match.index + match[0].length, quoted[2], match[2] !== undefined))
  }
  return found
}

function importOf(file: SourceFile, at: number, specifier: string, isTypeOnly: boolean): Import {
  const target = specifier.startsWith('.') ? posix.join(posix.dirname(file.path), specifier) : undefined
  return { specifier, target, isTypeOnly, line: file.text.slice(0, at).split('\n').length }
}

export function checkImports(file: SourceFile, usedAllowances: Set<Allowance> = new Set()): Finding[] {
  if (!isProduct(file.path)) return []
  return importsOf(file).flatMap((one) => {
    const message =
      one.target === undefined ? packageTrouble(file.path, one.specifier) : targetTrouble(file.path, one, one.target, usedAllowances)
    return message === undefined ? [] : [{ path: file.path, line: one.line, message }]
  })
}

function packageTrouble(path: string, specifier: string): string | undefined {
  const broken = packageRules.find(
    (rule) => rule.package.test(specifier) && !rule.allowedIn.test(path) && !isPackageExempt(path, specifier),
  )
  return broken === undefined ? undefined : `imports ${specifier}: ${broken.message}`
}

/** With reasons; as few as can be. */
const packageExemptions: readonly { readonly file: RegExp; readonly package: RegExp; readonly reason: string }[] = [
  { file: rootFile, package: /^node:/, reason: 'composition roots construct the world' },
  { file: /^electron\//, package: /^node:/, reason: 'the desktop shell is a program of its own' },
]

function isPackageExempt(path: string, specifier: string): boolean {
  return packageExemptions.some((exemption) => exemption.file.test(path) && exemption.package.test(specifier))
}

function targetTrouble(path: string, one: Import, target: string, usedAllowances: Set<Allowance>): string | undefined {
  if (!isProduct(target)) return `imports ${target}: only code that ships may be imported by code that ships`
  if (!/\.(ts|tsx|mts)$/.test(one.specifier)) return `imports ${one.specifier} without its extension`
  const from = path.split('/')
  const to = target.split('/')
  if (from[0] !== 'engine') {
    const isOpen = to[0] === from[0] || (to[0] === 'engine' && clientFolders.includes(to[1] ?? ''))
    return isOpen ? undefined : `imports ${target}: ${from[0]} sees engine/{${clientFolders.join(',')}} only`
  }
  if (to[0] !== 'engine') return `imports ${target}: the engine knows none of its clients`
  if (rootFile.test(path) || from[1] === to[1]) return undefined
  const layer = from[1] ?? ''
  const allowed = engineTable[layer]
  if (allowed === undefined) return `is in no folder that the import table knows`
  if (allowed.includes(to[1] ?? '') && to.length > 2) return undefined
  const allowance = allowances.find((each) => each.file.test(path) && each.imports.test(target) && (one.isTypeOnly || !each.typeOnly))
  if (allowance !== undefined) usedAllowances.add(allowance)
  return allowance === undefined
    ? `imports ${target}: ${layer} may import ${allowed.length === 0 ? 'nothing' : allowed.join(' ')}`
    : undefined
}

/** One finding for each cycle, types included: a cycle of types is also two files that are really one. */
export function checkCycles(files: readonly SourceFile[]): Finding[] {
  const edges = new Map(
    files.filter((file) => isProduct(file.path)).map((file) => [file.path, importsOf(file).flatMap((one) => one.target ?? [])]),
  )
  const done = new Set<string>()
  const findings: Finding[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path)
    if (seenAt >= 0) findings.push({ path, line: 1, message: `imports itself: ${[...trail.slice(seenAt), path].join(' → ')}` })
    if (seenAt >= 0 || done.has(path)) return
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return findings
}

// The house rules that need only one file at a time. Types, `any`, `!`, promises and function lengths are the linter's.

import { findAll, isGenerated, isProduct, splitSource, type Finding, type Rule, type SourceFile } from './tidy-source.ts'

const fileLinesMax = 500

function isStyled(file: SourceFile): boolean {
  return isProduct(file.path) && !isGenerated(file.path)
}

function isScript(path: string): boolean {
  return /\.(ts|tsx|mts|mjs)$/.test(path)
}

export const checkName: Rule = (file) => {
  const name = file.path.split('/').at(-1) ?? ''
  if (!/^(engine|electron|renderer|test)\//.test(file.path) || !isScript(name) || isGenerated(name)) return []
  const isKebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.(ts|tsx|mts|mjs)$/.test(name)
  const messages = [
    ...(isKebab ? [] : ['is not named in kebab-case']),
    ...(name.startsWith('index.') ? ['is named index: a file is named after what it exports'] : []),
  ]
  return messages.map((message) => ({ path: file.path, line: 1, message }))
}

export const checkLength: Rule = (file) => {
  const lines = file.text.trimEnd().split('\n').length
  if (!isStyled(file) || lines <= fileLinesMax) return []
  return [{ path: file.path, line: fileLinesMax, message: `has ${lines} lines, more than ${fileLinesMax}: it is two things` }]
}

export const checkHeader: Rule = (file) => {
  if (!/^(engine|electron|renderer|test)\//.test(file.path) || !isScript(file.path) || isGenerated(file.path)) return []
  const first = file.text.replace(/^#!.*\n/, '')
  return /^\/\/ \S|^\/\*\* ?\S/.test(first)
    ? []
    : [{ path: file.path, line: 1, message: 'does not open with a comment that says what it is for' }]
}

export const checkExports: Rule = (file) => {
  if (!isStyled(file)) return []
  const { code } = splitSource(file.text)
  return [
    ...findAll(file, code, /\bexport\s+default\b/g, () => 'has a default export: name it'),
    ...findAll(file, code, /\bexport\s+\*/g, () => 'exports everything of another file: importers name the file they mean'),
  ]
}

/** A cast is a claim that the compiler cannot check, so it belongs where input is checked, or says why it holds. */
export const checkCasts: Rule = (file) => {
  if (!isStyled(file)) return []
  const lines = file.text.split('\n')
  const { code } = splitSource(file.text)
  const casts = findAll(
    file,
    code.replace(/^\s*(import|export)\b.*$|\* as \w+/gm, (line) => ' '.repeat(line.length)),
    /[\w)\]}>] as (?!const\b)[\w({[]/g,
    () => '',
  )
  return casts
    .filter(({ line }) => {
      const hasReason = [line - 1, line].some((number) => /\/\/.*\bcast: \S/.test(lines[number - 1] ?? ''))
      return !hasReason && !/^(parse|decode|read)/i.test(enclosingFunction(code.split('\n'), line))
    })
    .map((finding) => ({ ...finding, message: 'casts outside a parse, decode or read function; if it must, say why: // cast: …' }))
}

/** The name of the nearest function above that is indented less than the line, or starts on it. */
function enclosingFunction(lines: readonly string[], line: number): string {
  const own = /(?:function\*?|const)\s+#?(\w+)/.exec(lines[line - 1] ?? '')?.[1]
  const indent = indentOf(lines[line - 1])
  for (let at = line - 1; at > 0; at--) {
    const text = lines[at - 1] ?? ''
    if (text.trim() === '' || indentOf(text) >= indent) continue
    const name =
      /(?:function\*?\s+(\w+))|(?:const\s+(\w+)[^=]*=\s*(?:async\s*)?(?:\(|<|\w+\s*=>))|^\s+(?:static |async |readonly )*#?(\w+)\s*(?:<.*>)?\(.*\{\s*$/.exec(
        text,
      )
    const found = name?.[1] ?? name?.[2] ?? name?.[3]
    if (found !== undefined && !['if', 'for', 'while', 'switch', 'catch'].includes(found)) return found
  }
  return own ?? ''
}

function indentOf(line: string | undefined): number {
  return /^\s*/.exec(line ?? '')?.[0].length ?? 0
}

/** What only adapters may touch, so that the simulator can be the world. `new Date(ms)` is a pure conversion and free. */
const bannedGlobals: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|(?<![\w.]|new )Date\(/g, 'take a Clock'],
  [/\bMath\.random\b|\bcrypto\.(getRandomValues|randomUUID)\b|\brandom(Bytes|UUID|FillSync|Int)\b/g, 'take a Random'],
  [/(?<![\w.#])(setTimeout|setInterval|setImmediate)\b|\bAbortSignal\.timeout\b/g, 'take a Clock'],
  [/(\bawait|\breturn|=>?|[(?:])\s*fetch\(|\bglobalThis\.fetch\b/g, 'the engine speaks through net/, clients through api/client'],
  [/(?<![\w.#])performance\.|\bprocess\.hrtime\b/g, 'take a Clock'],
  [/\bprocess\.(env|exit|argv|cwd)\b/g, 'take it as an argument'],
]

export interface Exemption {
  readonly file: RegExp
  readonly globals: RegExp
  readonly reason: string
}

export const exemptions: readonly Exemption[] = [
  { file: /^engine\/(platform|bin)\//, globals: /./, reason: 'adapters and commands are where the world is' },
  { file: /^electron\//, globals: /./, reason: 'the desktop shell is a program of its own' },
  {
    file: /^engine\/net\/libp2p-.*\.ts$/,
    globals: /Timeout|Interval|Immediate|AbortSignal/,
    reason: 'a real network has real timers; the simulator replaces the whole of it',
  },
]

export function checkGlobals(file: SourceFile, usedExemptions: Set<Exemption> = new Set()): Finding[] {
  if (!isStyled(file)) return []
  const { code } = splitSource(file.text)
  return bannedGlobals
    .flatMap(([pattern, remedy]) => findAll(file, code, pattern, (match) => `uses ${match}: ${remedy}`))
    .filter((finding) => {
      const exemption = exemptions.find((each) => each.file.test(file.path) && each.globals.test(finding.message.split(':')[0] ?? ''))
      if (exemption !== undefined) usedExemptions.add(exemption)
      return exemption === undefined
    })
}

const sql =
  /\b(insert\s+(or\s+\w+\s+)?into\s+\w+|delete\s+from\s+\w+|update\s+\w+\s+set\s|create\s+(unique\s+)?(table|index|trigger)\s|pragma\s+\w+|select\s[^;]*?\sfrom\s+\w+\s+(where|order|group|limit)\b)/gi

export const checkSql: Rule = (file) => {
  if (!isStyled(file) || file.path.startsWith('engine/index/')) return []
  return findAll(file, splitSource(file.text).strings, sql, (match) => `holds SQL (${match.slice(0, 30)}…): all of it is in engine/index`)
}

/** Where this was built is nobody's business and nobody else's path. */
export const checkPlaces: Rule = (file) => [
  ...findAll(file, file.text, /(?<![\w.~*-])\/(?:work|root)\/\w/g, (match) => `names a path of one machine: ${match}…`),
  ...findAll(
    file,
    file.text,
    /https?:\/\/(?:registry|npm|artifact\w*|nexus|proxy)\.[\w.-]+/g,
    (match) => `names a registry's host: ${match}`,
  ),
]

export const checkLock: Rule = (file) => {
  if (file.path !== 'package-lock.json') return []
  return findAll(file, file.text, /"resolved": "https?:[^"]*/g, (match) => `pins a host: ${match}`).slice(0, 3)
}

export const fileRules: readonly Rule[] = [checkName, checkLength, checkHeader, checkExports, checkCasts, checkSql, checkPlaces, checkLock]

// Which paths of a folder are not synced: git's rules from the folder's .holdfastignore, after defaults for what editors, systems
// and browsers leave behind. docs/ignore.md says it to people; keep the two in step.

import ignore from 'ignore'

import { utf8 } from '../base/bytes.ts'
import { isFolderDirectory } from '../model/path.ts'

export interface IgnoreRules {
  /** `path` is relative to the root. What lies below an ignored directory is ignored. */
  isIgnored(path: string, isDirectory: boolean): boolean
}

export type ParsedIgnoreRules =
  | { readonly kind: 'ok'; readonly rules: IgnoreRules }
  /** The file cannot be used: the rules before it stay in force. `problem` is for people. */
  | { readonly kind: 'refused'; readonly problem: string }

export const ignoreFileBytesMax: number = 64 * 1024
export const ignoreRuleUnitsMax = 1000
export const ignoreRulesMax = 1000
/**
 * The file may come from another member, and matching backtracks over `**`: on a path of 500 levels two of them took 3.5 ms,
 * three 1 s, four 76 s. Single stars are matched without backtracking.
 */
export const ignoreDoubleStarsMax = 2

/** Only names that programs make for themselves: a backup (`x~`) or vim's probe (`4913`) may as well be a person's. */
export const defaultIgnoreRules: readonly string[] = [
  // office programs' locks
  '.~lock.*#',
  '~$*',
  // editors' swap, lock and autosave files
  '.*.sw[a-px]',
  '.*.kate-swp',
  '.#*',
  '\\#*#',
  // unfinished downloads and saves
  '*.part',
  '*.crdownload',
  '.goutputstream-*',
  '*.sb-????????-??????',
  '.syncthing.*.tmp',
  '~syncthing~*.tmp',
  // files that are deleted but still open
  '.fuse_hidden*',
  '.nfs[0-9a-f][0-9a-f][0-9a-f][0-9a-f]*',
  // what systems keep for themselves
  '.DS_Store',
  '[Tt]humbs.db',
  '[Dd]esktop.ini',
  '/.Spotlight-V100/',
  '/.Trashes/',
  '/.fseventsd/',
  '/.Trash-*/',
  '/$RECYCLE.BIN/',
  '/System Volume Information/',
  '/lost+found/',
]

/**
 * Rules from the text of an ignore file; undefined = there is none. Letter case counts on every platform, so that all members
 * agree on what is ignored.
 */
export function parseIgnoreRules(text: string | undefined): ParsedIgnoreRules {
  const lines = (text ?? '').split('\n')
  const problem = problemOf(text ?? '', lines)
  if (problem !== undefined) return { kind: 'refused', problem }
  const matcher = ignore({ ignorecase: false }).add(defaultIgnoreRules)
  if (text !== undefined) matcher.add(text)
  return { kind: 'ok', rules: new MatchedRules(matcher) }
}

export type ParsedSelection =
  | { readonly kind: 'ok'; readonly matches: (path: string) => boolean }
  /** `problem` is for people. */
  | { readonly kind: 'refused'; readonly problem: string }

/** Files that patterns name, in the syntax of the ignore file: a directory stands for all below it, `!` takes out again. */
export function parseSelection(patterns: readonly string[]): ParsedSelection {
  if (patterns.some((pattern) => /[\n\r\0]/.test(pattern))) return { kind: 'refused', problem: 'a pattern has no line breaks' }
  const problem = problemOf(patterns.join('\n'), patterns)
  if (problem !== undefined) return { kind: 'refused', problem }
  const rules = new MatchedRules(ignore({ ignorecase: false }).add([...patterns].map((pattern) => pattern.normalize('NFC'))))
  return { kind: 'ok', matches: (path) => rules.isIgnored(path.normalize('NFC'), false) }
}

function problemOf(text: string, lines: readonly string[]): string | undefined {
  const bytes = utf8(text).length
  if (bytes > ignoreFileBytesMax) return `it has ${bytes} bytes, at most ${ignoreFileBytesMax} are read: use fewer, wider rules`
  if (lines.length > ignoreRulesMax) return `it has ${lines.length} lines, at most ${ignoreRulesMax} are read: use fewer, wider rules`
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('#')) continue
    if (line.length > ignoreRuleUnitsMax) return `line ${at + 1} is longer than ${ignoreRuleUnitsMax} characters: split the rule`
    if (line.split('**').length - 1 > ignoreDoubleStarsMax) {
      return `line ${at + 1} has more than ${ignoreDoubleStarsMax} double stars: use a simpler rule`
    }
  }
  return undefined
}

/** How many answers the matcher may remember: it never forgets by itself. */
const rememberedMax = 2000

class MatchedRules implements IgnoreRules {
  readonly #compiled: ignore.Ignore
  #matcher: ignore.Ignore
  #remembered = 0

  constructor(compiled: ignore.Ignore) {
    this.#compiled = compiled
    this.#matcher = compiled
  }

  isIgnored(path: string, isDirectory: boolean): boolean {
    if (path === '') return false
    const slash = path.indexOf('/')
    if (isFolderDirectory(slash < 0 ? path : path.slice(0, slash))) return true
    if (++this.#remembered > rememberedMax) {
      this.#remembered = 0
      this.#matcher = ignore({ ignorecase: false }).add(this.#compiled) // takes the compiled rules, starts with an empty memory
    }
    return this.#matcher.ignores(isDirectory ? `${path}/` : path)
  }
}

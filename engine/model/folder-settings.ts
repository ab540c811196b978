// What a person can set for a folder on one node: names, defaults, and what each may hold. `folder set` writes them, flows read them.

import { sizeBytesOf } from '../base/size.ts'
import type { HistoryPolicy } from './history-policy.ts'
import { parseNamePatterns } from './name-pattern.ts'

interface Setting {
  readonly defaultText: string
  /** What it may hold, for people. */
  readonly expected: string
  /** The text in its usual form; undefined when it may not hold that. */
  readonly parse: (text: string) => string | undefined
}

const daysMax = 36_500
const percentMax = 90
const msPerDay = 86_400_000

export type SettingName = 'grant' | 'history.days' | 'history.share' | 'merge.append'

const settings: Readonly<Record<SettingName, Setting>> = {
  grant: {
    defaultText: '',
    expected: 'a size such as 500GB, 1.5TiB or 200G, or nothing for no limit',
    parse: (text) => (text === '' || sizeBytesOf(text) !== undefined ? text : undefined),
  },
  'history.days': {
    defaultText: '30',
    expected: `a whole number of days from 0 to ${daysMax}`,
    parse: (text) => wholeNumber(text, daysMax),
  },
  'history.share': {
    defaultText: '25%',
    expected: `a share from 0% to ${percentMax}%`,
    parse: (text) => {
      const percent = text.endsWith('%') ? wholeNumber(text.slice(0, -1), percentMax) : undefined
      return percent === undefined ? undefined : `${percent}%`
    },
  },
  'merge.append': {
    defaultText: '',
    expected: 'patterns for names of files, parted by spaces, such as *.log *.md, or nothing',
    parse: (text) => parseNamePatterns(text)?.join(' '),
  },
}

export const settingNames: readonly SettingName[] = ['grant', 'history.days', 'history.share', 'merge.append']

export type ParsedSetting =
  | { readonly kind: 'ok'; readonly name: SettingName; readonly text: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly expected: string }

export function parseSetting(name: string, text: string): ParsedSetting {
  const known = settingNames.find((each) => each === name)
  if (known === undefined) return { kind: 'unknown' }
  const parsed = settings[known].parse(text.trim())
  return parsed === undefined ? { kind: 'refused', expected: settings[known].expected } : { kind: 'ok', name: known, text: parsed }
}

/** All settings, defaults where nothing else was set. */
export function allSettings(set: ReadonlyMap<string, string>): Readonly<Record<SettingName, string>> {
  const textOf = (name: SettingName): string => {
    const parsed = parseSetting(name, set.get(name) ?? '')
    return parsed.kind === 'ok' ? parsed.text : settings[name].defaultText
  }
  return {
    grant: textOf('grant'),
    'history.days': textOf('history.days'),
    'history.share': textOf('history.share'),
    'merge.append': textOf('merge.append'),
  }
}

export function historyPolicyOf(set: ReadonlyMap<string, string>): HistoryPolicy {
  const all = allSettings(set)
  return { keptMs: Number(all['history.days']) * msPerDay, shareMax: Number(all['history.share'].slice(0, -1)) / 100 }
}

/** What the folder may take of this node's block store; undefined without a limit. */
export function grantOf(set: ReadonlyMap<string, string>): number | undefined {
  return sizeBytesOf(set.get('grant') ?? '')
}

/** Names of files in which two appends are brought together; none = it is off. */
export function appendPatternsOf(set: ReadonlyMap<string, string>): readonly string[] {
  return parseNamePatterns(set.get('merge.append') ?? '') ?? []
}

function wholeNumber(text: string, max: number): string | undefined {
  if (!/^\d{1,6}$/.test(text)) return undefined
  const value = Number(text)
  return value <= max ? String(value) : undefined
}

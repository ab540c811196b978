// The name under which the losing side of a conflict lives on. Made from the loser alone, so that nodes that resolve apart
// make one copy: time and editor are those of its content.

import { concatBytes, toBase32, toHex, utf8 } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import { nameBytesMax } from '../model/limits.ts'
import { baseNameOf, joinPath, parentOf, parseRelativePath, type RelativePath } from '../model/path.ts'
import type { AuthorId } from '../model/ids.ts'

const editorLetters = 7
const mark = '.conflict-'
const keptMark = '.kept-'
/** As long as a mark with everything in it, or nearly: an extension this long is part of the name. */
const longestExtensionBytes = 32
const longestCharacterBytes = 4
const attemptsMax = 4

/**
 * `name.conflict-YYYYMMDD-HHMMSS-EDITOR-HASH.ext` beside `path`, in UTC; for a path so long that nothing fits beside it, in the folder's
 * root. `contentHash` tells apart two versions of one editor in one second. The stem is shortened where the name would pass the limit.
 * A conflict about a copy makes another copy of what that one is a copy of, not a copy of a copy. undefined when there is no room at all.
 */
export function conflictPath(
  path: RelativePath,
  timeUs: number,
  editor: AuthorId | undefined,
  contentHash: Uint8Array,
): RelativePath | undefined {
  const { stem, extension } = partsOf(baseNameOf(path))
  const who = editor === undefined ? 'merged' : toBase32(editor.subarray(1)).slice(0, editorLetters)
  const when = timeText(timeUs)
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const hash = attempt === 0 ? contentHash : blake3(concatBytes([contentHash, Uint8Array.of(attempt)]))
    const suffix = `${mark}${when}-${who}-${toHex(hash.subarray(0, 2))}${extension}`
    const name = shorten(stem, nameBytesMax - utf8(suffix).length) + suffix
    const beside = joinPath(parentOf(path), name) ?? parseRelativePath(name)
    if (beside !== path) return beside // a copy of this very content is what the conflict is about
  }
  return undefined
}

/** What a conflict copy's name tells. */
export interface CopyName {
  /** The path that the conflict was about; its name may have been longer: see `isStemShortened`. */
  readonly original: RelativePath
  readonly isStemShortened: boolean
  readonly stem: string
  readonly extension: string
}

const marked = /^(?<stem>.*)\.conflict-\d{8}-\d{6}-[a-z0-9]+-[0-9a-f]{4}$/s

/** undefined when the path does not have the name of a conflict copy. */
export function parseCopyPath(path: RelativePath): CopyName | undefined {
  const name = baseNameOf(path)
  const { extension } = splitExtension(name)
  for (const ending of new Set([extension, ''])) {
    const stem = marked.exec(name.slice(0, name.length - ending.length))?.groups?.['stem']
    if (stem === undefined) continue
    const original = joinPath(parentOf(path), stem + ending)
    if (original === undefined) return undefined
    return { original, isStemShortened: utf8(name).length > nameBytesMax - longestCharacterBytes, stem, extension: ending }
  }
  return undefined
}

/** Whether a copy of `path`, its name cut to make room, begins and ends like this. */
export function fitsCopy(path: RelativePath, { stem, extension }: CopyName): boolean {
  const name = splitExtension(baseNameOf(path))
  return parseCopyPath(path) === undefined && name.extension === extension && shorten(name.stem, utf8(stem).length) === stem
}

/** The copy's name once a person has decided to keep it: a file of its own, and no conflict any more. */
export function keptPath(copy: RelativePath): RelativePath | undefined {
  const name = baseNameOf(copy)
  const at = name.lastIndexOf(mark)
  return at < 0 ? undefined : joinPath(parentOf(copy), `${name.slice(0, at)}${keptMark}${name.slice(at + mark.length)}`)
}

/** Stem and extension of the name of what a path is a copy of, or of its own. */
function partsOf(name: string): { readonly stem: string; readonly extension: string } {
  const { stem, extension } = splitExtension(name)
  const original = marked.exec(stem)?.groups?.['stem'] ?? marked.exec(name)?.groups?.['stem']
  if (original === undefined) return { stem, extension }
  return marked.test(stem) ? { stem: original, extension } : splitExtension(original)
}

function splitExtension(name: string): { readonly stem: string; readonly extension: string } {
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && utf8(name.slice(dot)).length <= longestExtensionBytes ? name.slice(dot) : ''
  return { stem: name.slice(0, name.length - extension.length), extension }
}

function shorten(text: string, bytesMax: number): string {
  let kept = text
  while (utf8(kept).length > bytesMax) kept = Array.from(kept).slice(0, -1).join('')
  return kept
}

const microsecondsPerDay = 86_400_000_000
const microsecondsPerSecond = 1_000_000

/** Civil date from days since 1970 (Howard Hinnant's algorithm): the engine has no Date, and its range is wider. */
export function timeText(timeUs: number): string {
  const clamped = Math.min(Math.max(timeUs, 0), 253_402_300_799_000_000) // year 9999
  const seconds = Math.floor((clamped % microsecondsPerDay) / microsecondsPerSecond)
  const shifted = Math.floor(clamped / microsecondsPerDay) + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const two = (value: number): string => String(value).padStart(2, '0')
  const clock = `${two(Math.floor(seconds / 3600))}${two(Math.floor(seconds / 60) % 60)}${two(seconds % 60)}`
  return `${String(year).padStart(4, '0')}${two(month)}${two(day)}-${clock}`
}

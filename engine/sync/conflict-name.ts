// The name under which the losing side of a conflict lives on. Made from the loser alone, so that nodes that resolve apart
// make one copy: time and editor are those of its content.

import { toBase32, toHex, utf8 } from '../base/bytes.ts'
import { nameBytesMax } from '../model/limits.ts'
import { baseNameOf, parentOf, parseRelativePath, type RelativePath } from '../model/path.ts'
import type { AuthorId } from '../model/ids.ts'

const editorLetters = 7
const mark = '.conflict-'
const longestExtensionBytes = 32

/**
 * `name.conflict-YYYYMMDD-HHMMSS-EDITOR.ext` beside `path`, in UTC. `contentHash` tells apart two versions of one editor
 * in one second. The stem is shortened where the name would pass the limit. undefined when the path has no room at all.
 */
export function conflictPath(
  path: RelativePath,
  mtimeUs: number,
  editor: AuthorId | undefined,
  contentHash: Uint8Array,
): RelativePath | undefined {
  const name = baseNameOf(path)
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && utf8(name.slice(dot)).length <= longestExtensionBytes ? name.slice(dot) : ''
  const who = editor === undefined ? 'merged' : toBase32(editor.subarray(1)).slice(0, editorLetters)
  const suffix = `${mark}${timeText(mtimeUs)}-${who}-${toHex(contentHash.subarray(0, 2))}${extension}`
  const stem = shorten(extension === '' ? name : name.slice(0, dot), nameBytesMax - utf8(suffix).length)
  const parent = parentOf(path)
  return parseRelativePath(parent === undefined ? stem + suffix : `${parent}/${stem}${suffix}`)
}

function shorten(text: string, bytesMax: number): string {
  let kept = text
  while (utf8(kept).length > bytesMax) kept = Array.from(kept).slice(0, -1).join('')
  return kept
}

const microsecondsPerDay = 86_400_000_000
const microsecondsPerSecond = 1_000_000

/** Civil date from days since 1970 (Howard Hinnant's algorithm): the engine has no Date, and its range is wider. */
function timeText(timeUs: number): string {
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

// Times as people type and read them: in the machine's own zone.

import { EngineError } from '../base/errors.ts'
import { parseDurationMs } from '../config.ts'

/** `2h` and `3d` are that long ago; else ISO 8601: a date, or a date and a time, in the machine's zone unless it names another. */
export function parseTimeMs(text: string, nowMs: number): number {
  const typed = text.trim()
  if (/^\d+(?:\.\d+)?\s*[smhdw]$/i.test(typed)) {
    const isWeeks = /w$/i.test(typed)
    const unitMs = parseDurationMs('--at', isWeeks ? typed.replace(/w$/i, 'd') : typed)
    return nowMs - unitMs * (isWeeks ? 7 : 1)
  }
  const isDate = /^\d{4}-\d\d-\d\d$/.test(typed)
  const isTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/i.test(typed)
  const timeMs = isDate || isTime ? new Date(isDate ? `${typed}T00:00` : typed.replace(' ', 'T')).getTime() : Number.NaN
  if (Number.isSafeInteger(timeMs) && timeMs >= 0) return timeMs
  throw new EngineError('BAD_ARGUMENT', `${typed} is not a time: give one such as 2h or 3d (ago), 2026-11-20 or 2026-11-20T14:30`)
}

/** `2026-11-20 14:30:05`. */
export function localTimeText(timeMs: number): string {
  const time = new Date(timeMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

/** To the millisecond, for commands that are to be typed again. */
export function exactTimeText(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

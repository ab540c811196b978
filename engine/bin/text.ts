// Numbers and lists as people read them. Pure.

const sizeNames: readonly string[] = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `0 B`, `1.2 GiB`, `340 MiB`: two or three digits that mean something. */
export function sizeText(sizeBytes: number): string {
  let value = sizeBytes
  let power = 0
  // 1023.95 and up would read "1024.0".
  while (value >= 1023.5 && power < sizeNames.length - 1) {
    value /= 1024
    power++
  }
  return `${power === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${sizeNames[power] ?? ''}`
}

/** `4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const minutes = Math.round(whole / 60)
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`
}

/** `1 file`, `12,345 files`. */
export function countText(count: number, one: string, many: string = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}

/** Rows as aligned columns, two spaces apart, each line without blanks at its end. */
export function columnsText(rows: readonly (readonly string[])[], indent: string = ''): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return rows.map((row) => `${indent}${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd()).join('\n')
}

/** What a peer or a file name may hold must not steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\u{FFFD}')
}

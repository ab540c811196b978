// Sizes as people write them.

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1000 ** 4,
  tib: 1024 ** 4,
}

/** `500GB` is decimal, `500GiB` and `500G` are binary. Whole bytes; undefined when it is none. */
export function sizeBytesOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = sizeUnits[(match?.[2] ?? '-').toLowerCase()]
  const sizeBytes = Math.floor(Number(match?.[1]) * (unit ?? Number.NaN))
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined
}

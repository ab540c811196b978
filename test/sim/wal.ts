// Reads the frames of a SQLite write-ahead log as far as its checksums hold (https://sqlite.org/fileformat2.html#walformat),
// to know where transactions end. Only for the simulator.

const headerBytes = 32
const frameHeaderBytes = 24
const magicBigEndianSums = 0x377f0683

export interface WalCommit {
  /** Frames up to and with this commit. */
  readonly frames: number
  readonly endBytes: number
}

export function readWal(bytes: Uint8Array): { readonly pageBytes: number; readonly commits: readonly WalCommit[] } {
  if (bytes.length < headerBytes) return { pageBytes: 0, commits: [] }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const isLittleEndian = view.getUint32(0) !== magicBigEndianSums
  const pageBytes = view.getUint32(8)
  const salts = [view.getUint32(16), view.getUint32(20)]
  let sums = checksum(view, 0, 24, [0, 0], isLittleEndian)
  const commits: WalCommit[] = []
  let frames = 0
  for (let at = headerBytes; at + frameHeaderBytes + pageBytes <= bytes.length; at += frameHeaderBytes + pageBytes) {
    if (view.getUint32(at + 8) !== salts[0] || view.getUint32(at + 12) !== salts[1]) break
    sums = checksum(view, at, 8, sums, isLittleEndian)
    sums = checksum(view, at + frameHeaderBytes, pageBytes, sums, isLittleEndian)
    if (view.getUint32(at + 16) !== sums[0] || view.getUint32(at + 20) !== sums[1]) break
    frames++
    const isCommit = view.getUint32(at + 4) !== 0
    if (isCommit) commits.push({ frames, endBytes: at + frameHeaderBytes + pageBytes })
  }
  return { pageBytes, commits }
}

type Sums = readonly [number, number]

function checksum(view: DataView, offset: number, length: number, start: Sums, isLittleEndian: boolean): Sums {
  let [first, second] = start
  for (let at = offset; at < offset + length; at += 8) {
    first = (first + view.getUint32(at, isLittleEndian) + second) >>> 0
    second = (second + view.getUint32(at + 4, isLittleEndian) + first) >>> 0
  }
  return [first, second]
}

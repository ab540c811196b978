// Says of most ids that a run does not have, that it does not have them, without a read: a Bloom filter of ten bits a row, which lets one
// id in a hundred through. Ids are hashes already, so their bytes serve as the hash functions (Kirsch and Mitzenmacher, 2006).

const bitsPerRow = 10
const probes = 7

export class RunFilter {
  readonly bytes: Uint8Array
  readonly #bits: number

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#bits = bytes.length * 8
  }

  static forRows(rows: number): RunFilter {
    return new RunFilter(new Uint8Array(Math.max(8, Math.ceil((rows * bitsPerRow) / 8))))
  }

  /** The id without its version byte stands at `at`. */
  add(source: Uint8Array, at: number): void {
    const step = numberAt(source, at + 12)
    let bit = numberAt(source, at + 8) % this.#bits
    for (let probe = 0; probe < probes; probe++) {
      const byte = bit >>> 3
      this.bytes[byte] = (this.bytes[byte] ?? 0) | (1 << (bit & 7))
      bit = (bit + step) % this.#bits
    }
  }

  mayHave(source: Uint8Array, at: number): boolean {
    const step = numberAt(source, at + 12)
    let bit = numberAt(source, at + 8) % this.#bits
    for (let probe = 0; probe < probes; probe++) {
      if (((this.bytes[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false
      bit = (bit + step) % this.#bits
    }
    return true
  }
}

function numberAt(source: Uint8Array, at: number): number {
  return (((source[at] ?? 0) << 24) | ((source[at + 1] ?? 0) << 16) | ((source[at + 2] ?? 0) << 8) | (source[at + 3] ?? 0)) >>> 0
}
